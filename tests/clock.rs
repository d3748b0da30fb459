//! Rule state over time: packets of one flow with `at_ms`, and which of them a rule matches. What is expected was seen on a
//! kernel with real time between the packets.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Rules of INPUT, an `ipset save`, and the packets as `ms:matched rules`.
fn check(rules: &[&str], ipset: &str, packets: &[(u64, &[u64])]) {
    let name: String = rules[0].chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clock").join(name);
    fs::create_dir_all(folder.join("packets")).unwrap();
    let lines = rules.iter().map(|r| format!("-A INPUT {r}")).collect::<Vec<_>>().join("\n");
    fs::write(folder.join("iptables-save"), format!("*filter\n:INPUT ACCEPT [0:0]\n{lines}\nCOMMIT\n")).unwrap();
    fs::write(folder.join("ipset-save"), ipset).unwrap();
    fs::write(folder.join("ip-addr"), "1: eth0: <UP> mtu 1500\n    inet 192.0.2.1/24 scope global eth0\n").unwrap();
    for (i, (at, _)) in packets.iter().enumerate() {
        let packet = json!({"proto": "udp", "saddr": "192.0.2.9", "daddr": "192.0.2.1", "sport": 4000, "dport": 53, "length": 100,
            "iif": "eth0", "flow": 1, "step": i + 1, "at_ms": at});
        fs::write(folder.join(format!("packets/{i:02}.json")), packet.to_string()).unwrap();
    }
    let out = Command::new(env!("CARGO_BIN_EXE_nettrace")).arg("replay").arg(&folder).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    let answers: Vec<Value> = said.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let matched = |answer: &Value| -> Vec<u64> {
        let passes = answer["outcomes"][0]["path"].as_array().unwrap().iter().filter(|p| p["hook"] == "input");
        passes.flat_map(|p| p["steps"].as_array().unwrap()).filter_map(|s| s["rule"].as_u64()).collect()
    };
    let found: Vec<_> = packets.iter().zip(&answers).map(|((at, _), a)| (*at, matched(a))).collect();
    let wanted: Vec<_> = packets.iter().map(|(at, rules)| (*at, rules.to_vec())).collect();
    assert_eq!(found, wanted, "{rules:?}");
}

#[test]
fn tokens_come_back() {
    let limit = "-m limit --limit 1/sec --limit-burst 2";
    check(
        &[limit],
        "",
        &[(0, &[1]), (0, &[1]), (0, &[]), (500, &[]), (1600, &[1]), (1600, &[]), (9000, &[1]), (9000, &[1])],
    );
    let above = "-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h";
    check(&[above], "", &[(0, &[]), (0, &[]), (0, &[1]), (1100, &[])]);
}

#[test]
fn a_quota_is_used_up_for_good() {
    check(&["-m quota --quota 250"], "", &[(0, &[1]), (0, &[1]), (0, &[]), (60_000, &[])]);
}

#[test]
fn recent_counts_what_came_before() {
    let update = "-m recent --name x --update --seconds 60 --hitcount 2";
    let set = "-m recent --name x --set";
    check(&[update, set], "", &[(0, &[2]), (10, &[2]), (20, &[1, 2]), (30, &[1, 2]), (200_000, &[2])]);
    let check_first = "-m recent --name y --rcheck --seconds 5";
    check(&[check_first, "-m recent --name y --set"], "", &[(0, &[2]), (4_000, &[1, 2]), (20_000, &[2])]);
    let not = "-m recent --name z ! --update --hitcount 3";
    check(&["-m recent --name z --set", not], "", &[(0, &[1, 2]), (1, &[1]), (2, &[1])]);
}

#[test]
fn entries_of_sets_run_out() {
    let set = "create s hash:ip timeout 0\nadd s 192.0.2.9 timeout 3\ncreate seen hash:ip timeout 2\n";
    let rules = ["-m set --match-set s src", "-m set --match-set seen src", "-j SET --add-set seen src"];
    check(&rules, set, &[(0, &[1, 3]), (1_000, &[1, 2, 3]), (2_500, &[1, 3]), (3_500, &[2, 3])]);
    let again =
        ["-m set --match-set s src", "-m set --match-set seen src", "-j SET --add-set seen src --exist --timeout 2"];
    check(&again, set, &[(0, &[1, 3]), (1_000, &[1, 2, 3]), (2_500, &[1, 2, 3]), (3_500, &[2, 3])]);
}
