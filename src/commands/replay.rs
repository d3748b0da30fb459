//! `nettrace replay`: many packets in order, one JSON object a line; with `--each` for many hosts.
//!
//! A map from input to lines: each host is answered for alone, so that a fleet can be split in any way and the lines put
//! together again.
//!
//! A packet of step 1 (or without a step) meets a fresh connection table and fresh rule state; a later step of the same
//! flow goes on with both. Flows know nothing of each other, so they are shared among threads; the lines stay in order.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::resume_unwind;

use nettrace_engine::World;
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explore::{Outcome, Outcomes, explore};
use nettrace_engine::field::Value;
use nettrace_engine::limits;
use nettrace_engine::spec::{self, PacketSpec, Start};
use nettrace_engine::state::State;
use nettrace_engine::trace::Trace;
use nettrace_engine::walk::walk;

use super::edits;
use super::facts::{Facts, Fixed};
use crate::cli::{InputArgs, ReplayArgs};
use crate::load::{self, Failure, Granted};
use crate::output::Screen;
use crate::render::json::{self, Brief, Texts};

/// From so many packets on, indexing the chains pays.
const INDEX_FROM: usize = 50;

/// So many packets are a thread's share at least, before the answers are written.
const SHARE: usize = 256;

/// Runs it.
pub fn run(args: &ReplayArgs, screen: &mut Screen) -> Result<(), Failure> {
    let given = args.packets.as_deref().map(|file| load::packets(Some(file), None)).transpose()?;
    if !args.each {
        return host(args, &args.input, &packets(given.as_deref(), &args.input)?, None, screen);
    }
    let mut failed = 0;
    for path in &args.input.inputs {
        let input = InputArgs { inputs: vec![path.clone()], backend: args.input.backend };
        let bundle = path.display().to_string();
        let told = packets(given.as_deref(), &input).and_then(|p| host(args, &input, &p, Some(&bundle), screen));
        if let Err(why) = told {
            screen.json(&(json::error(&bundle, &why.to_string()) + "\n"))?;
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::new(format!("{n} of {} hosts could not be answered for", args.input.inputs.len()))),
    }
}

/// The packets given, else those of the folder.
fn packets<'a>(given: Option<&'a [PacketSpec]>, input: &InputArgs) -> Result<Cow<'a, [PacketSpec]>, Failure> {
    match given {
        Some(given) => Ok(Cow::Borrowed(given)),
        None => load::packets(None, load::packet_folder(input)).map(Cow::Owned),
    }
}

/// Answers for one host.
fn host(
    args: &ReplayArgs,
    input: &InputArgs,
    packets: &[PacketSpec],
    bundle: Option<&str>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut loaded = load::load(input)?;
    let _before = edits::apply(&mut loaded, &args.what_if, screen)?;
    if packets.len() >= INDEX_FROM {
        loaded.model.build_index();
    }
    super::complain(&loaded, screen);
    let host = super::host(&loaded, &args.facts)?;
    let labels = Labels::build(&loaded.model);
    let texts = Texts { model: &loaded.model, sources: &loaded.sources, labels: &labels, misses: None };
    let fixed = Fixed::read(&args.facts)?;
    let world = World { model: &loaded.model, host: &host };
    let teller = Teller {
        world,
        texts,
        fresh: &loaded.state,
        fixed: &fixed,
        granted: &loaded.granted,
        bundle,
        brief: args.brief,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for round in shares(packets).chunks(threads) {
        let told: Vec<Told> = match round {
            [only] => vec![teller.tell(packets, only.clone())],
            _ => std::thread::scope(|scope| {
                let tell = |share: Range<usize>| scope.spawn(move || teller.tell(packets, share));
                let running: Vec<_> = round.iter().cloned().map(tell).collect();
                running.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
            }),
        };
        for one in told {
            screen.json(&one.lines)?;
            one.end?;
        }
    }
    fixed.check(screen)
}

/// The packets in shares of whole flows, each for one thread at a time.
fn shares(packets: &[PacketSpec]) -> Vec<Range<usize>> {
    let mut shares: Vec<Range<usize>> = Vec::new();
    for (i, packet) in packets.iter().enumerate() {
        match shares.last_mut() {
            Some(share) if share.len() < SHARE || packet.step.unwrap_or(1) > 1 => share.end = i + 1,
            _ => shares.push(i..i + 1),
        }
    }
    shares
}

/// Answers for packets of one host; several threads do at once.
#[derive(Clone, Copy)]
struct Teller<'a> {
    world: World<'a>,
    texts: Texts<'a>,
    /// As dumped.
    fresh: &'a State,
    fixed: &'a Fixed,
    granted: &'a Granted,
    bundle: Option<&'a str>,
    brief: bool,
}

