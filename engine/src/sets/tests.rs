//! Lookups against what the kernel said (`recorded.txt`, made with `ipset create`, `add`, `test` and `save`), and what
//! `ipset test` cannot ask: direction flags, counters, holes, changes by packets.

use nettrace_grammar::{Sources, ipset};

use super::*;
use crate::field::{Field, address, device, mac};
use crate::model::{Contents, CounterTest, Dim, Model, Relation};

fn model(text: &str) -> (Model, usize) {
    let (mut sources, mut model) = (Sources::default(), Model::default());
    let (tree, errors) = ipset::parse(sources.add("ipset", text).unwrap());
    assert_eq!(errors, []);
    let errors = lower(&tree, &mut model).len();
    (model, errors)
}

fn set<'m>(model: &'m Model, name: &str) -> &'m Ipset {
    match &model.set(model.find_set(None, name).unwrap()).contents {
        Contents::Ipset(set) => set,
        other => panic!("{name}: {other:?}"),
    }
}

/// The key of `10.0.0.1,tcp:80` for a set, as a packet would have it.
fn probe(set: &Ipset, text: &str) -> Option<Vec<Value>> {
    let part = |(word, dimension): (&str, &Dimension)| match dimension {
        Dimension::Ip => set.masked(address(word.parse().unwrap())),
        Dimension::Net => Some(address(word.parse().unwrap())),
        Dimension::ProtoPort => {
            let (proto, port) = word.split_once(':').unwrap_or(("tcp", word));
            let proto = names::protocol(proto).unwrap();
            Some(Value::from(proto) << 16 | Value::from(names::ports(proto, port).unwrap().0))
        }
        Dimension::Mac => mac(word),
        Dimension::Iface => Some(device(word)),
        _ => word.parse().ok(),
    };
    text.split(',').zip(set.kind.dimensions()).map(part).collect()
}

fn holds(set: &Ipset, text: &str) -> bool {
    probe(set, text).is_some_and(|key| set.find(&key, Ask::default(), None).matches == Some(true))
}

