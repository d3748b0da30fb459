//! `explain --packets`: the later packets of every recorded flow, made from how the one before ended, take the kernel's way.
//!
//! A replay reads the later packets from their files; here only the first is read, and the answer of the other side and
//! what follows are the command's own. Left out: ICMP errors about a packet, and what [`SCRIPTED`] names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{compare, json_files, on_threads, read, report, unpack};

/// Flows with packets that no ordinary program sends.
const SCRIPTED: &[(&str, &str)] = &[
    ("story-ct-invalid", "a sequence number far out of the window"),
    ("ipt-leg4-97103", "UDP answers without the payload, where a rule looks for a string in it"),
    ("ipt-nft4-97103", "the same"),
    ("ipt-nft6-05020", "an echo reply that does not give the payload back"),
    ("state-", "packets of several senders"),
    ("story-00004", "a scanner's connections, not one's packets"),
    ("story-00007", "connections that use up a limit"),
    ("story-00012", "connections that use up a limit"),
    ("story-two-uplinks-rp1", "an answer by the other uplink"),
    ("odd-snat", "two clients in one flow"),
    ("odd-numgen", "a flow of several connections, for the counter's sake"),
    ("odd-nft-statements-", "two clients in one flow"),
    ("odd-ipset-", "packets of several clients, one behind the other"),
];

#[test]
fn conversations_agree_with_the_kernel() {
    let flows: Vec<_> = unpack("conversations").iter().map(PathBuf::as_path).flat_map(flows).collect();
    let found = on_threads(&flows, differences);
    let later: usize = flows.iter().map(|f| f.packets.len() - 1).sum();
    println!("{} flows, {later} later packets", flows.len());
    report("later packets", &found, &BTreeMap::new());
}

/// The packets of one flow, with the paths of their files.
struct Flow {
    case: PathBuf,
    packets: Vec<(PathBuf, Value)>,
}

/// The flows of more than one packet.
fn flows(case: &Path) -> Vec<Flow> {
    let mut by_number: BTreeMap<u64, Vec<(PathBuf, Value)>> = BTreeMap::new();
    for path in json_files(&case.join("packets")) {
        let packet = read(&path);
        by_number.entry(packet["flow"].as_u64().unwrap_or(0)).or_default().push((path, packet));
    }
    let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let scripted = SCRIPTED.iter().any(|(n, _)| name.starts_with(n));
    let ordinary = |packets: &Vec<(PathBuf, Value)>| packets.iter().all(|(_, p)| p["inner_hex"].is_null());
    let several = by_number.into_values().filter(|packets| packets.len() > 1 && !scripted && ordinary(packets));
    several.map(|packets| Flow { case: case.to_owned(), packets }).collect()
}

/// What `--packets` calls a packet: the second of a flow is the answer.
fn leg(index: usize, packet: &Value) -> &'static str {
    let flags: Vec<&str> = packet["tcp_flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (packet["proto"] == "tcp", index == 1) {
        (false, true) => "reply",
        (false, false) => "request",
        (true, true) if flags.contains(&"rst") => "rstack",
        (true, true) if flags.contains(&"syn") => "synack",
        (true, true) => "reply",
        (true, false) if flags == ["syn"] => "syn",
        (true, false) if flags == ["ack"] => "ack",
        (true, false) => "data",
    }
}

/// The packets behind the first that differ from what the kernel did.
fn differences(flow: &Flow) -> BTreeMap<String, String> {
    let legs: Vec<_> = flow.packets.iter().enumerate().map(|(i, (_, p))| leg(i, p)).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.arg("explain").arg(&flow.case).arg("--packet").arg(&flow.packets[0].0);
    let out = command.args(["--json", "--packets", &legs.join(",")]).output().unwrap();
    let said: Vec<Value> =
        serde_json::Deserializer::from_slice(&out.stdout).into_iter().map_while(Result::ok).collect();
    let mut found = BTreeMap::new();
    for (i, (path, _)) in flow.packets.iter().enumerate().skip(1) {
        let expected = read(&flow.case.join("expected").join(path.file_name().unwrap_or_default()));
        let difference = match said.get(i) {
            Some(line) => compare::best(&expected, line),
            None => Some(format!("no packet {} of {}", i + 1, legs.join(","))),
        };
        let case = flow.case.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{case}/{}", path.file_stem().unwrap_or_default().to_string_lossy());
        found.extend(difference.map(|d| (name, d)));
    }
    found
}
