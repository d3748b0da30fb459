//! The NodePort story in miniature, made by hand: a model of a dozen rules and the walk of `tcp dport 31002` through it.

use std::borrow::Cow;
use std::sync::Arc;

use nettrace_engine::fact::{Assumption, Fact};
use nettrace_engine::field::{Field, Value, ct_state, device};
use nettrace_engine::model::{BaseChain, ChainId, ChainKind, Dialect, Draft, Family, Hook, Model, Op, RuleId, Verdict};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{By, Cause, Decision, Event, Fate, Step, Trace};
use nettrace_tui::ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nettrace_tui::*;

/// Rule texts by number; conditions are those on ports, read off the text.
pub struct Texts {
    pub texts: Vec<String>,
    pub traces: Vec<Trace>,
}

impl Words for Texts {
    fn rule(&self, rule: RuleId) -> Cow<'_, str> {
        self.texts.get(rule.0 as usize).map_or(Cow::Borrowed(""), |t| Cow::Borrowed(t.as_str()))
    }

    fn place(&self, rule: RuleId) -> Option<Place> {
        Some(Place { file: "iptables-save".to_string(), line: rule.0 + 10 })
    }

    fn conditions(&self, way: usize, event: usize, rule: RuleId) -> Vec<Condition> {
        let text = self.rule(rule);
        let Some((_, port)) = text.split_once("--dport ") else { return Vec::new() };
        let port = port.split(' ').next().unwrap_or_default();
        let had = self.traces[way].packet_at(event).or_zero(Field::Dport).to_string();
        let holds = Some(had == port);
        vec![
            Condition { wanted: "proto tcp".into(), had: "tcp".into(), holds: Some(true) },
            Condition { wanted: format!("dport {port}"), had, holds },
        ]
    }

    fn why(&self, way: usize, event: usize) -> Vec<String> {
        match self.traces[way].events.get(event) {
            Some(Event::Rule { rule, .. }) => vec!["The rule matched.".into(), self.rule(*rule).into_owned()],
            Some(Event::Route(_)) => vec!["After the DNAT the packet is forwarded to 10.244.166.136.".into()],
            _ => vec!["Nothing is decided here.".into()],
        }
    }

    fn why_not(&self, _: usize, rule: RuleId) -> Vec<String> {
        vec![format!("condition-failed: {}", self.rule(rule))]
    }

    fn mark(&self, mark: u32) -> Vec<String> {
        if mark & 0x4000 == 0 { Vec::new() } else { vec!["0x4000 will be masqueraded (kube-proxy)".into()] }
    }

    fn command(&self) -> String {
        "nettrace explain node1 --dport 31002".to_string()
    }
}

/// Builds a model and a trace side by side.
pub struct Story {
    pub model: Model,
    pub texts: Vec<String>,
    pub events: Vec<Event>,
    pub start: Packet,
}

fn ip(text: &str) -> Value {
    nettrace_engine::field::address(text.parse().unwrap())
}

impl Story {
    pub fn chain(&mut self, table: &str, name: &str, hook: Option<(Hook, i32)>) -> ChainId {
        let id = self.model.find_table(Family::Ip, table);
        let id = id.unwrap_or_else(|| self.model.add_table(Family::Ip, table, Dialect::Legacy, Default::default()));
        let base = hook.map(|(hook, priority)| BaseChain {
            hook,
            kind: ChainKind::Filter,
            priority,
            policy: Verdict::Accept,
            told: true,
            devices: Vec::new(),
            order: 0,
        });
        self.model.add_chain(id, name, base, Default::default())
    }

    pub fn rule(&mut self, chain: ChainId, text: &str, verdict: Verdict) -> RuleId {
        self.texts.push(format!("-A {} {text}", self.model.chain_name(chain)));
        let draft = Draft { ops: vec![Op::Verdict(verdict)], ..Draft::default() };
        self.model.append_rule(chain, &draft, Default::default())
    }

    pub fn hit(&mut self, rule: RuleId, from: u32, verdict: Verdict, depth: u16) {
        let index = self.model.position(rule).unwrap() - 1;
        self.events.push(Event::Rule { rule, index, from, verdict, depth });
    }

    pub fn write(&mut self, field: Field, old: Value, new: Value, by: Cause) {
        self.events.push(Event::Write { field, old: Got::Value(old), new: Got::Value(new), by });
    }

    fn pass(&mut self, chain: ChainId) {
        self.events.push(Event::Enter(chain));
        self.events.push(Event::Policy { chain, from: 0, verdict: Verdict::Accept });
    }
}

