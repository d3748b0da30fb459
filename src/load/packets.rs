//! Packets in files: one JSON object, a JSON array, JSON Lines, or a case's folder `packets/*.json` in name order.

use std::fs;
use std::path::{Path, PathBuf};

use nettrace_engine::limits;
use nettrace_engine::spec::{self, PacketSpec};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Failure;
use super::files::{read, read_stdin};

/// The packet of `--packet FILE|-`.
pub fn one_packet(path: &Path) -> Result<PacketSpec, Failure> {
    let mut all = from_file(path)?;
    if all.len() > 1 {
        return Err(Failure::new(format!("{} holds {} packets, one is wanted", path.display(), all.len())));
    }
    all.pop().ok_or_else(|| Failure::new(format!("{} holds no packet", path.display())))
}

/// The packets of a file (or `-`), else those of the folder.
pub fn packets(file: Option<&Path>, folder: Option<PathBuf>) -> Result<Vec<PacketSpec>, Failure> {
    let all = match (file, folder) {
        (Some(path), _) => from_file(path)?,
        (None, Some(folder)) => from_folder(&folder)?,
        (None, None) => {
            return Err(Failure::new("there are no packets: give --packets FILE, or a folder that has packets/*.json"));
        }
    };
    match all.len() {
        0 => Err(Failure::new("there are no packets")),
        n if n > limits::PACKETS => Err(Failure::new(format!("{n} packets are more than {}", limits::PACKETS))),
        _ => Ok(all),
    }
}

fn from_folder(folder: &Path) -> Result<Vec<PacketSpec>, Failure> {
    let fail = |e: std::io::Error| Failure::new(format!("cannot read the folder {}: {e}", folder.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|e| e == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let all: Result<Vec<_>, _> = paths.iter().map(|p| from_file(p)).collect();
    Ok(all?.into_iter().flatten().collect())
}

fn from_file(path: &Path) -> Result<Vec<PacketSpec>, Failure> {
    if path.as_os_str() == "-" {
        return parse(&read_stdin()?, "<stdin>");
    }
    parse(&read(path)?, &path.display().to_string())
}

/// Packets whose fields' names are looked at.
const NAMED: usize = 1000;

/// A name that is none of a packet's but much like one; others are remarks.
fn misspelt(text: &str) -> Option<String> {
    let packets: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).ok()?
    } else {
        serde_json::Deserializer::from_str(text).into_iter().take(NAMED).map_while(Result::ok).collect()
    };
    let read = |packet: &&RawValue| serde_json::from_str::<Map<String, Value>>(packet.get()).ok();
    let mut names = packets.iter().take(NAMED).filter_map(read).flat_map(|fields| fields.into_iter().map(|f| f.0));
    let hint = |name: String| spec::meant(&name).map(|meant| format!("`{name}`; did you mean `{meant}`?"));
    names.find_map(hint)
}

fn parse(text: &str, name: &str) -> Result<Vec<PacketSpec>, Failure> {
    if let Some(hint) = misspelt(text) {
        return Err(Failure::new(format!("{name}: a packet has no field {hint}")));
    }
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|e| Failure::new(format!("{name}: {e}")));
    }
    let stream = serde_json::Deserializer::from_str(text).into_iter();
    stream.collect::<Result<Vec<PacketSpec>, _>>().map_err(|e| Failure::new(format!("{name}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_as_an_object_an_array_or_lines() {
        let check = |text: &str, expect: &[Option<u16>]| {
            let ports: Vec<_> = parse(text, "x").unwrap().iter().map(|p| p.dport).collect();
            assert_eq!(ports, expect);
        };
        check("{\"dport\": 1}", &[Some(1)]);
        check("{\"dport\": 1}\n{\"dport\": 2, \"proto\": 6}\n", &[Some(1), Some(2)]);
        check("[{\"dport\": 1}, {\"proto\": \"udp\"}]", &[Some(1), None]);
        check("", &[]);
        assert_eq!(parse("{\"src\": \"10.0.0.1\"}", "x").unwrap()[0].saddr.as_deref(), Some("10.0.0.1"));
        assert!(parse("{\"dprot\": 1}", "x").unwrap_err().to_string().contains("did you mean `dport`?"));
        check("{\"dport\": 1, \"remark\": \"of monday\"}", &[Some(1)]);
        assert_eq!(parse("{\"dport\": 99999}", "x").unwrap_err().to_string().split(':').next(), Some("x"));
    }
}
