//! The command line end to end: exit statuses, and what is said where.
//!
//! The built-in sample and `samples/` are the inputs. Left out: that the answers are the kernel's (`scenarios.rs`), and
//! that inputs cannot steer what shows them (`printed.rs`).

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Exit status, standard output, standard error.
type Ran = (i32, String, String);

fn nettrace(args: &[&str], stdin: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let out = child.wait_with_output().expect("the command ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// Runs a command line (split at blanks) and looks for texts in its output.
fn check(line: &str, stdin: &str, status: i32, wanted: &[&str]) {
    let args: Vec<&str> = line.split_whitespace().collect();
    let (code, out, err) = nettrace(&args, stdin);
    assert_eq!(code, status, "nettrace {line}\n{out}\n{err}");
    for text in wanted {
        assert!(out.contains(text) || err.contains(text), "nettrace {line}: no `{text}` in\n{out}\n{err}");
    }
}

const DUMP: &str = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j DROP\nCOMMIT\n";

#[test]
fn what_mostly_belongs_to_a_connection_is_not_judged_without_one_in_silence() {
    let dump = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n";
    let check = |line: &str, wanted: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        assert!(nettrace(&args, dump).1.contains(wanted), "nettrace {line}: {:?}", nettrace(&args, dump));
    };
    let doubt = "if it belongs to no connection (else --ct-state established)";
    check("explain - --short --flags ACK", doubt);
    check("explain - --short --proto icmp --icmp-type echo-reply", doubt);
    check("explain - --short --proto icmp --icmp-type echo-reply --ct-state established", "DELIVERED to this host");
    check("explain - --proto udp", "connection state NEW (--ct-state)");
    let (_, out, _) = nettrace(&["explain", "-", "--flags", "SYN"], dump);
    assert!(!out.contains("connection"), "{out}");
}

#[test]
fn what_was_copied_from_a_terminal_is_taken_apart() {
    let text = "root@n:~# iptables -S\n-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j DROP\nroot@n:~# ip addr\n\
         2: eth0: <BROADCAST,UP> mtu 1500\n    inet 192.0.2.1/24 scope global eth0\nroot@n:~# uptime\n up 3 days\n";
    let (code, out, err) = nettrace(&["explain", "-", "--dport", "22", "--short"], text);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("DROPPED in filter INPUT, by INPUT #1 (<stdin>:3)"), "{out}");
    check("explain samples/nodeport-drop/ip-addr.json --dport 1", "", 2, &["ip-addr.json is read as `ip -j addr`"]);
}

#[test]
fn a_route_that_refuses_a_packet_is_named_and_a_wrong_sysctl_gets_the_right_one() {
    let with =
        |command: &str| nettrace(&["explain", "--local", "--dst", "10.77.1.1", "--short", "--with", command], "").1;
    assert!(with("ip route add blackhole 10.77.0.0/16").contains("the route `blackhole 10.77.0.0/16` of table main"));
    assert!(
        with("ip rule add to 10.77.0.0/16 prohibit pref 9").contains("EACCES: the policy rule of priority 9 takes it")
    );
    check("explain --dport 1 --sysctl rp_filter=1", "", 2, &["`net.ipv4.conf.all.rp_filter`"]);
}

#[test]
fn what_cannot_be_answered_ends_with_status_2_and_one_sentence() {
    let fails = |line: &str, stdin: &str, sentence: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        let (code, out, err) = nettrace(&args, stdin);
        assert_eq!((code, out.as_str()), (2, ""), "nettrace {line}\n{err}");
        assert!(err.contains(sentence) && err.trim().lines().count() == 1, "nettrace {line}: {err}");
    };
    fails("explain /nowhere --dport 1", "", "cannot read /nowhere");
    fails("explain - --dport 1", "", "<stdin> is empty");
    fails("explain - --dport 1", "hello\n", "none of the dumps");
    fails("explain samples/k3s-netpol --family ip6 --dport 1", "", "this host has no IPv6 address that others reach");
    fails("explain src --dport 1", "", "holds none of the names");
    fails("explain samples/nodeport-drop/ip-addr.json --dport 1", "", "no ruleset");
    fails("explain - --dport 1", "{\"nftables\": 7}", "no ruleset in nft's JSON");
    fails("explain - --dport 1", "-A -t 499 -u UNSET -s 1.1.1.1 -d 2.2.2.2 -p 50\n", "`conntrack -o save`");
    fails("explain --dport 1 --flags HELLO", "", "not a TCP flag");
    fails("explain --dport 1 --proto hello", "", "not a protocol");
    fails("explain --src 10.0.0.1 --dst fd00::1", "", "family");
    fails("explain --dport 1 --assume x", "", "KEY=VALUE");
    fails("explain --dport 1 --choose 0", "", "from 1");
    fails("explain --dport 1 --packets hello", "", "not a packet of a conversation");
    fails("replay samples/nodeport-drop/iptables-save", "", "no packets");
    fails("chains --from NOPE", "", "no chain NOPE");
    fails("explain --dport 1 --why-not filter/NOPE#1", "", "no chain `filter/NOPE`");
    fails("explain - --dport 1 --why-not INPUT#2", DUMP, "the chain has one rule");
    fails("explain - --dport 1 --why-not nonsense", DUMP, "give it as filter/INPUT#1");
    check("explain --dport 99999", "", 2, &["--dport"]);
    check("nonsense", "", 2, &["nonsense"]);
}

