//! From a request of the stepper to a session: the packet's fields are read as the flags of `explain` are, edits are
//! carried out on a copy of the rules, and all ways are walked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use nettrace_engine::World;
use nettrace_engine::explain::answer::{self, Answer, Detail};
use nettrace_engine::explore::{Outcome, Outcomes};
use nettrace_engine::field::Field;
use nettrace_engine::host::{Host, Parts};
use nettrace_engine::model::{Edit, Hook, Model, RuleId};
use nettrace_engine::spec::{self, PacketSpec, Start};
use nettrace_engine::trace::Trace;
use nettrace_grammar::{Diagnostic, Sources};
use nettrace_tui::{Asked, Request, Session, Way};

use super::words::Told;
use crate::cli::{FactArgs, TalkArgs};
use crate::commands::conversation;
use crate::commands::facts::Fixed;
use crate::load::{Failure, Granted, Loaded};
use crate::output::Paint;
use crate::packet_args::PacketArgs;
use crate::render::text::{Scene, off_why, one_line};

/// The packet's flags alone, to read the form's fields with what reads the command line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Form {
    #[command(flatten)]
    packet: PacketArgs,
}

/// Everything that was read, to walk from again and again.
pub struct Desk {
    title: String,
    /// The inputs as the command line names them.
    inputs: Vec<String>,
    model: Arc<Model>,
    parts: Parts,
    sources: Arc<Sources>,
    state: nettrace_engine::state::State,
    granted: Granted,
    fixed: Fixed,
    /// A packet file of the command line: what the form does not say is taken from it.
    base: PacketSpec,
    /// The conversation.
    talk: TalkArgs,
    /// What the command line asks for.
    first: Request,
}

/// The form's fields: the flags of the packet.
const FIELDS: &[&str] = &[
    "proto",
    "src",
    "sport",
    "dst",
    "dport",
    "in",
    "local",
    "flags",
    "mark",
    "icmp-type",
    "icmp-code",
    "ttl",
    "tos",
    "length",
    "uid",
    "gid",
    "ct-state",
];

impl Desk {
    /// The desk for a loaded host and the command line's packet.
    pub fn new(loaded: Loaded, inputs: &[PathBuf], packet: &PacketArgs, facts: &FactArgs) -> Result<Desk, Failure> {
        let title = title(&loaded);
        let parts = crate::commands::parts(&loaded, facts)?;
        let base = packet
            .packet
            .as_ref()
            .map_or_else(|| Ok(PacketSpec::default()), |p: &PathBuf| crate::load::one_packet(p))?;
        let mut desk = Desk {
            title,
            inputs: inputs.iter().map(|p| p.display().to_string()).collect(),
            model: Arc::new(loaded.model),
            parts,
            sources: Arc::new(loaded.sources),
            state: loaded.state,
            granted: loaded.granted,
            fixed: Fixed::read(facts)?,
            base,
            talk: TalkArgs::default(),
            first: Request::default(),
        };
        desk.first.packet = desk.fields(packet)?;
        Ok(desk)
    }

    /// The same for a packet that is described as a file would.
    pub fn with_packet(loaded: Loaded, base: PacketSpec) -> Result<Desk, Failure> {
        let mut desk = Desk::new(loaded, &[], &PacketArgs::default(), &FactArgs::default())?;
        desk.base = base;
        desk.first.packet = desk.fields(&PacketArgs::default())?;
        Ok(desk)
    }

    /// The same for a conversation.
    #[must_use]
    pub fn talking(mut self, talk: &TalkArgs) -> Desk {
        self.talk = talk.clone();
        self
    }

    /// The same with edits of the rules.
    #[must_use]
    pub fn what_if(mut self, with: &[String], without: Vec<RuleId>) -> Desk {
        (self.first.with, self.first.without) = (with.to_vec(), without);
        self
    }

    /// What the command line asks for.
    pub fn request(&self) -> Request {
        self.first.clone()
    }

