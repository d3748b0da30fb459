//! The recorded hosts in `../shared/scenarios`: for every case the trace log equals the kernel's, line for line.
//!
//! Compared with `expected.json` are table, chain, kind and number of each step, and the header shown with it. Skipped
//! where `../shared` is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

/// The scenarios that were recorded with iptables, and the dump that decides.
const SCENARIOS: &[&str] = &["nodeport-drop", "k3s-netpol", "ignite-egress", "ipv6-nodeport", "cilium-host-firewall"];

/// Those that were recorded with nft; the second holds iptables-nft tables too.
const NFT_SCENARIOS: &[&str] = &["firewalld-nft", "microshift-ports", "kube-proxy-nftables"];

/// One step as `TABLE:CHAIN:KIND:N in out src dst dport mark`.
type Step = String;

/// The scenarios' folder, where it is.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn scenarios() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/scenarios");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: {} is not there", root.display());
    None
}

/// All cases of these scenarios for which `compare` finds a difference.
fn differing(names: &[&str], compare: fn(&Path, &Value) -> Result<(), String>) {
    let Some(root) = scenarios() else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for name in names {
        let text = std::fs::read_to_string(root.join(name).join("expected.json")).expect("expected.json is readable");
        let cases: Vec<Value> = serde_json::from_str(&text).expect("expected.json is a list");
        for case in cases.iter().filter(|c| c["packet"].is_object()) {
            count += 1;
            wrong.extend(compare(&root.join(name), case).err().map(|e| format!("{name} {}: {e}", title(case))));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_step_of_every_nft_scenario_is_the_kernels() {
    differing(NFT_SCENARIOS, compare_nft);
}

#[test]
fn nft_logs_every_line_as_nft_monitor_does() {
    differing(NFT_SCENARIOS, compare_nft_monitor);
}

#[test]
fn iptables_nft_logs_every_rule_as_xtables_monitor_does() {
    differing(&["nodeport-drop", "k3s-netpol", "ignite-egress"], compare_monitor);
}

#[test]
fn every_step_of_every_iptables_scenario_is_the_kernels() {
    differing(SCENARIOS, compare);
}

fn title(case: &Value) -> String {
    format!("{} / {}", case["variant"].as_str().unwrap_or("?"), case["case"].as_str().unwrap_or("?"))
}

/// Whether one of the ways is the kernel's.
fn compare(folder: &Path, case: &Value) -> Result<(), String> {
    let expect: Vec<Step> = case["steps"].as_array().into_iter().flatten().map(expected_step).collect();
    let ways = ways(folder, case)?;
    if ways.iter().any(|ours| same(case, &expect, ours)) {
        return Ok(());
    }
    Err(difference(&expect, ways.first().map_or(&[][..], Vec::as_slice)))
}

/// The first step that differs.
fn difference(expect: &[Step], ours: &[Step]) -> String {
    let at = expect.iter().zip(ours).position(|(a, b)| a != b).unwrap_or(expect.len().min(ours.len()));
    let show = |list: &[Step]| list.get(at).cloned().unwrap_or_else(|| "(end)".to_string());
    format!("step {} of {}\n    kernel {}\n    ours   {}", at + 1, expect.len(), show(expect), show(ours))
}

/// The same with the other backend, recorded by `xtables-monitor --trace`: table, chain, verdict and rule text.
fn compare_monitor(folder: &Path, case: &Value) -> Result<(), String> {
    let variant = case["variant"].as_str().filter(|v| *v != "base").map_or(String::new(), |v| format!(".{v}"));
    let Ok(log) = std::fs::read_to_string(folder.join(format!("kernel-trace-nft{variant}.txt"))) else { return Ok(()) };
    let head = format!("case {}:", case["case"].as_str().unwrap_or("?"));
    let block = log.split("\n## ").find(|b| b.lines().next().is_some_and(|l| l.contains(&head)));
    let expect: Vec<Step> = block.unwrap_or("").lines().filter_map(monitor_step).collect();
    let out = run(folder, case, &["--backend", "nft", "--format", "trace", "--all"])?;
    let ways: Vec<Vec<Step>> = out.split("# way ").map(|w| w.lines().filter_map(monitor_step).collect()).collect();
    // Later packets of a connection may follow in the log.
    let same = |w: &Vec<Step>| !w.is_empty() && (expect.starts_with(w) || w.starts_with(&expect));
    if expect.is_empty() || ways.iter().any(same) {
        return Ok(());
    }
    Err(difference(&expect, ways.iter().max_by_key(|w| w.len()).map_or(&[][..], Vec::as_slice)))
}

/// ` TRACE: 2 f9a0121b nat:PREROUTING:rule:0x3c3:JUMP:KUBE-SERVICES  -4 -t nat -A …` without trace id and handle.
fn monitor_step(line: &str) -> Option<Step> {
    let mut parts = line.strip_prefix(" TRACE: ")?.splitn(3, ' ').skip(2);
    let rest = parts.next()?.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut pieces = rest.splitn(4, ':');
    let (table, chain, kind, says) = (pieces.next()?, pieces.next()?, pieces.next()?, pieces.next()?);
    let says = if kind == "rule" { says.split_once(':')?.1 } else { says };
    Some(format!("{table}:{chain}:{kind}:{says}"))
}

/// The same for an nft recording: chains entered with the header, rules and policies with their verdicts. Where the
/// recording goes on with later packets of the connection, those are a conversation's.
fn compare_nft(folder: &Path, case: &Value) -> Result<(), String> {
    let steps: Vec<Step> = case["steps"].as_array().into_iter().flatten().map(expected_nft_step).collect();
    let mut packets = packets_of(&steps).into_iter();
    let first = packets.next().unwrap_or_default();
    let said = answers(folder, case, &["--json"])?;
    let ways: Vec<Vec<Step>> = said.iter().flat_map(nft_ways).collect();
    if !ways.iter().any(|ours| first == ours.as_slice() || goes_on_over_loopback(case, first, ours)) {
        let closest = ways.iter().max_by_key(|w| w.iter().zip(first).take_while(|(a, b)| a == b).count());
        return Err(difference(first, closest.map_or(&[][..], Vec::as_slice)));
    }
    let later: Vec<&[Step]> = packets.collect();
    if later.is_empty() {
        return Ok(());
    }
    let said = answers(folder, case, &["--json", "--packets", "syn,synack,ack,data,data"])?;
    let ours: Vec<Vec<Vec<Step>>> = said.iter().skip(3).map(nft_ways).collect();
    match later.iter().zip(&ours).find(|(want, ways)| !ways.iter().any(|w| w == *want)) {
        _ if later.len() > ours.len() => Err(format!("{} later packets", later.len())),
        Some((want, ways)) => Err(difference(want, ways.first().map_or(&[][..], Vec::as_slice))),
        None => Ok(()),
    }
}

/// The steps of each packet: the next one begins where the first chain is entered again.
fn packets_of(steps: &[Step]) -> Vec<&[Step]> {
    let entered = |s: &Step| s.split(" packet: ").next().unwrap_or_default().to_string();
    let first = steps.first().map(entered);
    let starts: Vec<usize> = (0..steps.len()).filter(|i| Some(entered(&steps[*i])) == first).collect();
    let ends = starts.iter().skip(1).copied().chain([steps.len()]);
    starts.iter().zip(ends).map(|(start, end)| &steps[*start..end]).collect()
}

/// Equal, and then the second half of a trip over loopback: it has a trace id of its own, and was recorded as another
/// packet, which no case has.
fn goes_on_over_loopback(case: &Value, expect: &[Step], ours: &[Step]) -> bool {
    let rest = ours.strip_prefix(expect).and_then(<[Step]>::first);
    case["packet"]["out"] == "lo" && rest.is_some_and(|s| s.contains(" enter lo - "))
}

/// Tables of nft's own are logged as `nft monitor trace` does, to the letter: but for the trace id, the packet's id, and the window.
fn compare_nft_monitor(folder: &Path, case: &Value) -> Result<(), String> {
    let variant = case["variant"].as_str().filter(|v| *v != "base").map_or(String::new(), |v| format!(".{v}"));
    let log =
        std::fs::read_to_string(folder.join(format!("kernel-trace-nft{variant}.txt"))).map_err(|e| e.to_string())?;
    let head = format!("{}:", case["case"].as_str().unwrap_or("?"));
    let block = log.split("## case ").find(|b| b.starts_with(&head)).unwrap_or("");
    let expect: Vec<Step> = block.lines().filter_map(nft_monitor_line).collect();
    let out = run(folder, &as_logged(case, block), &["--format", "trace", "--all"])?;
    let ways: Vec<Vec<Step>> = out.split("# way ").map(|w| w.lines().filter_map(nft_monitor_line).collect()).collect();
    let same = |w: &Vec<Step>| {
        let over_lo = |s: &Step| case["packet"]["out"] == "lo" && s.contains(" packet: iif \"lo\" @ll,0,112 0x800 ");
        let loops = |rest: &[Step]| rest.first().is_none_or(over_lo);
        let first = packets_of(&expect).into_iter().next().unwrap_or_default();
        !w.is_empty() && w.strip_prefix(first).is_some_and(loops)
    };
    if ways.iter().any(same) {
        return Ok(());
    }
    let closest = ways.iter().max_by_key(|w| w.iter().zip(&expect).take_while(|(a, b)| a == b).count());
    Err(difference(&expect, closest.map_or(&[][..], Vec::as_slice)))
}

/// The case with what only the log tells of its packet: MAC addresses and length.
fn as_logged(case: &Value, log: &str) -> Value {
    let word = |key: &str| log.split(key).nth(1).and_then(|rest| rest.split_whitespace().next());
    let mut case = case.clone();
    if let (Some(src), Some(dst)) = (word(" ether saddr "), word(" ether daddr ")) {
        case["packet"]["mac"] = json!(format!("{dst}:{src}"));
    }
    if let Some(length) = word(" ip length ").and_then(|n| n.parse::<u16>().ok()) {
        case["packet"]["length"] = json!(length);
    }
    case
}

/// `trace id 231257a6 ip kube-proxy nat-output policy accept` without what a description of a packet does not hold. Tables of
/// iptables-nft are not logged so.
fn nft_monitor_line(line: &str) -> Option<Step> {
    let rest = line.strip_prefix("trace id ")?.split_once(' ')?.1;
    let native = ["inet firewalld ", "ip kube-proxy ", "ip6 kube-proxy "].iter().any(|t| rest.starts_with(t));
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    for i in 2..words.len() {
        if matches!(words[i - 2..i], ["ip", "id"] | ["tcp", "window"] | ["ip6", "flowlabel"]) {
            words[i] = "N";
        }
    }
    native.then(|| words.join(" "))
}

fn expected_nft_step(step: &Value) -> Step {
    let text = |key: &str| step[key].as_str().unwrap_or("-").to_string();
    let head = format!("{} {} {} {}", text("family"), text("table"), text("chain"), text("kind"));
    match step["kind"].as_str() {
        Some("enter") => {
            format!("{head} {} {} {} {} {}", text("in"), text("out"), text("src"), text("dst"), text("dport"))
        }
        // A policy's line shows the mark too.
        Some("policy") => format!("{head} {}", text("verdict").split(' ').next().unwrap_or("-")),
        _ => format!("{head} {}", text("verdict")),
    }
}

/// What the command says: one object a packet.
fn answers(folder: &Path, case: &Value, how: &[&str]) -> Result<Vec<Value>, String> {
    let out = run(folder, case, how)?;
    serde_json::Deserializer::from_str(&out).into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// The steps of each outcome.
fn nft_ways(answer: &Value) -> Vec<Vec<Step>> {
    answer["outcomes"].as_array().into_iter().flatten().map(nft_steps).collect()
}

fn nft_steps(outcome: &Value) -> Vec<Step> {
    let mut out = Vec::new();
    for pass in outcome["path"].as_array().into_iter().flatten() {
        let text = |v: &Value| {
            v.as_str().map_or_else(|| v.as_u64().map_or("-".to_string(), |n| n.to_string()), str::to_string)
        };
        let (entry, table) = (&pass["entry"], format!("{} {}", text(&pass["family"]), text(&pass["table"])));
        let header = ["iif", "oif", "saddr", "daddr", "dport"].map(|key| text(&entry[key])).join(" ");
        out.push(format!("{table} {} enter {header}", text(&pass["chain"])));
        for step in pass["steps"].as_array().into_iter().flatten().filter(|s| s["kind"] != "return") {
            out.push(format!("{table} {} {} {}", text(&step["chain"]), text(&step["kind"]), text(&step["verdict"])));
        }
    }
    out
}

/// Equal, but for two habits of the recording: a client that was refused tried again, and the second half of a trip over
/// loopback counted as another packet.
fn same(case: &Value, expect: &[Step], ours: &[Step]) -> bool {
    let again =
        !ours.is_empty() && expect.len().is_multiple_of(ours.len()) && expect.chunks(ours.len()).all(|c| c == ours);
    let looped = ours.strip_prefix(expect).is_some_and(|rest| {
        rest.first().is_some_and(|s| s.starts_with("raw:PREROUTING:") && s.split(' ').nth(1) == Some("lo"))
    });
    expect == ours || again || (looped && case["packet"]["out"] == "lo")
}

fn expected_step(step: &Value) -> Step {
    let text = |key: &str| step[key].as_str().unwrap_or("").to_string();
    let number = |key: &str| step[key].as_u64().map_or("-".to_string(), |n| n.to_string());
    let head = format!("{}:{}:{}:{}", text("table"), text("chain"), text("kind"), number("n"));
    let mark = if text("mark").is_empty() { "0x0".to_string() } else { text("mark") };
    format!("{head} {} {} {} {} {} {mark}", text("in"), text("out"), text("src"), text("dst"), number("dport"))
}

/// What the command prints for a case.
fn run(folder: &Path, case: &Value, how: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.arg("explain").args(inputs(folder, case)).args(how).arg("--packet");
    let packet = tempfile(folder, case);
    std::fs::write(&packet, packet_json(&case["packet"]).to_string()).map_err(|e| e.to_string())?;
    let out = command.arg(&packet).output().map_err(|e| e.to_string())?;
    let _ = std::fs::remove_file(&packet);
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The ways that the command finds, each as its steps.
fn ways(folder: &Path, case: &Value) -> Result<Vec<Vec<Step>>, String> {
    let out = run(folder, case, &["--format", "trace", "--all"])?;
    let mut ways: Vec<Vec<Step>> = vec![Vec::new()];
    for line in out.lines() {
        if line.starts_with("# way") && ways.last().is_some_and(|w| !w.is_empty()) {
            ways.push(Vec::new());
        }
        if let (Some(step), Some(way)) = (our_step(line), ways.last_mut()) {
            way.push(step);
        }
    }
    Ok(ways)
}

/// A file for a case's packet; the tests run side by side and ask about the same cases.
fn tempfile(folder: &Path, case: &Value) -> PathBuf {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let own = MADE.fetch_add(1, Ordering::Relaxed);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let title: String = title(case).chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{title}-{own}.json"))
}

/// The folder, and the variant's own files over it.
fn inputs(folder: &Path, case: &Value) -> Vec<PathBuf> {
    let variant = case["variant"].as_str().unwrap_or("base");
    let named = [&case["dump"], &case["ipset"]].into_iter().filter_map(Value::as_str).map(str::to_string);
    let sysctl = format!("sysctl.{variant}");
    let files = named.chain([sysctl]).map(|f| folder.join(f));
    let mut out = vec![folder.to_path_buf()];
    out.extend(files.filter(|f| f.is_file() && std::fs::metadata(f).is_ok_and(|m| m.len() > 0)));
    out
}

/// The case's packet in the words of `packets/NN.json`.
fn packet_json(p: &Value) -> Value {
    let mut out = serde_json::Map::new();
    let local = p["origin"] == "local" || p["in"].is_null();
    for (to, from) in [
        ("proto", "proto"),
        ("saddr", "src"),
        ("daddr", "dst"),
        ("sport", "sport"),
        ("dport", "dport"),
        ("ttl", "ttl"),
        ("length", "length"),
    ] {
        // Ports of nft recordings are texts.
        let number = p[from].as_str().filter(|_| to.ends_with("port")).and_then(|t| t.parse::<u16>().ok());
        if let Some(port) = number {
            out.insert(to.to_string(), json!(port));
        } else if !p[from].is_null() {
            out.insert(to.to_string(), p[from].clone());
        }
    }
    let flags: Vec<String> = p["tcp_flags"]
        .as_str()
        .unwrap_or("")
        .split([' ', ','])
        .filter(|f| !f.is_empty())
        .map(str::to_lowercase)
        .collect();
    if p["proto"] == "tcp" && p["tcp_flags"].is_string() {
        out.insert("tcp_flags".to_string(), json!(flags));
    }
    out.insert("origin".to_string(), json!(if local { "node" } else { "remote" }));
    if let Some(uid) = p["uid"].as_str().and_then(|u| u.parse::<u32>().ok()).filter(|_| local) {
        out.insert("uid".to_string(), json!(uid));
    }
    if !local {
        out.insert("iif".to_string(), p["in"].clone());
        if p["physin"].is_string() {
            out.insert("physin".to_string(), p["physin"].clone());
        }
        let mac: Vec<&str> = p["mac"].as_str().unwrap_or("").split(':').collect();
        if mac.len() >= 12 {
            out.insert("dst_mac".to_string(), json!(mac[..6].join(":")));
            out.insert("src_mac".to_string(), json!(mac[6..12].join(":")));
        }
    }
    Value::Object(out)
}

/// A line of the kernel's log, as ours.
fn our_step(line: &str) -> Option<Step> {
    let rest = line.strip_prefix("TRACE: ")?;
    let (head, body) = rest.split_once(' ')?;
    let fields: BTreeMap<&str, &str> = body.split(' ').filter_map(|w| w.split_once('=')).collect();
    let get = |key: &str| fields.get(key).copied().unwrap_or("");
    let address = |text: &str| text.parse::<std::net::IpAddr>().map_or(text.to_string(), |a| a.to_string());
    let mark = if get("MARK").is_empty() { "0x0" } else { get("MARK") };
    let dport = if get("DPT").is_empty() { "-" } else { get("DPT") };
    Some(format!("{head} {} {} {} {} {dport} {mark}", get("IN"), get("OUT"), address(get("SRC")), address(get("DST"))))
}
