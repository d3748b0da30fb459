//! The same facts in two forms give the same walk: `ipset list` and `ipset save`; `conntrack -L`, `-o extended` and the
//! JSON list of `packets/NN.json`. The files in `tests/twins` were printed by the kernel's tools on one host.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A packet from outside, with what is not usual of it.
fn packet(more: Value) -> Value {
    let mut p = json!({"family": "ip", "origin": "client", "saddr": "198.51.100.7", "daddr": "192.0.2.1", "iif": "eth0",
        "proto": "tcp", "sport": 40000, "dport": 22, "tcp_flags": ["ack"]});
    let Value::Object(more) = more else { return p };
    p.as_object_mut().unwrap().extend(more);
    p
}

/// Outcomes and assumptions of a packet with these inputs of `tests/twins`.
fn walked(inputs: &[&str], packet: &Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/twins");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.arg("explain").args(["iptables-save", "ip-addr", "ip-route", "sysctl"].iter().chain(inputs));
    command.args(["--json", "--packet", "-"]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(packet.to_string().as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    json!([answer["outcomes"], answer["assumptions"]])
}

/// The matched rules of PREROUTING in mangle.
fn matched(answer: &Value) -> Vec<u64> {
    let passes = answer[0][0]["path"].as_array().into_iter().flatten();
    let mangle = passes.filter(|p| p["table"] == "mangle" && p["hook"] == "prerouting");
    mangle.flat_map(|p| p["steps"].as_array().unwrap()).filter_map(|s| s["rule"].as_u64()).collect()
}

#[test]
fn an_ipset_listing_is_its_save() {
    let check = |more: Value, rules: &[u64]| {
        let packet = packet(more);
        let (save, list) = (walked(&["ipset-save"], &packet), walked(&["ipset-list"], &packet));
        assert_eq!(matched(&save), rules, "{packet}");
        assert_eq!(save, list, "{packet}");
    };
    check(json!({}), &[1, 2, 3, 5, 9, 10, 11, 12, 13, 14, 15]);
    check(json!({"saddr": "198.51.100.8", "dport": 8080}), &[1, 3, 6, 9, 10, 11, 14, 15]);
    check(json!({"saddr": "198.51.100.200", "dport": 85}), &[4, 9, 10, 11, 12, 14, 15]);
    check(json!({"dport": 80}), &[1, 2, 3, 7, 9, 10, 11, 12, 14, 15]);
    check(json!({"dport": 81}), &[1, 2, 3, 8, 9, 10, 11, 12, 14, 15]);
    check(json!({"saddr": "198.51.100.9", "daddr": "10.42.0.7"}), &[3, 9, 12, 14, 15, 16]);
    check(json!({"proto": "udp", "dport": 53}), &[1, 2, 3, 5, 9, 10, 11, 13, 14, 15]);
    check(json!({"proto": "icmp", "icmp_type": 8, "icmp_code": 0}), &[1, 2, 3, 5, 9, 10, 11, 13, 14, 15]);
}

/// The connections of `tests/twins/conntrack` as JSON.
fn connections() -> Value {
    let tuple = |saddr: &str, daddr: &str, proto: u8, sport: u16, dport: u16| json!({"saddr": saddr, "daddr": daddr, "proto": proto, "sport": sport, "dport": dport});
    let ping = |saddr: &str, daddr: &str, kind: u8| json!({"saddr": saddr, "daddr": daddr, "proto": 1, "icmp_type": kind, "icmp_code": 0, "icmp_id": 77});
    json!([
        {"orig": tuple("10.42.0.59", "203.0.113.9", 17, 5353, 53), "reply": tuple("203.0.113.9", "192.0.2.1", 17, 53, 5353),
         "status": ["seen_reply", "confirmed", "snat", "snat_done", "dnat_done"], "mark": 0},
        {"orig": tuple("198.51.100.7", "192.0.2.1", 6, 40000, 30080), "reply": tuple("10.42.0.59", "198.51.100.7", 6, 8080, 40000),
         "status": ["seen_reply", "assured", "confirmed", "dnat", "snat_done", "dnat_done"], "mark": 5, "tcp_state": "established"},
        {"orig": tuple("198.51.100.8", "192.0.2.1", 6, 40000, 22), "reply": tuple("192.0.2.1", "198.51.100.8", 6, 22, 40000),
         "status": ["seen_reply", "confirmed", "snat_done", "dnat_done"], "mark": 0, "zone": 7, "tcp_state": "syn_recv"},
        {"orig": ping("198.51.100.7", "192.0.2.1", 8), "reply": ping("192.0.2.1", "198.51.100.7", 0),
         "status": ["seen_reply", "confirmed", "snat_done", "dnat_done"], "mark": 0},
        {"orig": tuple("10.42.0.60", "203.0.113.9", 17, 5353, 53), "reply": tuple("203.0.113.9", "192.0.2.1", 17, 53, 1024),
         "status": ["confirmed", "snat", "snat_done", "dnat_done"], "mark": 0},
    ])
}

#[test]
fn a_listing_of_connections_is_their_json() {
    let check = |more: Value, fate: &str, dst: Option<&str>| {
        let mut packet = packet(more);
        let list = walked(&["ipset-save", "conntrack"], &packet);
        let extended = walked(&["ipset-save", "conntrack-extended"], &packet);
        packet["conntrack"] = connections();
        let json = walked(&["ipset-save"], &packet);
        assert_eq!(list, extended, "{packet}");
        assert_eq!(list, json, "{packet}");
        let outcome = &list[0][0];
        assert_eq!((&outcome["fate"]["kind"], &outcome["far"]["daddr"]), (&json!(fate), &json!(dst)), "{packet}");
    };
    // By its connection to .59, where the rules would say .60.
    check(json!({"dport": 30080}), "out", Some("10.42.0.59"));
    check(json!({"dport": 30080, "sport": 40001, "tcp_flags": ["syn"]}), "drop", None);
    // Answers to masqueraded pods.
    let answer = |dport: u16| json!({"saddr": "203.0.113.9", "proto": "udp", "sport": 53, "dport": dport});
    check(answer(5353), "out", Some("10.42.0.59"));
    check(answer(1024), "out", Some("10.42.0.60"));
    check(answer(1025), "drop", None);
    check(json!({"proto": "icmp", "icmp_type": 8, "icmp_code": 0, "icmp_id": 77}), "local", Some("192.0.2.1"));
    // Its connection is in another zone: not this one's.
    check(json!({"saddr": "198.51.100.8", "dport": 23}), "drop", None);
}
