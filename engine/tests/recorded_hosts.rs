//! The routing decisions against what the kernel recorded: for every packet of `../shared/oracle/corpus/stories` that
//! left PREROUTING, was it for this host, forwarded (by which device), or dropped?
//!
//! The recorded hosts have no `ip neigh` and no `bridge fdb`; bridged packets are left out.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nettrace_engine::host::{Family, Host, InputQuery, InputRoute, Part, Parts};
use nettrace_grammar::Sources;
use serde_json::Value;

const PARTS: [(&str, Part); 7] = [
    ("addr.json", Part::Addresses),
    ("link.json", Part::Links),
    ("route.json", Part::Routes(None)),
    ("route6.json", Part::Routes(Some(Family::V6))),
    ("rule.json", Part::Rules(Family::V4)),
    ("rule6.json", Part::Rules(Family::V6)),
    ("sysctl.json", Part::Sysctls),
];

fn host(dir: &Path) -> Host {
    let (mut sources, mut parts) = (Sources::default(), Parts::default());
    for (name, part) in PARTS {
        let Ok(text) = fs::read_to_string(dir.join(name)) else { continue };
        let found = parts.read(part, sources.add(name, text).expect("recorded inputs are small"));
        assert!(found.is_empty(), "{}/{name}: {found:?}", dir.display());
    }
    Host::new(parts)
}

fn cases() -> Option<Vec<PathBuf>> {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracle/corpus/stories");
    let mut dirs: Vec<_> = fs::read_dir(stories).ok()?.flatten().map(|e| e.path()).collect();
    dirs.sort();
    Some(dirs)
}

fn addr(header: &Value, key: &str) -> Option<IpAddr> {
    header[key].as_str()?.parse().ok()
}

/// The decision in the words of the recording: the hook that comes next, and the device.
fn decide(host: &Host, header: &Value) -> Option<String> {
    let iif = header["iif"].as_str()?;
    let number = |key: &str| header[key].as_u64().unwrap_or(0);
    let port = |key: &str| header[key].as_u64().map(|p| p as u16);
    let query = InputQuery {
        mark: number("mark") as u32,
        tos: number("tos") as u8,
        sport: port("sport"),
        dport: port("dport"),
        ..InputQuery::new(addr(header, "saddr")?, addr(header, "daddr")?, iif)
    };
    Some(match host.input_route(&query, &mut Vec::new()) {
        Ok(InputRoute::Local { .. }) => "input".to_owned(),
        Ok(InputRoute::Forward { ways, .. }) => format!("forward {}", ways[0].dev),
        Ok(InputRoute::Drop(_) | InputRoute::Blackhole(_) | InputRoute::Error { .. }) => "dropped".to_owned(),
        other => format!("{other:?}"),
    })
}

#[test]
fn decisions_are_the_kernels() {
    let Some(cases) = cases() else {
        println!("skipped: ../shared/oracle/corpus/stories is not there");
        return;
    };
    let (mut right, mut wrong) = (0, Vec::new());
    for dir in cases {
        let host = host(&dir);
        let mut files: Vec<_> = fs::read_dir(dir.join("expected")).unwrap().flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files {
            let case: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
            let hooks = case["hooks"].as_array().unwrap();
            let Some(first) = hooks.first() else { continue };
            if first["hook"] != "prerouting" || first["exit"].is_null() || case["fate"]["kind"] == "bridged" {
                continue;
            }
            let exit = &first["exit"];
            if exit["ttl"].as_u64() == Some(1) {
                continue;
            }
            let next = hooks.get(1);
            let next = match next.map(|h| (h["hook"].as_str().unwrap(), &h["entry"])) {
                Some(("forward", e)) if e["ttl"] == exit["ttl"] => continue,
                Some(("forward", entry)) => format!("forward {}", entry["oif"].as_str().unwrap()),
                Some(("input", _)) => "input".to_owned(),
                _ => "dropped".to_owned(),
            };
            let ours = decide(&host, exit).unwrap_or_default();
            if ours == next {
                right += 1;
            } else {
                wrong.push(format!("{}: {ours}, the kernel: {next}\n  {exit}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{right} right, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(right > 100, "only {right} decisions were compared");
    println!("{right} decisions compared");
}
