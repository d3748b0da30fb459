//! Nothing of an input steers what shows it: every subcommand and format over names, comments and arguments that hold
//! `\x1b[2J`, a C1 byte, an override of the writing direction, a zero-width space, a line break.
//!
//! The formats are read off the command line's own list. Left out: the terminal interface (`tui/tests/it/screens.rs`).

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nettrace_engine::visible::{escaped_json, is_hidden};

/// Pieces that no output may hold raw; most of them end up in a name of their own.
const NASTY: [&str; 12] = [
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\u{9b}2J",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{e0041}",
    "\x7f\x08",
    "\u{ad}",
    "\r",
    "\u{2028}",
];

/// A line that would stand alone if a line break of an input came through.
const INJECTED: &str = "INJECTED";

/// Runs the command: status, answer, notes.
fn run(args: &[&str]) -> (u8, String, String) {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let args = std::iter::once("nettrace").chain(args.iter().copied()).map(OsString::from);
    let status = nettrace::run(args, &mut out, &mut notes);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
}

/// Runs the command, and nothing that steers or hides comes out. The status is the answer's.
fn check(args: &[&str]) -> u8 {
    let (status, out, notes) = run(args);
    for text in [&out, &notes] {
        let raw = text.chars().find(|c| is_hidden(*c) && *c != '\n');
        assert_eq!(raw, None, "nettrace {args:?}: {text}");
        assert!(!text.lines().any(|l| l.starts_with(INJECTED)), "nettrace {args:?}: {text}");
    }
    status
}

/// The values of `--format` of a subcommand, as the completion script lists them.
fn formats(subcommand: &str) -> Vec<String> {
    let (_, script, _) = run(&["completions", "bash"]);
    let label = format!("nettrace__subcmd__{subcommand})");
    let own = script.split(&label).last().unwrap_or("").split(";;\n        nettrace__").next().unwrap_or("");
    let words = own.split("--format)").nth(1).and_then(|s| s.split('"').nth(1)).unwrap_or("");
    words.split_whitespace().map(str::to_string).collect()
}

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A bundle in which every kind of name holds the piece.
fn bundle(folder: &Path, nasty: &str) {
    let json = |text: &str| escaped_json(&serde_json::to_string(text).unwrap()).into_owned();
    let broken = format!("{nasty}\n{INJECTED}");
    let files = [
        (
            "iptables-save",
            format!(
                "*filter\n:INPUT ACCEPT [0:0]\n:c{nasty} - [0:0]\n\
                 -A INPUT -i d{nasty} -m comment --comment \"c {nasty}\" -j LOG --log-prefix \"p{nasty} \"\n\
                 -A INPUT -m set --match-set s{nasty} src -j DROP\n\
                 -A INPUT -m comment --comment \"why {nasty}\" -g c{nasty}\n\
                 -A INPUT -m {nasty} --{nasty} {nasty} -j {nasty}\n-A c{nasty} -m string --string \"{nasty}\" -j DROP\n\
                 -A c{nasty} -m comment --comment \"{nasty}\" -p tcp -j REJECT\nCOMMIT\n"
            ),
        ),
        (
            "nft-ruleset",
            format!(
                "table inet t{nasty} {{\n comment \"c{nasty}\"\n set s{nasty} {{ type ipv4_addr; comment \"{nasty}\"; }}\n \
                 chain in{nasty} {{\n type filter hook input priority -5; policy accept;\n iifname \"d{nasty}\" drop\n \
                 log prefix \"l{nasty}\" comment \"{nasty}\"\n }}\n}}\n\
                 table inet q {{\n chain b {{\n type filter hook input priority 5; policy accept;\n \
                 log prefix \"p{nasty}\" counter comment \"m{nasty}\"\n iifname \"e{nasty}\" drop\n }}\n}}\n"
            ),
        ),
        (
            "ipset-save",
            format!(
                "create s{nasty} hash:ip family inet comment\nadd s{nasty} 192.0.2.9 comment \"{nasty}\"\nadd {nasty}\n"
            ),
        ),
        (
            "ip-addr.json",
            format!(
                r#"[{{"ifindex":2,"ifname":{n},"flags":["UP"],"ifalias":{n},"addr_info":[{{"family":"inet","local":"192.0.2.1",
                "prefixlen":24,"label":{n}}}]}}]"#,
                n = json(&format!("d{broken}"))
            ),
        ),
        (
            "ip-route.json",
            format!(r#"[{{"dst":"default","gateway":"192.0.2.254","dev":{}}}]"#, json(&format!("d{broken}"))),
        ),
        ("ip-rule", format!("0: from all lookup {nasty}\n{nasty}: from {nasty}\n")),
        ("sysctl", format!("net.ipv4.ip_forward = 1\nnet.ipv4.conf.d{nasty}.rp_filter = {nasty}\n{nasty}\n")),
        ("conntrack", format!("tcp 6 {nasty} src=1.2.3.4 dst={nasty}\n{nasty}\n")),
        ("ignored", String::new()),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    let plain = nasty.replace(['\n'], "");
    fs::write(folder.join(format!("ignored {plain}")), "").unwrap();
}