#[test]
fn the_built_in_sample_answers_and_says_that_it_is_one() {
    let wanted = [
        "built-in sample",
        "FORWARDED to 10.244.166.136:8200, out by cali7d3f1b2a9c4",
        "dst 172.16.4.21:31002 => 10.244.166.136:8200",
        "mark 0x0 => 0x4000",
        "hook-not-on-path: the packet does not pass\n  INPUT",
        "(--dst)",
    ];
    check("explain --dport 31002", "", 0, &wanted);
    check(
        "explain --dport 31002 --local --dst 127.0.0.1",
        "",
        0,
        &["SENT to 10.244.166.136:8200", "src 127.0.0.1 => 172.16.4.21"],
    );
    check("explain --dport 22", "", 0, &["Not on the way\n  FORWARD:"]);
    check("explain --dport 22 --short", "", 0, &["DELIVERED to this host"]);
    check("explain --dport 30080 --short", "", 0, &["33.3 %"]);
    check("explain --dport 30080 --short --choose 2", "", 0, &["FORWARDED to 10.244."]);
    check("explain --dport 31002 -v", "", 0, &["Inputs", "<sample>/iptables-save"]);
}

#[test]
fn every_format_and_command_prints_something_of_its_kind() {
    check("explain --dport 31002 --json", "", 0, &["\"schema\": \"nettrace.trace/1\"", "\"kind\": \"out\""]);
    check(
        "explain --dport 31002 --format trace",
        "",
        0,
        &["TRACE: nat:KUBE-SEP-VKIPXDQHDOL5KL3V:rule:2 IN=eth0 OUT= "],
    );
    check("explain --dport 31002 --format markdown", "", 0, &["## FORWARDED", "| PREROUTING | nat |"]);
    check("explain --dport 31002 --format html", "", 0, &["<!doctype html>", "FORWARDED</b> to 10.244.166.136:8200"]);
    check("explain --dport 31002 --format mermaid", "", 0, &["flowchart TD", "-->"]);
    check("explain --dport 31002 --format dot", "", 0, &["digraph", "->"]);
    check("explain --dport 31002 --reply", "", 0, &["Packet 2: synack", "10.244.166.136:8200"]);
    check("explain --dport 31002 --packets syn,synack,ack", "", 0, &["Packet 3: ack"]);
    check("chains", "", 0, &["ip nat PREROUTING", "KUBE-SEP-VKIPXDQHDOL5KL3V"]);
    check("chains --format dot --from KUBE-NODEPORTS", "", 0, &["digraph chains"]);
    check("chains --format mermaid --table filter", "", 0, &["flowchart LR"]);
    check("completions bash", "", 0, &["nettrace"]);
    check("man", "", 0, &[".TH nettrace"]);
    check("replay samples/nodeport-drop", "", 0, &["\"schema\":\"nettrace.trace/1\""]);
}

#[test]
fn packets_come_as_json_too() {
    check("explain --packet - --short", "{\"dport\": 31002, \"origin\": \"node\"}", 0, &["SENT"]);
    check("explain --packet - --dport 22 --short", "{\"dport\": 31002}", 0, &["DELIVERED"]);
    let (_, out, _) = nettrace(
        &[
            "replay",
            "samples/nodeport-drop/iptables-save",
            "--packets",
            "samples/nodeport-drop/packets/04-remote-ssh.json",
        ],
        "",
    );
    assert!(out.contains("\"kind\":\"local\""), "the destination counts as this host's: {out}");
    let (code, out, _) = nettrace(&["replay", "--packets", "-"], "{\"dport\": 31002}\n{\"dport\": 22}\n");
    assert_eq!((code, out.lines().count()), (0, 2));
}