    /// The fields with what the command line gave, and what a packet has without them.
    fn fields(&self, given: &PacketArgs) -> Result<Vec<Asked>, Failure> {
        let host = Host::new(self.parts.clone());
        let world = World { model: &self.model, host: &host };
        let start = spec::complete(&self.base, world).map_err(|e| Failure::new(e.to_string()))?;
        let given = words_of(given);
        let field = |name: &&'static str| Asked {
            name,
            text: given.get(name).cloned().unwrap_or_default(),
            default: default_of(name, &start),
        };
        Ok(FIELDS.iter().map(field).collect())
    }

    /// The packet of a request.
    fn packet(&self, request: &Request) -> Result<PacketSpec, String> {
        let mut words = Vec::new();
        for Asked { name, text, .. } in request.packet.iter().filter(|f| !f.text.is_empty()) {
            match (*name, text.as_str()) {
                ("local", "no") => {}
                ("local", _) => words.push("--local".to_string()),
                _ => words.extend([format!("--{name}"), text.clone()]),
            }
        }
        let form = Form::try_parse_from(words).map_err(|e| clap_words(&e))?;
        form.packet.spec_over(self.base.clone()).map_err(|e| e.to_string())
    }

    /// Walks for a request.
    pub fn session(&self, request: &Request) -> Result<Session, String> {
        let described = self.packet(request)?;
        let mut fixed = self.fixed.afresh();
        fixed.pins.extend(request.pins.iter().cloned());
        let parts = self.parts.clone();
        let plain = Scenery { model: Arc::clone(&self.model), parts, sources: Arc::clone(&self.sources) };
        let edited = plain.edited(request)?;
        let before =
            if plain.is(&edited) { Vec::new() } else { self.walked(&plain, &described, request, &fixed)?.ways };
        let walked = self.walked(&edited, &described, request, &fixed)?;
        let told = walked.told.commanded(&self.inputs, &request.packet, &request.with, &self.talk);
        Ok(Session {
            title: self.title.clone(),
            model: edited.model,
            ways: walked.ways,
            before,
            legs: walked.legs,
            request: request.clone(),
            words: Arc::new(told),
        })
    }

    /// All ways of the packet of the conversation that a request is about.
    fn walked(&self, on: &Scenery, described: &PacketSpec, request: &Request, fixed: &Fixed) -> Result<Walked, String> {
        let host = Arc::new(Host::new(on.parts.clone()));
        let world = World { model: &on.model, host: &host };
        let mut start = spec::complete(described, world).map_err(|e| e.to_string())?;
        start.also_assume(&self.granted.of(&start.packet));
        let mut state = self.state.clone();
        state.now = described.at_ms.unwrap_or(0);
        if let Some(conns) = spec::connections(described) {
            state.conns = conns;
        }
        let legs = conversation::legs(&self.talk, &start).map_err(|e| e.to_string())?;
        let packets = conversation::explored(world, &start, &legs, &state, fixed);
        let names = packets.iter().map(|p| p.name.to_string()).collect();
        let packet = packets.get(request.leg).ok_or("the conversation ends before this packet")?;
        let ways = ways(world, &on.sources, packet.local, &packet.outcomes);
        let told = Told::new(Arc::clone(&on.model), Arc::clone(&host), Arc::clone(&on.sources), &packet.outcomes);
        Ok(Walked { legs: names, ways, told })
    }
}

/// The walks for a request.
struct Walked {
    /// The packets of the conversation.
    legs: Vec<String>,
    /// The ways of the one asked for.
    ways: Vec<Way>,
    /// What is said of them.
    told: Told,
}

/// The rules and the host that a walk goes through.
struct Scenery {
    model: Arc<Model>,
    parts: Parts,
    sources: Arc<Sources>,
}

impl Scenery {
    fn is(&self, other: &Scenery) -> bool {
        Arc::ptr_eq(&self.model, &other.model)
    }

    /// With the edits of a request carried out.
    fn edited(&self, request: &Request) -> Result<Scenery, String> {
        if request.with.is_empty() && request.without.is_empty() {
            return Ok(Scenery {
                model: Arc::clone(&self.model),
                parts: self.parts.clone(),
                sources: Arc::clone(&self.sources),
            });
        }
        let (mut model, mut parts, mut sources) = ((*self.model).clone(), self.parts.clone(), (*self.sources).clone());
        for command in &request.with {
            let done = nettrace_engine::whatif::apply(&mut model, &mut parts, &mut sources, command);
            let _undo = done.map_err(|found| complaint(&sources, &found))?;
        }
        for rule in &request.without {
            let _undo = model.apply(Edit::Remove(*rule));
        }
        Ok(Scenery { model: Arc::new(model), parts, sources: Arc::new(sources) })
    }
}