fn packet() -> Packet {
    let mut p = Packet::default();
    for (field, value) in [
        (Field::Family, 2),
        (Field::Proto, 6),
        (Field::Saddr, ip("172.16.4.9")),
        (Field::Daddr, ip("172.16.4.21")),
        (Field::Sport, 51514),
        (Field::Dport, 31002),
        (Field::TcpFlags, 2),
        (Field::Ttl, 64),
        (Field::Iif, device("eth0")),
        (Field::Mark, 0),
    ] {
        p.set(field, value);
    }
    p
}

/// The way of a remote client's packet: DNAT in PREROUTING, so it is forwarded and INPUT is never met.
pub fn session() -> Session {
    let mut s = Story { model: Model::default(), texts: Vec::new(), events: Vec::new(), start: packet() };
    let raw = s.chain("raw", "PREROUTING", Some((Hook::Prerouting, -300)));
    let pre = s.chain("nat", "PREROUTING", Some((Hook::Prerouting, -100)));
    let post = s.chain("nat", "POSTROUTING", Some((Hook::Postrouting, 100)));
    let [services, ports, svc, sep, masq] =
        ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-W7X2", "KUBE-SEP-A", "KUBE-MARK-MASQ"]
            .map(|n| s.chain("nat", n, None));
    let input = s.chain("filter", "INPUT", Some((Hook::Input, 0)));
    let forward = s.chain("filter", "FORWARD", Some((Hook::Forward, 0)));

    let comment = "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
    let to_services = s.rule(pre, comment, Verdict::Jump(services));
    for n in 1..=40 {
        s.rule(services, &format!("-d 10.96.0.{n}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{n:04}"), Verdict::Jump(svc));
    }
    let to_ports = s.rule(services, "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS", Verdict::Jump(ports));
    s.rule(ports, "-p tcp -m tcp --dport 30080 -j KUBE-SVC-W7X1", Verdict::Jump(svc));
    s.rule(
        ports,
        "-p tcp -m comment --comment \"日本語 שלום \u{202e}evil\x1b[31m\" -m tcp --dport 30443 -j DROP",
        Verdict::Drop,
    );
    let to_svc = s.rule(
        ports,
        "-p tcp -m comment --comment \"paas/config-center:http\" -m tcp --dport 31002 -j KUBE-SVC-W7X2",
        Verdict::Jump(svc),
    );
    s.rule(ports, "-p tcp -m tcp --dport 32000 -j KUBE-SVC-W7X3", Verdict::Jump(svc));
    let to_masq = s.rule(svc, "-j KUBE-MARK-MASQ", Verdict::Jump(masq));
    let to_sep = s.rule(svc, "-m statistic --mode random --probability 0.5 -j KUBE-SEP-A", Verdict::Jump(sep));
    let mark = s.rule(masq, "-j MARK --set-xmark 0x4000/0x4000", Verdict::Continue);
    let dnat = s.rule(sep, "-p tcp -m tcp -j DNAT --to-destination 10.244.166.136:8200", Verdict::Accept);
    s.rule(input, "-p tcp -m tcp --dport 31002 -j DROP", Verdict::Drop);
    let masquerade = s.rule(post, "-m mark --mark 0x4000/0x4000 -j MASQUERADE", Verdict::Accept);

    s.events.push(Event::Hook(Hook::Prerouting));
    s.pass(raw);
    s.write(Field::CtState, 0, ct_state::NEW, Cause::Step(Step::Conntrack));
    s.events.push(Event::Enter(pre));
    s.hit(to_services, 0, Verdict::Jump(services), 0);
    let fact = Fact::IsLocal(2, ip("172.16.4.21"));
    s.events.push(Event::Answer { fact, value: 1, label: "yes".into(), assumed: true });
    s.hit(to_ports, 0, Verdict::Jump(ports), 1);
    s.hit(to_svc, 0, Verdict::Jump(svc), 2);
    s.hit(to_masq, 0, Verdict::Jump(masq), 3);
    s.hit(mark, 0, Verdict::Continue, 4);
    s.write(Field::Mark, 0, 0x4000, Cause::Rule(mark));
    s.events.push(Event::Return { chain: masq, from: 1, depth: 4 });
    s.events.push(Event::Answer {
        fact: Fact::Chance { site: 1, at: 0, expr: None },
        value: 1,
        label: "holds".into(),
        assumed: false,
    });
    s.hit(to_sep, 1, Verdict::Jump(sep), 3);
    s.hit(dnat, 0, Verdict::Accept, 4);
    s.write(Field::Daddr, ip("172.16.4.21"), ip("10.244.166.136"), Cause::Rule(dnat));
    s.write(Field::Dport, 31002, 8200, Cause::Rule(dnat));
    s.events.push(Event::HookEnd(Hook::Prerouting));
    let to = Decision::Forward { oif: Some(device("cali7d3f")), nexthop: Some(ip("10.244.166.136")) };
    s.events.push(Event::Route(to));
    s.write(Field::Oif, 0, device("cali7d3f"), Cause::Step(Step::RouteIn));
    s.events.push(Event::Hook(Hook::Forward));
    s.pass(forward);
    s.events.push(Event::HookEnd(Hook::Forward));
    s.events.push(Event::Hook(Hook::Postrouting));
    s.events.push(Event::Enter(post));
    s.hit(masquerade, 0, Verdict::Accept, 0);
    s.write(Field::Saddr, ip("172.16.4.9"), ip("172.16.4.21"), Cause::Rule(masquerade));
    s.events.push(Event::HookEnd(Hook::Postrouting));
    s.events.push(Event::Fate(Fate::Out { oif: Some(device("cali7d3f")), also_local: false }));

    let other = other_way(&s, sep);
    finish(s, other)
}

