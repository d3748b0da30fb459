//! Every limit is hit by an input made for it: the message is clear, and what is within the limits still answers.
//!
//! Inputs are made here, in files of their own. Left out: limits on what takes minutes to make (inputs of 512 MiB together
//! with others); those of single parsers and readers are tested beside
//! them, and the page of limits in `reference.rs`.

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use nettrace_engine::limits;

/// Runs the command: status, answer and notes in one text.
fn run(args: &[&str]) -> (u8, String) {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let args = std::iter::once("nettrace").chain(args.iter().copied()).map(OsString::from);
    let status = nettrace::run(args, &mut out, &mut notes);
    (status, String::from_utf8(out).unwrap() + &String::from_utf8(notes).unwrap())
}

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("limits").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Explains a packet to 192.0.2.1:80 over some files, and looks for texts in what is said.
fn check(name: &str, files: &[(&str, &str)], status: u8, wanted: &[&str]) {
    let dir = folder(name);
    for (file, text) in files {
        fs::write(dir.join(file), text).unwrap();
    }
    let dir = dir.display().to_string();
    let packet = ["--proto", "tcp", "--dport", "80", "--dst", "192.0.2.1", "--src", "203.0.113.9", "--short"];
    let (code, said) = run(&[&["explain", &dir], &packet[..]].concat());
    assert_eq!(code, status, "{name}: {said}");
    for text in wanted {
        assert!(said.contains(text), "{name}: no `{text}` in {}", said.get(..4000).unwrap_or(&said));
    }
    let _ = fs::remove_dir_all(dir);
}

/// A filter table with these lines behind its chains.
fn filter(chains: &str, rules: &str) -> String {
    format!("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n")
}

/// An nft chain at the input hook.
fn nft(rules: &str) -> String {
    format!("table ip t {{\n chain c {{\n type filter hook input priority 0; policy accept;\n{rules}\n }}\n}}\n")
}

/// A line for each number.
fn lines(numbers: impl Iterator<Item = usize>, line: impl FnMut(usize) -> String) -> String {
    numbers.map(line).collect()
}

const DROP: &str = "-A INPUT -p tcp -m tcp --dport 80 -j DROP\n";

#[test]
fn files_that_are_no_dumps_are_refused_in_a_sentence() {
    let dir = folder("devices");
    let full = |name: &str| dir.join(name).display().to_string();
    let refused = |arg: &str, sentence: &str| {
        let (code, said) = run(&["explain", arg, "--dport", "80"]);
        assert!(code == 2 && said.contains(sentence) && said.lines().count() == 1, "{arg}: {said}");
    };
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, dir.join(from)).unwrap();
    link("two", "one");
    link("one", "two");
    refused(&full("one"), "symbolic links");
    fs::create_dir_all(dir.join("deep")).unwrap();
    link("/dev/zero", "deep/iptables-save");
    refused(&full("deep"), "is not a regular file");
    fs::write(dir.join("packed"), b"\x1f\x8b\x08\0\0").unwrap();
    refused(&full("packed"), "gzip -dc");
    fs::write(dir.join("wide"), b"\xff\xfe*\0f\0").unwrap();
    refused(&full("wide"), "iconv");
    fs::write(dir.join("deep.json"), "[".repeat(1 << 20)).unwrap();
    refused(&full("deep.json"), "none of the dumps");
    let large = fs::File::create(dir.join("large")).unwrap();
    large.set_len(limits::INPUT + 1).unwrap();
    refused(&full("large"), "is larger than 512 MiB");
    fs::write(dir.join("lines"), "\n".repeat(limits::LINES + 1)).unwrap();
    refused(&full("lines"), "has more than 5000000 lines");
    let many = dir.join("many");
    fs::create_dir_all(&many).unwrap();
    (0..=limits::NAMES).for_each(|i| drop(fs::File::create(many.join(i.to_string())).unwrap()));
    refused(&full("many"), "holds more than 10000 names");
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn other_encodings_of_text_are_read() {
    let dropped = &["DROPPED in filter INPUT, by INPUT #1 (iptables-save:"][..];
    let dump = filter("", DROP);
    check("plain", &[("iptables-save", &dump)], 0, dropped);
    check("crlf", &[("iptables-save", &dump.replace('\n', "\r\n"))], 0, dropped);
    check("bom", &[("iptables-save", &format!("\u{feff}{dump}"))], 0, dropped);
    check("nul", &[("iptables-save", &format!("{dump}\0\n\0\0"))], 0, dropped);
    check("bom-nft", &[("nft-ruleset", &format!("\u{feff}{}", nft("tcp dport 80 drop")))], 0, &["by c #1"]);
}