fn complaint(sources: &Sources, found: &[Diagnostic]) -> String {
    crate::render::diagnostics::render(sources, found, Paint::plain())
}

/// clap's message without its usage lines.
fn clap_words(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().take_while(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

/// All ways with their summaries.
fn ways(world: World, sources: &Sources, local: bool, outcomes: &Outcomes<Trace>) -> Vec<Way> {
    let scene = Scene::new(world.model, sources, Paint::plain()).with_doubt(world.host);
    let one = |outcome: &Outcome<Trace>| {
        let only = Outcomes { list: vec![outcome.clone()], complete: true };
        let answer = answer::answer(world, local, Detail::Effects, &only);
        let summary = answer.endings.first().map_or_else(String::new, |e| one_line(&scene, &answer, e));
        Way { trace: outcome.result.clone(), odds: outcome.odds, summary, skipped: skipped(&scene, &answer) }
    };
    outcomes.list.iter().map(one).collect()
}

/// The hooks that are not on the way, each with the decision that led elsewhere.
fn skipped(scene: &Scene, answer: &Answer) -> Vec<(Hook, String)> {
    let Some(ending) = answer.endings.first() else { return Vec::new() };
    let family = ending.start.family();
    let said =
        |path: &answer::OffPath| off_why(scene, &path.why, family).split_whitespace().collect::<Vec<_>>().join(" ");
    ending.off.iter().flat_map(|path| path.hooks.iter().map(move |h| (*h, said(path)))).collect()
}

/// What stands in the title: the inputs' names without their folders.
fn title(loaded: &Loaded) -> String {
    if loaded.sample {
        return "built-in sample".to_string();
    }
    let names: Vec<_> = loaded.found.inputs.iter().map(|i| i.name.as_str()).collect();
    match names.as_slice() {
        [one] => one.rsplit('/').next().unwrap_or(one).to_string(),
        [first, ..] => {
            let folder = first.rsplit_once('/').map_or(*first, |(folder, _)| folder);
            folder.rsplit('/').next().unwrap_or(folder).to_string()
        }
        [] => String::new(),
    }
}

/// The packet flags of the command line as their words.
fn words_of(given: &PacketArgs) -> BTreeMap<&'static str, String> {
    let g = given;
    let number = |n: Option<u32>| n.map(|n| n.to_string());
    let all: [(&str, Option<String>); 17] = [
        ("proto", g.proto.clone()),
        ("src", g.src.map(|a| a.to_string())),
        ("sport", g.sport.map(|p| p.to_string())),
        ("dst", g.dst.map(|a| a.to_string())),
        ("dport", g.dport.map(|p| p.to_string())),
        ("in", g.iif.clone()),
        ("local", g.local.then(|| "yes".to_string())),
        ("flags", g.flags.clone()),
        ("mark", g.mark.map(|m| format!("{m:#x}"))),
        ("icmp-type", g.icmp_type.clone()),
        ("icmp-code", number(g.icmp_code.map(u32::from))),
        ("ttl", number(g.ttl.map(u32::from))),
        ("tos", g.tos.map(|t| format!("{t:#x}"))),
        ("length", number(g.length.map(u32::from))),
        ("uid", number(g.uid)),
        ("gid", number(g.gid)),
        ("ct-state", g.ct_state.clone()),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// What a packet has where nothing is given.
fn default_of(name: &str, start: &Start) -> String {
    let field = match name {
        "proto" => Field::Proto,
        "src" => Field::Saddr,
        "sport" => Field::Sport,
        "dst" => Field::Daddr,
        "dport" => Field::Dport,
        "in" => Field::Iif,
        "flags" => Field::TcpFlags,
        "mark" => Field::Mark,
        "icmp-type" => Field::IcmpType,
        "icmp-code" => Field::IcmpCode,
        "ttl" => Field::Ttl,
        "tos" => Field::Tos,
        "length" => Field::Length,
        "uid" => Field::SkUid,
        "gid" => Field::SkGid,
        "local" => return if start.local { "yes" } else { "no" }.to_string(),
        _ => return "looked up".to_string(),
    };
    start.packet.value(field).map_or_else(|| "none".to_string(), |v| field.print(v, start.packet.family()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettrace_engine::packet::Got;
    use nettrace_engine::trace::Event;
    use nettrace_tui::ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use nettrace_tui::{Msg, State, Theme, picture, update};

    fn desk(packet: &PacketArgs) -> Desk {
        let loaded = crate::load::load_story("nodeport-drop").unwrap();
        Desk::new(loaded, &[PathBuf::from("node 1")], packet, &FactArgs::default()).unwrap()
    }

    fn node_port() -> Desk {
        desk(&PacketArgs { dport: Some(31002), src: "172.16.4.9".parse().ok(), ..PacketArgs::default() })
    }

    #[test]
    fn the_form_is_read_like_the_command_line() {
        let desk = node_port();
        let mut request = desk.request();
        let field = |name: &str| FIELDS.iter().position(|f| *f == name).unwrap();
        assert_eq!(request.packet[field("dport")].text, "31002");
        assert_eq!(request.packet[field("proto")].default, "tcp");
        let session = desk.session(&request).unwrap();
        assert_eq!(session.words.command(), "nettrace explain 'node 1' --src 172.16.4.9 --dport 31002");
        assert!(session.ways[0].summary.starts_with("FORWARDED"), "{}", session.ways[0].summary);
        assert!(session.ways[0].skipped.iter().any(|s| s.0 == Hook::Input));
        request.packet[field("dport")].text = "many".to_string();
        let error = desk.session(&request).err().unwrap();
        assert!(error.contains("--dport"), "{error}");
    }

    #[test]
    fn a_what_if_is_walked_beside_the_walk_without_it() {
        let desk = node_port();
        let with = |command: &str| Request { with: vec![command.to_string()], ..desk.request() };
        let session = desk.session(&with("iptables -t mangle -I PREROUTING -p tcp --dport 31002 -j DROP")).unwrap();
        assert!(session.ways[0].summary.starts_with("DROPPED") && session.before[0].summary.starts_with("FORWARDED"));
        let refused = desk.session(&with("iptables -t mangle -I PREROUTING --dprot 1 -j DROP")).err().unwrap();
        assert!(refused.contains("--dprot"), "{refused}");
        let base = desk.model.chains.iter().find(|c| !c.rules.is_empty() && c.base.is_some()).unwrap();
        let without = Request { without: base.rules.iter().collect(), ..desk.request() };
        assert_eq!(desk.session(&without).unwrap().before.len(), 1);
    }

    #[test]
    fn without_addresses_the_destination_is_taken_for_the_hosts_own_as_explain_does() {
        let mut loaded = crate::load::load_story("nodeport-drop").unwrap();
        loaded.parts = Parts::default();
        let packet = PacketArgs { dport: Some(31002), ..PacketArgs::default() };
        let desk = Desk::new(loaded, &[], &packet, &FactArgs::default()).unwrap();
        let session = desk.session(&desk.request()).unwrap();
        let trace = &session.ways[0].trace;
        let dnat = |e: &Event| matches!(e, Event::Write { field: Field::Dport, new: Got::Value(8200), .. });
        assert!(trace.events.iter().any(dnat), "{}", session.ways[0].summary);
    }

    /// The picture that README and docs show is the real screen: `UPDATE_DOCS=1 cargo test picture` draws it anew.
    #[test]
    fn the_picture_in_the_docs_is_current() {
        let session = node_port().session(&node_port().request()).unwrap();
        let mut state = State::new(session, Theme::Colour, (112, 32)).unwrap();
        for key in "rr".chars() {
            let _ = update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/step.svg");
        let drawn = picture::svg(&state);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &drawn).unwrap();
        }
        let held = std::fs::read_to_string(path).unwrap_or_default();
        assert!(held == drawn, "docs/step.svg is stale: UPDATE_DOCS=1 cargo test picture");
        assert!(drawn.contains("172.16.4.21 =&gt; 10.244.166.136"));
    }
}