#[test]
fn every_format_is_known_to_these_tests() {
    assert!(
        formats("explain").len() >= 6 && formats("explain").contains(&"text".to_string()),
        "{:?}",
        formats("explain")
    );
    assert!(formats("chains").len() >= 3, "{:?}", formats("chains"));
}

#[test]
fn no_name_or_comment_of_a_dump_steers_what_shows_it() {
    let (explain, chains) = (formats("explain"), formats("chains"));
    for (i, nasty) in NASTY.iter().enumerate() {
        let dir = folder(&format!("printed {i} {nasty}"));
        bundle(&dir, nasty);
        let path = dir.display().to_string();
        let packet = ["--proto", "tcp", "--dport", "80", "--dst", "192.0.2.1", "--src", "192.0.2.9"];
        let mut answered = 0;
        for format in &explain {
            for more in [&[][..], &["-v"], &["--all"], &["--want", "drop"], &["--reply"]] {
                let args = [&["explain", &path, "--format", format], &packet[..], more].concat();
                answered += usize::from(check(&args) == 0);
            }
        }
        assert!(answered > 0, "{nasty:?}: no answer at all");
        for format in &chains {
            check(&["chains", &path, "--format", format]);
        }
        fs::write(dir.join("packets.jsonl"), "{\"dport\": 80}\n").unwrap();
        check(&["replay", &path, "--packets", &format!("{path}/packets.jsonl")]);
        let _ = fs::remove_dir_all(&dir);
    }
}

#[test]
fn no_argument_steers_what_shows_it() {
    for nasty in NASTY.iter().copied().chain(["x\nINJECTED"]) {
        let pair = format!("{nasty}={nasty}");
        let with = format!("iptables -A INPUT -m comment --comment '{nasty}' -j {nasty}");
        let set = format!("ipset add {nasty} {nasty}");
        for (flag, value) in [
            ("--assume", pair.as_str()),
            ("--assume", nasty),
            ("--choose", &pair),
            ("--sysctl", &pair),
            ("--why-not", nasty),
            ("--without", nasty),
            ("--with", &with),
            ("--with", &set),
            ("--with", nasty),
            ("--in", nasty),
            ("--physin", nasty),
            ("--proto", nasty),
            ("--flags", nasty),
            ("--icmp-type", nasty),
            ("--src-mac", nasty),
            ("--packet", nasty),
            ("--packets", nasty),
            ("--src", nasty),
            ("--format", nasty),
            (nasty, nasty),
        ] {
            check(&["explain", "--dport", "31002", flag, value]);
        }
        check(&["explain", nasty]);
        check(&["chains", "--from", nasty]);
        check(&["chains", "--table", nasty]);
        check(&["replay", nasty, "--packets", nasty]);
        check(&["lesson", nasty]);
        check(&["step", nasty]);
        check(&[nasty]);
    }
}

#[test]
fn no_lesson_steers_what_shows_it() {
    for (i, nasty) in NASTY.iter().enumerate() {
        let dir = folder(&format!("lesson {i}"));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/nodeport-drop");
        for name in ["iptables-save", "ipset-save", "ip-addr.json", "ip-route.json"] {
            fs::copy(sample.join(name), dir.join(name)).unwrap();
        }
        let text = fs::read_to_string(sample.join("lesson.json")).unwrap();
        let mut lesson: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["title", "about"] {
            lesson[key] = format!("{key} {nasty}").into();
        }
        lesson["intro"][0] = format!("intro {nasty}").into();
        lesson["questions"][0]["ask"] = format!("ask {nasty}").into();
        lesson["questions"][0]["explain"] = format!("explain {nasty}").into();
        fs::write(dir.join("lesson.json"), lesson.to_string()).unwrap();
        assert_eq!(check(&["lesson", "--text", &dir.display().to_string()]), 0);
        let _ = fs::remove_dir_all(&dir);
    }
}