#[test]
fn a_long_line_is_an_unknown_rule_and_the_others_stay() {
    let long = format!("-A INPUT -m comment --comment {} -j ACCEPT\n", "x".repeat(limits::LINE));
    let dump = filter("", &format!("{long}{DROP}"));
    let wanted =
        ["NT005", "iptables-save:5", "longer than 65536 bytes", "accept: DELIVERED", "by INPUT #2 (iptables-save:6)"];
    check("line", &[("iptables-save", &dump)], 0, &wanted);
    let entry =
        format!("create s hash:ip family inet\nadd s 192.0.2.7 {}\nadd s 203.0.113.9\n", "x".repeat(limits::LINE));
    let dump = filter("", "-A INPUT -m set --match-set s src -j DROP\n");
    let wanted = ["NT005", "ipset-save:2", "DROPPED in filter INPUT"];
    check("line-ipset", &[("iptables-save", &dump), ("ipset-save", &entry)], 0, &wanted);
}

#[test]
fn nesting_and_operators_of_nft_are_bounded() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        nft(&format!(" meta mark set {open}1{close}\n tcp dport 80 drop"))
    };
    let kept = ["NT201", "nft-ruleset:4", "by c #2 (nft-ruleset:5)"];
    check("parens", &[("nft-ruleset", &deep("(", ")"))], 0, &kept);
    check("sets", &[("nft-ruleset", &deep("{", "}"))], 0, &kept);
    let (open, close) = ("tcp dport 1 jump {\n".repeat(1000), "\n}".repeat(1000));
    let blocks = nft(&format!(" {open}drop{close}\n tcp dport 80 drop"));
    check("blocks", &[("nft-ruleset", &blocks)], 0, &["NT201", "by c #2"]);
    check("braces", &[("nft-ruleset", &format!("table ip t {{\n{}", "{".repeat(100_000)))], 0, &["NT201"]);
    let operators = " | 1".repeat(limits::OPERATORS as usize + 1);
    let operators = nft(&format!(" meta mark set 1{operators}\n tcp dport 80 drop"));
    check("operators", &[("nft-ruleset", &operators)], 0, &kept);
    let lines = String::from("tcp dport 80 drop\n") + &"nonsense 1 drop\n".repeat(limits::EXPECTATIONS + 100);
    check("errors", &[("nft-ruleset", &nft(&lines))], 0, &["NT201", "expected", "and 1090 more", "by c #1"]);
    // Conditions that are not understood are unknown each, also behind the last that is warned of.
    let lines = " ip saddr $nowhere counter\n".repeat(limits::WARNINGS + 10) + " ip saddr $nowhere drop\n";
    check("warnings", &[("nft-ruleset", &nft(&lines))], 0, &["NT301", "and 190 more", "by c #211"]);
}