/// Lines as typed (`create`, `add`), as saved (`saved create …`), and the kernel's answers (`probe SET ENTRY yes`).
fn check_recorded(text: &str) -> usize {
    let lines = |prefix: &str| text.lines().filter_map(|l| l.strip_prefix(prefix)).collect::<Vec<_>>();
    let typed: Vec<&str> = text.lines().filter(|l| l.starts_with("create") || l.starts_with("add")).collect();
    let (typed, saved) = (model(&typed.join("\n")), model(&lines("saved ").join("\n")));
    assert_eq!((typed.1, saved.1), (0, 0));
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines("probe ") {
        let words: Vec<&str> = line.split(' ').collect();
        for (how, model) in [("typed", &typed.0), ("saved", &saved.0)] {
            count += 1;
            if holds(set(model, words[0]), words[1]) != (words[2] == "yes") {
                wrong.push(format!("{how}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for line in lines("saved add ") {
        let words: Vec<&str> = line.split(' ').collect();
        let set = set(&saved.0, words[0]);
        let shown: Vec<String> = set.entries().map(|e| set.show(&e)).collect();
        let word = if set.kind == SetType::BitmapIpMac { words[1].split(',').next().unwrap() } else { words[1] };
        assert!(shown.iter().any(|s| s == word), "{line}: {shown:?}");
        let same = |name: &str| -> usize { super::tests::set(&typed.0, name).len() };
        assert_eq!(set.len(), same(words[0]), "{}", words[0]);
    }
    count
}

#[test]
fn entries_run_out() {
    let (model, _) = model("create t hash:ip timeout 60\nadd t 1.1.1.1 timeout 5\nadd t 2.2.2.2 timeout 0\n");
    let set = set(&model, "t");
    let mut delta = crate::state::SetDelta::default();
    let there = |delta: &crate::state::SetDelta, text: &str, now: u64| {
        let ask = Ask { now, ..Ask::default() };
        set.find(&[address(text.parse().unwrap())], ask, Some(delta)).matches == Some(true)
    };
    let key = |text: &str| [address(text.parse().unwrap())];
    assert!(there(&delta, "1.1.1.1", 4_999) && !there(&delta, "1.1.1.1", 5_000));
    assert!(there(&delta, "2.2.2.2", u64::MAX));
    // The set's own timeout, the rule's, and `--exist`.
    assert!(set.add(&key("3.3.3.3"), Adding { now: 10_000, ..Adding::default() }, &mut delta));
    assert!(set.add(&key("4.4.4.4"), Adding { now: 10_000, left: Some(5), ..Adding::default() }, &mut delta));
    assert!(there(&delta, "3.3.3.3", 69_999) && !there(&delta, "3.3.3.3", 70_000));
    assert!(there(&delta, "4.4.4.4", 14_999) && !there(&delta, "4.4.4.4", 15_000));
    assert!(set.add(&key("4.4.4.4"), Adding { now: 12_000, left: Some(5), refresh: true, bytes: 0 }, &mut delta));
    assert!(there(&delta, "4.4.4.4", 16_999));
}

#[test]
fn lookups_are_the_kernels() {
    assert!(check_recorded(include_str!("recorded.txt")) > 500);
}

/// The fields of `src=1.0.0.1 dport=80 iif=eth0`, an IPv4 packet unless it says otherwise.
fn packet(text: &str) -> Vec<(Field, Value)> {
    let names = [
        ("family", Field::Family),
        ("src", Field::Saddr),
        ("dst", Field::Daddr),
        ("sport", Field::Sport),
        ("dport", Field::Dport),
        ("proto", Field::Proto),
        ("type", Field::IcmpType),
        ("code", Field::IcmpCode),
        ("frag", Field::FragOffset),
        ("mark", Field::Mark),
        ("iif", Field::Iif),
        ("smac", Field::EtherSaddr),
    ];
    let value = |text: &str| {
        let addr = text.parse().ok().map(address);
        addr.or_else(|| text.parse().ok()).or_else(|| mac(text)).unwrap_or_else(|| device(text))
    };
    let field = |name: &str| names.iter().find(|n| n.0 == name).unwrap().1;
    let own = text.split_whitespace().filter_map(|w| w.split_once('='));
    own.map(|(name, v)| (field(name), value(v))).chain([(Field::Family, 2)]).collect()
}

fn key(set: &Ipset, flags: &str, fields: &str) -> Option<Vec<Value>> {
    let dims: Vec<Dim> = flags.split(',').map(|d| if d == "src" { Dim::Src } else { Dim::Dst }).collect();
    let packet = packet(fields);
    let read = |field| Ok::<_, ()>(packet.iter().find(|p| p.0 == field).map(|p| p.1));
    set.key(&dims, read).unwrap()
}

#[test]
fn flags_pick_the_side_and_the_key_has_to_be_whole() {
    let (model, errors) = model(
        "create p hash:ip,port\nadd p 1.0.0.2,tcp:80\nadd p 1.0.0.2,icmp:8/0\nadd p 1.0.0.2,gre:0\n\
        create b bitmap:port range 0-100\nadd b 80\ncreate m hash:ip,mark markmask 0xff\nadd m 1.0.0.1,0x105\n\
        create i hash:net,iface\nadd i 1.0.0.0/8,eth0\nadd i 2.0.0.0/8,e wildcard\nadd i 3.0.0.0/8,physdev:eth0\n\
        create h hash:mac\nadd h 02:00:00:00:00:0A\ncreate six hash:ip family inet6\nadd six fd00::1\n\
        create nn hash:net,net\nadd nn 1.0.0.0/8,2.0.0.0/8\nadd nn 1.1.0.0/16,2.0.0.0/16 nomatch\n\
        create ipmac hash:ip,mac\nadd ipmac 1.0.0.1,02:00:00:00:00:0A\n",
    );
    assert_eq!(errors, 0);
    for (name, flags, fields, expect) in [
        ("p", "dst,dst", "dst=1.0.0.2 proto=6 dport=80", true),
        ("p", "src,dst", "dst=1.0.0.2 proto=6 dport=80", false),
        ("p", "dst,src", "dst=1.0.0.2 proto=6 dport=80 sport=7", false),
        ("p", "dst", "dst=1.0.0.2 proto=6 dport=80", false),
        ("p", "dst,dst,src", "dst=1.0.0.2 proto=6 dport=80", true),
        ("p", "dst,dst", "dst=1.0.0.2 proto=17 dport=80", false),
        ("p", "dst,src", "dst=1.0.0.2 proto=1 type=8 code=0", true),
        ("p", "dst,src", "dst=1.0.0.2 proto=47", true),
        ("p", "dst,dst", "dst=1.0.0.2 proto=6 dport=80 frag=1", false),
        ("b", "dst", "proto=17 dport=80", true),
        ("b", "src", "proto=17 dport=80 sport=81", false),
        ("b", "dst", "proto=33 dport=80", false),
        ("m", "src,src", "src=1.0.0.1 mark=773", true),
        ("m", "src,src", "src=1.0.0.1 mark=6", false),
        ("i", "src,src", "src=1.0.0.1 iif=eth0", true),
        ("i", "src,dst", "src=1.0.0.1 iif=eth0", false),
        ("i", "src,src", "src=1.0.0.1 iif=eth1", false),
        ("i", "src,src", "src=2.0.0.1 iif=eth1", true),
        ("i", "src,src", "src=2.0.0.1 iif=lo", false),
        ("i", "src,src", "src=3.0.0.1 iif=eth0", false),
        ("h", "src", "smac=02:00:00:00:00:0a", true),
        ("h", "dst", "smac=02:00:00:00:00:0a", false),
        ("six", "src", "family=10 src=fd00::1", true),
        ("six", "src", "src=1.0.0.1", false),
        ("nn", "src,dst", "src=1.2.0.1 dst=2.1.0.1", true),
        ("nn", "src,dst", "src=1.1.0.1 dst=2.0.0.1", false),
        ("ipmac", "src,src", "src=1.0.0.1 smac=02:00:00:00:00:0a", true),
        ("ipmac", "src,src", "src=1.0.0.1 smac=02:00:00:00:00:0b", false),
    ] {
        let set = set(&model, name);
        let key = key(set, flags, fields);
        let found = key.is_some_and(|key| set.find(&key, Ask::default(), None).matches == Some(true));
        assert_eq!(found, expect, "{name} {flags} {fields}");
    }
}

#[test]
fn counters_holes_and_changes_by_packets() {
    let (model, errors) = model(
        "create c hash:net counters\nadd c 1.0.0.0/8 packets 9 bytes 90\nadd c 1.1.0.0/16 packets 1 bytes 2\n\
        create n hash:net maxelem 3\nadd n 1.0.0.0/8\nadd n 1.1.0.0/16 nomatch\n\
        create bm bitmap:ip,mac range 1.0.0.0/24\nadd bm 1.0.0.1\nadd bm 1.0.0.2,02:00:00:00:00:0A\n",
    );
    assert_eq!(errors, 0);
    let more = |value| [CounterTest { bytes: false, rel: Relation::Gt, value }];
    let one = |addr: &str| vec![address(addr.parse().unwrap())];
    let counting = set(&model, "c");
    let found =
        counting.find(&one("1.1.0.1"), Ask { counters: &more(5), count: true, bytes: 10, ..Ask::default() }, None);
    // The longer prefix is counted, does not fit, and the search goes on.
    assert_eq!(found.matches, Some(true));
    let changed: Vec<String> = found.changes.iter().map(|(e, d)| format!("{} {}", counting.show(e), d[0])).collect();
    assert_eq!(changed, ["1.1.0.0/16 2", "1.0.0.0/8 10"]);
    let mut delta = SetDelta::default();
    found.changes.into_iter().for_each(|(key, data)| delta.put(key, Some(data)));
    let again = counting.find(&one("1.1.0.1"), Ask { counters: &more(1), ..Ask::default() }, Some(&delta));
    assert_eq!(again.hit.map(|h| h.ext.packets), Some(2));

    let nets = set(&model, "n");
    let inverted = Ask { return_nomatch: true, ..Ask::default() };
    for (addr, plain, holes) in [("1.1.0.1", false, true), ("1.2.0.1", true, false), ("2.0.0.1", false, false)] {
        assert_eq!(nets.find(&one(addr), Ask::default(), None).matches, Some(plain), "{addr}");
        assert_eq!(nets.find(&one(addr), inverted, None).matches, Some(holes), "{addr}");
    }
    let mut delta = SetDelta::default();
    assert!(nets.add(&one("2.2.2.2"), Adding::default(), &mut delta));
    assert!(!nets.add(&one("3.2.2.2"), Adding::default(), &mut delta), "the set is full");
    // A new entry has the longest prefix length in use.
    assert_eq!(nets.find(&one("2.2.9.9"), Ask::default(), Some(&delta)).matches, Some(true));
    assert!(nets.remove(&one("2.2.9.9"), &mut delta));
    assert_eq!(nets.find(&one("2.2.2.2"), Ask::default(), Some(&delta)).matches, Some(false));

    let macs = set(&model, "bm");
    let at = |addr: &str, link: &str| vec![one(addr)[0], mac(link).unwrap()];
    let learned = macs.find(&at("1.0.0.1", "02:00:00:00:00:0B"), Ask::default(), None);
    assert_eq!((learned.matches, learned.changes.len()), (Some(true), 1));
    let mut delta = SetDelta::default();
    learned.changes.into_iter().for_each(|(key, data)| delta.put(key, Some(data)));
    for (addr, link, expect) in [
        ("1.0.0.1", "02:00:00:00:00:0B", true),
        ("1.0.0.1", "02:00:00:00:00:0C", false),
        ("1.0.0.2", "02:00:00:00:00:0A", true),
        ("1.0.0.2", "02:00:00:00:00:0B", false),
    ] {
        assert_eq!(macs.find(&at(addr, link), Ask::default(), Some(&delta)).matches, Some(expect), "{addr} {link}");
    }
    // Added again: only `--exist` puts another address in the place of the one that is there.
    for (refresh, expect) in [(false, false), (true, true)] {
        let other = at("1.0.0.2", "02:00:00:00:00:0C");
        assert_eq!(macs.add(&other, Adding { refresh, ..Adding::default() }, &mut delta), refresh);
        assert_eq!(macs.find(&other, Ask::default(), Some(&delta)).matches, Some(expect), "--exist {refresh}");
    }
}

#[test]
fn lines_that_cannot_be_read_make_a_set_uncertain() {
    let (model, errors) = model(
        "create a hash:ip\nadd a 1.0.0.1\nadd a nonsense\ncreate l list:set\nadd l a\nadd l b\nadd l c before b\n\
        create x hash:odd\nadd x 1\ncreate d hash:ip\nadd d 1.0.0.0/30\ndel d 1.0.0.2\ncreate e hash:net\n\
        add e 1.0.0.0/8 comment \"nomatch here\" timeout 7\n\
        create f hash:ip\nadd f 1.0.0.1\nflush f\ncreate g hash:ip\nadd g 1.0.0.1\nswap g f\n",
    );
    assert_eq!(errors, 3);
    let at = |name, addr: &str| set(&model, name).find(&[address(addr.parse().unwrap())], Ask::default(), None).matches;
    assert_eq!((at("a", "1.0.0.1"), at("a", "1.0.0.2")), (Some(true), None));
    assert_eq!((at("d", "1.0.0.1"), at("d", "1.0.0.2")), (Some(true), Some(false)));
    assert_eq!((at("f", "1.0.0.1"), at("g", "1.0.0.1")), (Some(true), Some(false)));
    let hit = set(&model, "e").find(&[0x0102_0304], Ask::default(), None).hit.unwrap();
    assert_eq!((hit.ext.comment.as_deref(), hit.ext.timeout, hit.ext.nomatch), (Some("nomatch here"), 7, false));
    let id = |name| model.find_set(None, name).unwrap();
    assert_eq!(set(&model, "l").members, [id("a"), id("c"), id("b")]);
    assert!(matches!(model.set(id("x")).contents, Contents::Unknown));
}

const WORDS: &[&str] = &[
    "create",
    "add",
    "del",
    "a",
    "b",
    "hash:ip",
    "hash:net",
    "hash:net,port,net",
    "hash:net,iface",
    "bitmap:ip",
    "list:set",
    "bitmap:ip,mac",
    "range",
    "10.0.0.0/8",
    "10.0.0.1",
    "10.0.0.1-10.0.0.9",
    "0.0.0.0-255.255.255.255",
    "fd00::/8",
    "netmask",
    "0",
    "999",
    "timeout",
    "nomatch",
    "wildcard",
    "comment",
    "\"x y\"",
    "10.0.0.1,tcp:80-90",
    "10.0.0.0/8,icmp:8/0,11.0.0.0/8",
    "10.0.0.1,eth0",
    "10.0.0.1,02:00:00:00:00:01",
    "family",
    "inet6",
    "\n",
    "\nadd a",
    "\ncreate b",
    "flush",
    "swap",
    "rename",
    "bitmask",
    "::",
    "before",
    "maxelem",
];

proptest::proptest! {
    #[test]
    fn any_lines_are_read_without_a_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40)) {
        let (mut sources, mut model) = (Sources::default(), Model::default());
        let (tree, _) = ipset::parse(sources.add("any", words.join(" ")).unwrap());
        let _ = lower(&tree, &mut model);
        for set in &model.sets {
            let Contents::Ipset(set) = &set.contents else { continue };
            for dims in ["src", "src,dst", "dst,dst,src"] {
                let key = key(set, dims, "src=10.0.0.1 dst=10.0.0.2 proto=6 sport=7 dport=80 iif=eth0 smac=02:00:00:00:00:01");
                let Some(key) = key else { continue };
                let mut delta = SetDelta::default();
                if set.add(&key, Adding::default(), &mut delta) && set.kind != SetType::HashNetIface {
                    let nomatch = set.find(&key, Ask::default(), Some(&delta)).hit.is_some_and(|h| h.ext.nomatch);
                    proptest::prop_assert_eq!(set.find(&key, Ask::default(), Some(&delta)).matches, Some(!nomatch));
                }
            }
            proptest::prop_assert!(set.entries().all(|e| !set.show(&e).is_empty()));
        }
    }
}