/// What was told of a share of the packets.
struct Told {
    lines: String,
    /// Why it ends before the last packet.
    end: Result<(), Failure>,
}

impl Teller<'_> {
    /// The lines of these packets, which begin with a flow.
    fn tell(&self, packets: &[PacketSpec], share: Range<usize>) -> Told {
        let mut lines = String::new();
        let mut flows = Flows { flow: None, fresh: self.fresh, state: self.fresh.clone() };
        let mut own = None;
        for i in share {
            match self.line(&packets[i], i + 1, &mut flows, &mut own) {
                Ok(line) => lines = lines + &line + "\n",
                Err(why) => return Told { lines, end: Err(Failure::new(format!("packet {}: {why}", i + 1))) },
            }
        }
        Told { lines, end: Ok(()) }
    }

    fn line(
        &self,
        packet: &PacketSpec,
        number: usize,
        flows: &mut Flows,
        own: &mut Option<Value>,
    ) -> Result<String, String> {
        let mut start = spec::complete(packet, self.world).map_err(|e| e.to_string())?;
        // Without addresses, a flow's first packet says which one is this host's.
        if packet.step.unwrap_or(1) <= 1 {
            *own = start.own;
        }
        start.own = *own;
        start.also_assume(&self.granted.of(&start.packet));
        let outcomes = flows.walk(self.world, packet, &start, self.fixed);
        let place = self.bundle.map(|b| (b, number));
        let line = if self.brief {
            serde_json::to_string(&Brief::new(self.texts, start.local, &outcomes, place))
        } else {
            serde_json::to_string(&json::answer(self.texts, start.local, &outcomes, place))
        };
        line.map_err(|e| e.to_string())
    }
}

/// The state that a flow's packets share.
struct Flows<'a> {
    flow: Option<u32>,
    /// As dumped.
    fresh: &'a State,
    state: State,
}

impl Flows<'_> {
    /// Walks a packet in all ways; the most likely one's state is what the next packet of the flow meets.
    fn walk(&mut self, world: World, packet: &PacketSpec, start: &Start, fixed: &Fixed) -> Outcomes<Trace> {
        if packet.step.unwrap_or(1) <= 1 || packet.flow != self.flow {
            self.state = self.fresh.clone();
        }
        self.state.settle();
        self.flow = packet.flow;
        self.state.now = packet.at_ms.unwrap_or(self.state.now);
        if let Some(mut conns) = spec::connections(packet) {
            conns.inherit(&self.state.conns);
            self.state.conns = conns;
        }
        let explored = explore(limits::OUTCOMES, &fixed.pins, |ask| {
            let mut state = self.state.clone();
            let trace = walk(world, start, &mut state, &mut Facts { fixed, rest: ask });
            (trace, state)
        });
        split(explored, &mut self.state)
    }
}

/// The traces, with the first outcome's state left in `state`.
fn split(explored: Outcomes<(Trace, State)>, state: &mut State) -> Outcomes<Trace> {
    let mut list = Vec::with_capacity(explored.list.len());
    for (i, outcome) in explored.list.into_iter().enumerate() {
        let (trace, after) = outcome.result;
        if i == 0 {
            *state = after;
        }
        list.push(Outcome { odds: outcome.odds, chance: outcome.chance, result: trace, choices: outcome.choices });
    }
    Outcomes { list, complete: explored.complete }
}