#[test]
fn variables_that_double_are_bounded() {
    let mut text = String::from("define v0 = { 198.51.100.1, 198.51.100.2 }\n");
    for i in 1..=60 {
        text.push_str(&format!("define v{i} = {{ $v{}, $v{} }}\n", i - 1, i - 1));
    }
    text.push_str("define self = { $self, $self }\n");
    text.push_str(&nft(" ip saddr $v60 drop\n ip saddr $self drop\n tcp dport 80 drop\n"));
    check("variables", &[("nft-ruleset", &text)], 0, &["`ip saddr $v60` does not hold", "by c #3"]);
    let wide = |name: &str, of: &str| format!("define {name} = {{ {} }}\n", vec![of; 200].join(", "));
    let text = [wide("a", "198.51.100.1"), wide("b", "$a"), wide("c", "$b"), wide("d", "$c")].concat();
    let text = text + &nft(" ip saddr $d drop\n tcp dport 80 drop\n");
    check("values", &[("nft-ruleset", &text)], 0, &["`ip saddr $d` does not hold", "by c #2"]);
}

#[test]
fn includes_are_not_followed() {
    let text = String::from("include \"nft-ruleset\"\ninclude \"/etc/passwd\"\n") + &nft(" tcp dport 80 drop");
    check("include", &[("nft-ruleset", &text)], 0, &["NT202", "by c #1"]);
}

#[test]
fn sets_do_not_grow_beyond_their_bounds() {
    let dump = filter("", "-A INPUT -m set --match-set s src -j DROP\n");
    let open = ["is in set s: DROPPED", "is not in set s: DELIVERED"];
    let set = |name: &str, text: &str, wanted: &[&str]| {
        check(name, &[("iptables-save", &dump), ("ipset-save", text)], 0, wanted);
    };
    set("range", "create s hash:ip\nadd s 0.0.0.0/0\n", &[&["more than 1048576 entries"], &open[..]].concat());
    set("range-kept", "create s hash:ip\nadd s 0.0.0.0/0\nadd s 203.0.113.9\n", &["NT410", "DROPPED in filter"]);
    set("product", "create s hash:ip,port,net\nadd s 1.0.0.0-9.0.0.3,tcp:0-65535,0.0.0.0/1\n", &["NT410"]);
    let many = lines(0..=limits::ENTRIES / limits::RANGE, |i| format!("add s {i}.0.0.0/12\n"));
    let many = format!("create s hash:ip maxelem 4294967295\n{many}");
    set("entries", &many, &[&["more than 16777216 entries in all sets"], &open[..]].concat());
    set("size", "create s hash:ip hashsize 2147483648 maxelem 4294967295\nadd s 203.0.113.9\n", &["DROPPED in filter"]);
    set("bitmap", "create s bitmap:ip range 0.0.0.0/0\nadd s 203.0.113.9\n", &["DROPPED in filter"]);
    set("ports", "create s bitmap:port range 0-65535\nadd s 0-65535\n", &["DROPPED in filter"]);
    set("itself", "create s list:set\ncreate t list:set\nadd s t\nadd t s\nadd s s\n", &["DELIVERED"]);
    let members = lines(0..=limits::MEMBERS, |i| format!("create m{i} hash:ip\nadd s m{i}\n"));
    set("members", &format!("create s list:set\n{members}"), &[&["more than 4096 members"], &open[..]].concat());
    let again = lines(0..20_000, |i| format!("del s {}\nadd s {}\n", addr(i % 5000), addr(i)));
    set("deleted", &format!("create s hash:ip\nadd s 203.0.113.9\n{again}del s 203.0.113.9\n"), &["DELIVERED"]);
    let huge = "create s hash:ip timeout 99999999999999999999 maxelem -1\nadd s 203.0.113.9\n";
    set("huge", huge, &[&["cannot be read"], &open[..]].concat());
}

