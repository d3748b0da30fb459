//! `--with` and `--without` as typed: all ways to name a rule, mixed commands, the difference that is told, and what is said
//! of bad input.

use std::process::Command;

/// What the command prints on both outputs.
fn explain(args: &[&str]) -> String {
    let host = ["explain", "samples/nodeport-drop", "--src", "172.16.4.9", "--dport", "31002"];
    let out = Command::new(env!("CARGO_BIN_EXE_nettrace"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(host)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the command runs");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn check(args: &[&str], expect: &[&str]) {
    let said = explain(args);
    for text in expect {
        assert!(said.contains(text), "{args:?}: no `{text}` in\n{said}");
    }
}

#[test]
fn a_rule_is_taken_out_by_number_by_line_and_by_text() {
    let text = "-A KUBE-NODEPORTS -p tcp -m comment --comment \"paas/config-center:http\" -m tcp --dport 31002 -j \
                KUBE-SVC-MXEESVGUBJLGA3P6";
    for cited in ["nat/KUBE-NODEPORTS#13", "iptables-save:161", text] {
        let gone = "- nat/KUBE-NODEPORTS, taken out (iptables-save:161)  jump KUBE-SVC-MXEESVGUBJLGA3P6";
        check(
            &["--without", cited],
            &["DROPPED in filter INPUT, by INPUT #1", "before: FORWARDED to 10.244.166.136:8200", gone],
        );
    }
}

#[test]
fn commands_are_repeated_and_mixed() {
    let set = ["--with", "ipset create bad hash:net", "--with", "ipset add bad 172.16.4.0/24"];
    let rule = ["--with", "iptables -t raw -I PREROUTING -m set --match-set bad src -j DROP"];
    check(&[&set[..], &rule, &["--short"]].concat(), &["DROPPED in raw PREROUTING, by PREROUTING #1 (--with:1)"]);
    let nft = [
        "--with",
        "nft add table ip guard",
        "--with",
        "nft add chain ip guard pre '{ type filter hook prerouting priority -310; policy drop; }'",
    ];
    check(&[&nft[..], &["--short"]].concat(), &["DROPPED in guard PREROUTING, by the policy of pre"]);
    let host = ["--with", "ip addr add 10.244.166.136/32 dev eth0", "--without", "filter/INPUT#1", "--short"];
    check(&host, &["DELIVERED to this host, 10.244.166.136:8200"]);
    let rules =
        ["--with", "ip rule add to 10.244.166.136 blackhole", "--with", "sysctl -w net.ipv4.conf.all.rp_filter=0"];
    check(
        &[&rules[..], &["--short"]].concat(),
        &["DROPPED behind PREROUTING, by no rule: the policy rule of priority 32765 takes it"],
    );
}

#[test]
fn what_changes_nothing_says_so() {
    let with = ["--with", "iptables -I INPUT -p tcp --dport 31002 -j DROP"];
    check(&with, &["What the edits change", "the edits change nothing for this packet"]);
}

#[test]
fn bad_input_says_what_was_expected() {
    for (args, expect) in [
        (["--with", "iptables -A NOPE -j DROP"], "there is no chain `NOPE` in this table"),
        (["--with", "iptables -D INPUT 99"], "not 99"),
        (["--with", "iptables -A INPUT -p tcp --dprot 80 -j DROP"], "--dport"),
        (["--with", "nft add rule ip x y drop"], "there is no table `ip x`"),
        (["--with", "ipset add nosuch 1.2.3.4"], "no line creates the set nosuch"),
        (["--with", "ip route add 1.2.3.0/24 via 99.9.9.9"], "the gateway 99.9.9.9 is on no link of this host"),
        (["--with", "ip rule add fwmark x lookup 7"], "`x` is not a mark"),
        (["--with", "ip addr add 1.2.3.4/24 dev nope"], "there is no device nope"),
        (["--with", "sysctl -w net.ipv4.ip_forwrd=0"], "`net.ipv4.ip_forward`"),
        (["--with", "reboot"], "iptables, ip6tables, nft, ipset, ip route, ip rule, ip addr, sysctl"),
        (["--without", "nat/NOPE#1"], "there is no chain `nat/NOPE` in these inputs"),
    ] {
        check(&args, &[expect]);
    }
}