#[test]
fn a_packet_is_of_the_family_that_there_are_rules_for() {
    let six = "# Generated by ip6tables-save v1.8.9\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    check("explain - --dport 22", six, 0, &["DROPPED in filter INPUT", "family IPv6 (--dst)"]);
    let unread = "DELIVERED to this host, 192.0.2.1:22, unless IPv4 rules drop it, which";
    check("explain - --dport 22 --dst 192.0.2.1", six, 0, &[unread, "IPv4 rules none (give `iptables-save`)"]);
    check("explain - --proto icmp", six, 0, &["unless IPv4 rules drop it"]);
    check("explain - --dport 22 --dst 2001:db8::1", DUMP, 0, &["unless IPv6 rules drop it"]);
    let other = "# Generated by iptables-save v1.8.9 (nf_tables) on x\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n";
    let said = ["unless iptables-legacy's rules", "none (give `iptables-legacy-save`)"];
    check("explain - --dport 22 --dst 192.0.2.1", other, 0, &said);
}

#[test]
fn replay_lists_what_the_inputs_leave_open() {
    let dump = "*filter\n:INPUT DORP [0:0]\nCOMMIT\n";
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("leaves-open");
    std::fs::write(&file, dump).unwrap();
    let six = "{\"dport\": 22, \"daddr\": \"2001:db8::1\"}";
    for brief in [&["--brief"][..], &[]] {
        let args = [&["replay", file.to_str().unwrap(), "--packets", "-"], brief].concat();
        let (code, out, _) = nettrace(&args, six);
        assert_eq!((code, out.contains("could not be read"), out.contains("IPv6 rules")), (0, true, true), "{out}");
    }
}

#[test]
fn what_could_not_be_read_is_no_certainty() {
    let doubt = "could not be read (<stdin>:";
    let check = |dump: &str, wanted: &str| {
        let (code, out, _) = nettrace(&["explain", "-", "--dport", "443", "--dst", "192.0.2.1"], dump);
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((code, out.contains(wanted), out.contains(doubt)), (0, true, true), "{dump}{out}");
    };
    let nft = |head: &str| format!("table inet f {{\n chain input {{\n  {head}\n  tcp dport 22 accept\n }}\n}}\n");
    check(&nft("type filter hook input priorty 0; policy drop;"), "DELIVERED");
    check(&nft("type filter hook inputt priority 0; policy drop;"), "DELIVERED");
    check(&nft("type fitler hook input priority 0; policy drop;"), "DELIVERED");
    check(&nft("type filter hook input priority 0; policy dorp;"), "DELIVERED");
    check(nft("type filter hook input priority 0; policy drop;").trim_end_matches("}\n"), "DROPPED in f INPUT");
    check(&format!("include \"/etc/x.nft\"\n{}", nft("type filter hook input priority 0;")), "DELIVERED");
    check("*filter\n:INPUT DORP [0:0]\nCOMMIT\n", "DELIVERED");
    check("*filtr\n:INPUT DROP [0:0]\nCOMMIT\n*nat\nCOMMIT\n", "DELIVERED");
    check("*filter\n:INPUT DROP [0:0]\n", "DROPPED in filter INPUT");
    check("*filter\n:INPUT DROP [0:0]\nwhat is this -j\nCOMMIT\n", "DROPPED in filter INPUT");
}

#[test]
fn named_files_and_standard_input_are_told_by_their_content() {
    check(
        "explain - --dport 22 --dst 192.0.2.1 --short",
        DUMP,
        0,
        &["DROPPED in filter INPUT, by INPUT #1 (<stdin>:3)"],
    );
    let nft = "table inet f { chain input { type filter hook input priority 0; tcp dport 22 drop; } }\n";
    check("explain - --dport 22 --dst 192.0.2.1 --short", nft, 0, &["DROPPED in f INPUT, by input #1"]);
    // The named file replaces the folder's.
    check("explain samples/nodeport-drop - --dport 22 --short", DUMP, 0, &["by INPUT #1 (<stdin>:3)"]);
}

#[test]
fn the_rules_of_a_family_say_nothing_of_the_other_ones_packets() {
    let none = "IPv6 rules none (give `ip6tables-save`)";
    check("explain - --dport 22 --dst fd00::1", DUMP, 0, &["DELIVERED", none]);
    let nft = "table inet f { chain input { type filter hook input priority 0; tcp dport 22 drop; } }\n";
    for (line, dump) in [("explain - --dport 22 --dst 192.0.2.1", DUMP), ("explain - --dport 22 --dst fd00::1", nft)] {
        let (_, out, _) = nettrace(&line.split(' ').collect::<Vec<_>>(), dump);
        assert!(out.contains("DROPPED") && !out.contains("rules none"), "{out}");
    }
}