/// An address for a number.
fn addr(i: usize) -> String {
    format!("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255)
}

#[test]
fn edits_of_long_chains_are_carried_out() {
    const MANY: usize = 20_000;
    let add = |i: usize| format!("-A INPUT -s {} -j ACCEPT\n", addr(i));
    let edited = |name: &str, edits: String, wanted: &str| {
        let dump = filter("", &(lines(0..MANY, add) + &edits + DROP));
        check(name, &[("iptables-save", &dump)], 0, &[wanted]);
    };
    let delete = |i: usize| add(i).replace("-A", "-D");
    edited("delete", lines((1..MANY).rev(), delete), "by INPUT #2");
    edited("delete-number", lines(1..MANY, |_| "-D INPUT 2\n".to_owned()), "by INPUT #2");
    edited("insert", lines(0..MANY, |i| add(i).replace("-A", "-I")), "by INPUT #40001");
    edited("replace", lines(0..MANY, |i| format!("-R INPUT {} -p udp -j ACCEPT\n", i + 1)), "by INPUT #20001");
    edited("flush", "-F INPUT\n".repeat(MANY), "by INPUT #1");
    let chains = lines(0..MANY, |i| format!(":c{i} - [0:0]\n"));
    let again = filter(&chains, "") + &"*filter\n".repeat(MANY) + DROP;
    check("restart", &[("iptables-save", &again)], 0, &["by INPUT #1"]);
    let list = (0..3_000).map(addr).collect::<Vec<_>>().join(",");
    let product = filter("", &format!("-A INPUT -s {list} -d {list} -j ACCEPT\n{DROP}"));
    check("product", &[("iptables-save", &product)], 0, &["NT113", "more than 131072 rules", "accept: DELIVERED"]);
    let misspelt = lines(0..MANY, |i| format!("-A x{i} -j DROP\n-A INPUT -p udp -j x{i}\n"));
    let wanted = ["did you mean `c1`?", "and 39990 more", "by INPUT #20001"];
    check("misspelt", &[("iptables-save", &filter(&chains, &(misspelt + DROP)))], 0, &wanted);
}

#[test]
fn commands_to_large_tables_of_nft_are_carried_out() {
    const MANY: usize = 20_000;
    let done = |name: &str, inside: &str, commands: &str, wanted: &str| {
        check(name, &[("nft-ruleset", &(nft(inside) + commands))], 0, &[wanted]);
    };
    let rules = lines(0..MANY, |i| format!(" ip saddr {} drop # handle {}\n", addr(i), i + 1));
    let last = "add rule ip t c tcp dport 80 drop\n";
    let commands = |command: fn(usize) -> String| lines((0..MANY).rev(), command) + last;
    done("handle", &rules, &commands(|i| format!("delete rule ip t c handle {}\n", i + 1)), "by c #1");
    done("position", &rules, &commands(|i| format!("add rule ip t c handle {} accept counter\n", i + 1)), "DELIVERED");
    done("insert-nft", "", &commands(|i| format!("insert rule ip t c ip saddr {} drop\n", addr(i))), "by c #20001");
    let tables = lines(0..MANY, |i| format!("add table ip t{i}\nadd chain ip t{i} c\n"));
    done("flush-nft", " drop", &(tables + &"flush ruleset\n".repeat(MANY)), "DELIVERED");
    let set = |flags: &str| format!("table ip t {{\n set s {{ type ipv4_addr; {flags} }}\n}}\n");
    let element =
        |verb: &str, len: u8| lines(0..MANY, |i| format!("{verb} element ip t s {{ {}/{len} }}\n", addr(4 * i)));
    for (name, flags, len) in [("elements", "flags interval;", 30), ("elements-plain", "", 32)] {
        let text = set(flags)
            + &element("add", len)
            + &element("delete", len)
            + &format!("add element ip t s {{ 203.0.113.8/{len} }}\n");
        let rule = nft(" ip saddr @s drop");
        let wanted = if len == 30 { "by c #1" } else { "DELIVERED" };
        check(name, &[("nft-ruleset", &(text + &rule))], 0, &[wanted]);
    }
}

#[test]
fn many_tables_sets_and_objects_are_answered_for() {
    const MANY: usize = 20_000;
    let base = "chain c {\n type filter hook input priority 0; policy accept;\n counter\n }";
    let tables = lines(0..MANY, |i| format!("table ip t{i} {{\n {base}\n}}\n"));
    check("tables", &[("nft-ruleset", &(tables + &nft(" tcp dport 80 drop")))], 0, &["by c #1"]);
    let sets = lines(0..MANY, |i| format!("create s{i} hash:ip\nadd s{i} 10.0.0.1\n"));
    let rules = lines(0..MANY, |i| format!("-A INPUT -m set --match-set s{i} src -j ACCEPT\n"));
    check("sets", &[("iptables-save", &filter("", &(rules + DROP))), ("ipset-save", &sets)], 0, &["by INPUT #20001"]);
    let objects = lines(0..MANY, |i| format!(" limit l{i} {{ rate 10/second; }}\n set s{i} {{ type ipv4_addr; }}\n"));
    let rules = lines(0..MANY, |i| format!(" ip saddr @s{i} limit name \"l{i}\" accept\n"));
    let text = format!("table ip t {{\n{objects}}}\n") + &nft(&(rules + " tcp dport 80 drop"));
    check("objects", &[("nft-ruleset", &text)], 0, &["by c #20001"]);
}

#[test]
fn much_that_is_taken_for_granted_or_unknown_is_told() {
    const MANY: usize = 20_000;
    let rules = |name: &str, line: &dyn Fn(usize) -> String, wanted: &[&str]| {
        check(name, &[("iptables-save", &filter("", &(lines(0..MANY, line) + DROP)))], 0, wanted);
    };
    let last = &["DROPPED in filter INPUT, by INPUT #20001"][..];
    rules("recent", &|i| format!("-A INPUT -m recent --set --name r{i} --rsource\n"), last);
    rules("recent-one", &|_| "-A INPUT -m recent --set --name r --rsource\n".to_owned(), last);
    rules("limits", &|i| format!("-A INPUT -m limit --limit {}/min\n", i + 1), last);
    rules("targets", &|i| format!("-A INPUT -j X{i}\n"), &["X0", "not every way was explored"]);
}

#[test]
fn connections_are_counted_within_the_bound_of_a_walk() {
    let conn = |i: usize| {
        let there = format!("src={} dst=192.0.2.1 sport=4000 dport=80", addr(i));
        format!("tcp 6 9 ESTABLISHED {there} src=192.0.2.1 dst={} sport=80 dport=4000 [ASSURED] use=1\n", addr(i))
    };
    let conns = lines(0..10_000, conn);
    let rule =
        |i: usize| format!("-A INPUT -p tcp -m connlimit --connlimit-above {} --connlimit-mask 0 -j DROP\n", i + 9_999);
    let counted = |name: &str, rules: String, wanted: &str| {
        check(name, &[("iptables-save", &filter("", &rules)), ("conntrack", &conns)], 0, &[wanted]);
    };
    counted("connlimit", lines(1..3, rule) + DROP, "by INPUT #1");
    counted("connlimit-many", lines(2..5_000, rule), "longer than its bound");
}

#[test]
fn hosts_of_many_devices_addresses_and_routes_are_answered_for() {
    let net = |i: usize| format!("10.{}.{}", i >> 8, i & 255);
    let json = |most: usize, entry: &dyn Fn(usize) -> String| {
        format!("[{}]", (0..most).map(entry).collect::<Vec<_>>().join(","))
    };
    let addresses = json(20_000, &|i| {
        let info = format!(r#"{{"family":"inet","local":"{}.1","prefixlen":24}}"#, net(i));
        let master = (i + 1) % 20_000;
        format!(r#"{{"ifindex":{},"ifname":"e{i}","master":"e{master}","flags":["UP"],"addr_info":[{info}]}}"#, i + 1)
    });
    let routes = json(50_000, &|i| format!(r#"{{"dst":"{}.0/24","dev":"e{i}","flags":[]}}"#, net(i)));
    let files = [("iptables-save", &filter("", DROP)[..]), ("ip-addr.json", &addresses), ("ip-route.json", &routes)];
    check("host", &files, 0, &["DROPPED behind PREROUTING, by no rule: no route leads to its destination"]);
}

#[test]
fn walks_end_however_the_chains_lead() {
    let loops = filter(":a - [0:0]\n", "-A INPUT -j a\n-A a -g a\n");
    check("goto", &[("iptables-save", &loops)], 0, &["OPEN", "longer than its bound; is there a loop?"]);
    let chains = |n: usize| lines(0..n, |i| format!(":c{i} - [0:0]\n"));
    let to_next = |n: usize, round: bool, times: usize| {
        let rule = |i: usize| format!("-A c{i} -j c{}\n", (i + 1) % n).repeat(times);
        (0..if round { n } else { n - 1 }).map(rule).collect::<String>()
    };
    for (name, round) in [("cycle", true), ("line-of-chains", false)] {
        let dump = filter(&chains(20_000), &format!("-A INPUT -j c0\n{}", to_next(20_000, round, 1)));
        check(name, &[("iptables-save", &dump)], 0, &["OPEN", "jumps are nested deeper than 1024"]);
    }
    // As deep as is allowed.
    let deepest = limits::JUMPS;
    let end = format!("-A c{} -p tcp -j DROP\n", deepest - 1);
    let dump = filter(&chains(deepest), &format!("-A INPUT -j c0\n{}{end}", to_next(deepest, false, 1)));
    check("deepest", &[("iptables-save", &dump)], 0, &["DROPPED in filter INPUT"]);
    let dump = filter(&chains(40), &format!("-A INPUT -j c0\n{}", to_next(40, false, 2)));
    check("doubling", &[("iptables-save", &dump)], 0, &["OPEN", "longer than its bound"]);
}

#[test]
fn not_more_ways_are_walked_than_can_be_told() {
    let ask =
        |i: usize| format!("-A INPUT -m set --match-set s{i} src -j MARK --set-xmark {:#x}/{:#x}\n", 1 << i, 1 << i);
    let twenty = (0..20).map(ask).collect::<String>();
    check("ways", &[("iptables-save", &filter("", &twenty))], 0, &["DELIVERED", "not every way was explored"]);
    let many =
        (0..2 * limits::QUESTIONS).map(|i| ask(i % 16).replace(" s", &format!(" s{}", i / 16))).collect::<String>();
    check("questions", &[("iptables-save", &filter("", &many))], 0, &["not every way was explored"]);
    // Each way alone writes as much as it may.
    let chains = lines(0..40, |i| format!(":c{i} - [0:0]\n"));
    let double = (0..39).map(|i| format!("-A c{i} -j c{}\n", i + 1).repeat(2)).collect::<String>();
    let dump = filter(&chains, &format!("{twenty}-A INPUT -j c0\n{double}"));
    check("events", &[("iptables-save", &dump)], 0, &["OPEN", "not every way was explored"]);
}

#[test]
fn numbers_that_no_field_holds_are_said_to_be_wrong() {
    let huge = "9".repeat(60);
    let rules = format!("-A INPUT -p tcp --dport {huge} -j DROP\n-A INPUT -m mark --mark 0x{huge} -j DROP\n{DROP}");
    check("numbers", &[("iptables-save", &filter("", &rules))], 0, &["error", "by INPUT #3"]);
    let rules = format!(
        " meta mark {huge} drop\n ip saddr 999.999.999.999 drop\n @nh,{huge},8 1 drop\n @th,0,100000 1 drop\n \
         meta mark set 1 << 99999999 accept\n numgen random mod 0 0 drop\n"
    );
    check("numbers-nft", &[("nft-ruleset", &nft(&rules))], 0, &["NT"]);
}