/// The draw fell the other way, and there the packet is dropped.
fn other_way(s: &Story, sep: ChainId) -> Vec<Event> {
    let cut = s.events.iter().position(|e| matches!(e, Event::Answer { assumed: false, .. })).unwrap();
    let mut events = s.events[..=cut].to_vec();
    if let Some(Event::Answer { label, value, .. }) = events.last_mut() {
        (*label, *value) = ("does not hold".into(), 0);
    }
    let rule = RuleId(s.texts.len() as u32 - 3);
    let by = By::Rule { rule, base: sep, hotdrop: false };
    events.push(Event::Fate(Fate::Drop { hook: Hook::Prerouting, by }));
    events
}

fn finish(s: Story, other: Vec<Event>) -> Session {
    let assumption = Assumption {
        fact: "is 172.16.4.21 an address of this host".into(),
        value: "yes".into(),
        why: "no ip addr was given".into(),
        flag: "--assume local:172.16.4.21=no".into(),
    };
    let trace =
        |events| Trace { start: s.start.clone(), events, given: [assumption.clone()].into(), taken: Vec::new() };
    let traces = vec![trace(s.events.clone()), trace(other)];
    let way = |(i, summary): (usize, &str)| Way {
        trace: traces[i].clone(),
        odds: Some(0.5),
        summary: summary.to_string(),
        skipped: vec![(Hook::Input, "after the DNAT it is forwarded".to_string())],
    };
    let ask = |name, text: &str, default: &str| Asked { name, text: text.into(), default: default.into() };
    Session {
        title: "node1 · iptables-save".to_string(),
        model: Arc::new(s.model),
        ways: [(0, "FORWARDED to 10.244.166.136:8200"), (1, "DROPPED in PREROUTING")].map(way).to_vec(),
        before: Vec::new(),
        legs: Vec::new(),
        request: Request {
            packet: vec![ask("proto", "", "tcp"), ask("src", "172.16.4.9", "192.0.2.1"), ask("dport", "31002", "80")],
            ..Request::default()
        },
        words: Arc::new(Texts { texts: s.texts, traces }),
    }
}

pub fn state(size: (u16, u16)) -> State {
    State::new(session(), Theme::Colour, size).unwrap()
}

/// The key events for a script: single characters, and names in `<>`.
pub fn keys(script: &str) -> Vec<KeyEvent> {
    let mut out = Vec::new();
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|r| r.split_once('>'));
        let (code, modifiers) = if let Some((name, after)) = named {
            rest = after;
            match name {
                "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
                "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
                "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
                "C-u" => (KeyCode::Char('u'), KeyModifiers::CONTROL),
                "C-d" => (KeyCode::Char('d'), KeyModifiers::CONTROL),
                other => panic!("unknown key {other}"),
            }
        } else {
            rest = &rest[c.len_utf8()..];
            (KeyCode::Char(c), KeyModifiers::NONE)
        };
        out.push(KeyEvent::new(code, modifiers));
    }
    out
}

/// Presses the keys of a script; the last effect.
pub fn press(state: &mut State, script: &str) -> Effect {
    let mut last = Effect::None;
    for key in keys(script) {
        last = update(state, Msg::Key(key));
    }
    last
}