#[test]
fn what_a_rule_that_only_logs_takes_for_granted_is_a_detail() {
    let dump = |behind: &str| {
        format!("*filter\n:INPUT DROP [0:0]\n-A INPUT -m limit --limit 5/min {behind}\n-A INPUT -j RETURN\nCOMMIT\n")
    };
    let state = "the rate limit of filter/INPUT#1 matches";
    let told = |behind: &str, more: &str| {
        let line = format!("explain - --dport 22 {more}");
        let (_, out, _) = nettrace(&line.split_whitespace().collect::<Vec<_>>(), &dump(behind));
        out.contains(state)
    };
    // What a fate could hang on is always told: also the header that a later match needs, and a second state.
    for (behind, always) in [
        ("-j LOG", false),
        ("-p tcp -j NFLOG --nflog-group 3", false),
        ("", false),
        ("-j ACCEPT", true),
        ("-j MARK --set-mark 1", true),
        ("-p tcp -m tcp --dport 22 -j LOG", true),
        ("-m recent --set --name a -j LOG", true),
    ] {
        assert_eq!((told(behind, ""), told(behind, "-v")), (always, true), "{behind}");
    }
}

#[test]
fn what_is_wrong_with_an_input_has_file_line_and_column() {
    let dump = DUMP.replace("--dport", "--dprot");
    check("explain - --dport 22 --dst 192.0.2.1", &dump, 0, &["<stdin>:3:", "--dprot", "did you mean"]);
    let many: String = (0..30).map(|_| "-A INPUT -p tcp --dprot 1 -j DROP\n").collect();
    let dump = format!("*filter\n:INPUT ACCEPT [0:0]\n{many}COMMIT\n");
    check("explain - --dport 22 --dst 192.0.2.1", &dump, 0, &["more"]);
}

#[test]
fn ascii_and_colour_are_as_asked() {
    let questions = "explain --dport 31002 --ascii --why-not filter/INPUT#1 --want drop -v";
    for line in [
        "explain --dport 31002 --ascii",
        "explain --dport 31002 --ascii -v",
        "explain --dport 30080 --ascii --all",
        "explain --dport 31002 --ascii --format markdown",
        questions,
        "chains --ascii",
        "lesson --ascii nodeport-drop --text",
    ] {
        let (code, out, _) = nettrace(&line.split(' ').collect::<Vec<_>>(), "");
        assert!(code == 0 && out.is_ascii(), "{line}: {out}");
    }
    let (_, out, _) = nettrace(&["explain", "--dport", "31002", "--color", "always"], "");
    assert!(out.contains("\x1b[1;32mFORWARDED"));
    let (_, out, _) = nettrace(&["explain", "--dport", "31002"], "");
    assert!(!out.contains('\x1b'), "no colours into a pipe");
}

#[test]
fn the_answer_fits_a_screen() {
    let (_, story, _) = nettrace(&["explain", "samples/nodeport-drop", "--dport", "31002"], "");
    assert!(story.lines().count() <= 46, "{story}");
    assert!(!story.contains("nat-port"), "what cannot change the verdict is for -v:\n{story}");
    check("explain --dport 31002 -v", "", 0, &["nat-port=40001"]);
    check("explain --dport 31002 --json", "", 0, &["nat-port=40001"]);
    for args in [&["explain", "--dport", "31002"][..], &["explain", "--dport", "30080"], &["explain", "--dport", "22"]]
    {
        let (_, out, _) = nettrace(args, "");
        let long: Vec<&str> = out.lines().filter(|l| l.chars().count() > 80).collect();
        assert!(long.is_empty(), "{args:?}: {}", long.join("\n"));
    }
}

#[test]
fn folders_read_their_own_names_only() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("folder");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join("iptables-save"), DUMP).expect("a file can be written");
    std::fs::write(folder.join("iptables-save.other"), "garbage").expect("a file can be written");
    let args = ["explain", &folder.display().to_string(), "--dport", "22", "--dst", "192.0.2.1", "-v"];
    let (code, out, _) = nettrace(&args, "");
    assert_eq!(code, 0);
    assert!(out.contains("DROPPED in filter INPUT") && out.contains("iptables-save.other  ignored"), "{out}");
}
