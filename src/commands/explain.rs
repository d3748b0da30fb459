//! `nettrace explain`: one packet (or a conversation), all ways it can go, and the answer in one of the formats.

use nettrace_engine::World;
use nettrace_engine::explain::answer::{self, Answer, Detail};
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::whynot::NEAR;
use nettrace_engine::model::Hook;
use nettrace_engine::spec;
use nettrace_engine::visible::escaped_json;

use super::conversation::{self, Packet};
use super::edits;
use super::facts::Fixed;
use super::reasons::{self, Bench, Questions, Reasons};
use crate::cli::{ExplainArgs, Format, LevelArgs};
use crate::load::{self, Failure, Loaded};
use crate::output::{self, Paint, Screen};
use crate::render::json::{self, Texts};
use crate::render::reasons::Desk;
use crate::render::text::{self, Level, Scene};
use crate::render::{flow, html, kernel, markdown};

/// Runs it.
pub fn run(args: &ExplainArgs, screen: &mut Screen) -> Result<(), Failure> {
    let paint = screen.paint;
    let described = args.packet.spec()?;
    let mut loaded = load::load(&args.input)?;
    super::complain(&loaded, screen);
    let fixed = Fixed::read(&args.facts)?;
    let questions = Questions::read(&args.why, &loaded)?;
    let before = edits::apply(&mut loaded, &args.what_if, screen)?;
    let host = super::host(&loaded, &args.facts)?;
    let world = World { model: &loaded.model, host: &host };
    let mut start = spec::complete(&described, world).map_err(|e| Failure::new(e.to_string()))?;
    start.also_assume(&loaded.granted.of(&start.packet));
    for said in args.packet.idle(world, &start) {
        screen.note(&format!("note: {}\n", output::safe(&said)));
    }
    let mut state = loaded.state.clone();
    state.now = described.at_ms.unwrap_or(0);
    if let Some(conns) = spec::connections(&described) {
        state.conns = conns;
    }
    let legs = conversation::legs(&args.talk, &start)?;
    let walks = |world| conversation::explored(world, &start, &legs, &state, &fixed);
    let old = before.as_ref().map(|b| walks(World { model: &b.model, host: &b.host }));
    let format = if args.json { Format::Json } else { args.format };
    let how = How { format, level: args.level, paint, world };
    let mut out = String::new();
    if loaded.sample && format == Format::Text && !args.level.short {
        let said = "No input given: this is the built-in sample, a Kubernetes node.";
        out.push_str(&format!("{}\n\n", paint.dim(said)));
    }
    let parts = walks(world);
    fixed.check(screen)?;
    let mut reasons = Vec::with_capacity(parts.len());
    for (i, packet) in parts.iter().enumerate() {
        let bench = (i == 0).then_some(Bench { start: &start, state: &state, pins: &fixed.pins });
        let old = old.as_ref().and_then(|o| o.get(i)).map(|o| &o.outcomes);
        reasons.push(reasons::reasons(world, &questions, &packet.outcomes, old, bench));
    }
    if format == Format::Html {
        // A page is UTF-8 wherever it is made.
        screen.paint = Paint::plain();
        return screen.print(&page(&loaded, &parts, reasons, how));
    }
    for (i, (packet, said)) in parts.iter().zip(&reasons).enumerate() {
        let heading = (parts.len() > 1).then_some((i + 1, packet.name));
        let said = Said { reasons: said.as_ref(), asked: questions.asked() };
        out.push_str(&draw(&loaded, packet, heading, how, said)?);
    }
    if format == Format::Text && (args.level.verbose || args.level.all) {
        out.push_str(&inputs(&loaded, paint));
    }
    screen.print(&out)
}

#[derive(Clone, Copy)]
struct How<'a> {
    format: Format,
    level: LevelArgs,
    paint: Paint,
    world: World<'a>,
}

impl How<'_> {
    /// How many of the rules that did not match are told before each step; `None`: they are not.
    fn misses(&self) -> Option<usize> {
        match self.level {
            LevelArgs { all: true, .. } => Some(usize::MAX),
            LevelArgs { verbose: true, .. } => Some(NEAR),
            _ => None,
        }
    }
}

/// What is said of rules besides.
#[derive(Clone, Copy)]
struct Said<'a> {
    reasons: Option<&'a Reasons<'a>>,
    /// A question about rules was asked: the way is not the answer.
    asked: bool,
}

fn draw(
    loaded: &Loaded,
    packet: &Packet,
    heading: Option<(usize, &str)>,
    how: How,
    said: Said,
) -> Result<String, Failure> {
    let labels = Labels::build(&loaded.model);
    let misses = how.misses().map(|most| (how.world, most));
    let texts = Texts { model: &loaded.model, sources: &loaded.sources, labels: &labels, misses };
    match how.format {
        Format::Json => {
            let reasons = said.reasons.map(|r| desk(loaded, how).json(r));
            let answer = json::answer(texts, packet.local, &packet.outcomes, None).with_reasons(reasons);
            let json =
                if heading.is_some() { serde_json::to_string(&answer) } else { serde_json::to_string_pretty(&answer) };
            json.map(|j| escaped_json(&(j + "\n")).into_owned()).map_err(|e| Failure::new(e.to_string()))
        }
        Format::Trace => Ok(logged(texts, packet, how.level.all)),
        Format::Markdown | Format::Mermaid | Format::Dot => Ok(chart(loaded, packet, how)),
        Format::Text | Format::Html => Ok(read(loaded, packet, heading, how, said)),
    }
}

/// The kernel's log of the most likely way, or of all, each under a comment.
fn logged(texts: Texts, packet: &Packet, all: bool) -> String {
    let ways = &packet.outcomes.list;
    let mut out = String::new();
    for (i, way) in ways.iter().enumerate().take(if all { ways.len() } else { 1 }) {
        if all && ways.len() > 1 {
            let odds = way.odds.map_or(String::new(), |p| format!(", {:.1} %", p * 100.0));
            out.push_str(&format!("# way {} of {}{odds}\n", i + 1, ways.len()));
        }
        out.push_str(&kernel::render(texts, &way.result));
    }
    out
}

/// The answer for documents and slides.
fn chart(loaded: &Loaded, packet: &Packet, how: How) -> String {
    let answer = answer::answer(how.world, packet.local, Detail::Effects, &packet.outcomes);
    let plain = Paint { color: false, ..how.paint };
    let scene = Scene::new(&loaded.model, &loaded.sources, plain).with_doubt(how.world.host);
    match how.format {
        Format::Mermaid => flow::mermaid(&scene, &answer),
        Format::Dot => flow::dot(&scene, &answer),
        _ => markdown::render(&scene, &answer),
    }
}

/// The answer as a page to step through.
fn page(loaded: &Loaded, packets: &[Packet], reasons: Vec<Option<Reasons>>, how: How) -> String {
    let how = How { paint: Paint::plain(), ..how };
    let scene = Scene::new(&loaded.model, &loaded.sources, how.paint).with_doubt(how.world.host);
    let detail = if how.level.all { Detail::All } else { Detail::Steps };
    let explained = |packet: &Packet, detail, outcomes| answer::answer(how.world, packet.local, detail, outcomes);
    let mut parts = Vec::with_capacity(packets.len());
    for ((n, packet), reasons) in (1..).zip(packets).zip(reasons) {
        parts.push(html::Part {
            name: (packets.len() > 1).then(|| format!("Packet {n}: {}", packet.name)),
            answer: explained(packet, detail, &packet.outcomes),
            outcomes: &packet.outcomes,
            before: reasons.as_ref().and_then(|r| Some(explained(packet, Detail::Effects, r.before.as_ref()?.0))),
            reasons,
        });
    }
    let inputs: Vec<String> = loaded.found.inputs.iter().map(|i| i.name.clone()).collect();
    html::page(html::Book { scene: &scene, desk: desk(loaded, how), inputs: &inputs }, &parts)
}

/// The answer for reading.
fn read(loaded: &Loaded, packet: &Packet, heading: Option<(usize, &str)>, how: How, said: Said) -> String {
    let (detail, level) = match how.level {
        LevelArgs { all: false, verbose: false, .. } if said.asked => (Detail::Effects, Level::Short),
        LevelArgs { short: true, .. } => (Detail::Effects, Level::Short),
        LevelArgs { all: true, .. } => (Detail::All, Level::Full),
        LevelArgs { verbose: true, .. } => (Detail::Steps, Level::Full),
        _ => (Detail::Effects, Level::Normal),
    };
    let answer = answer::answer(how.world, packet.local, detail, &packet.outcomes);
    let mut scene = Scene::new(&loaded.model, &loaded.sources, how.paint).with_doubt(how.world.host);
    let title = heading.map(|(n, name)| {
        let gap = if n > 1 { "\n" } else { "" };
        format!("{gap}{}\n", how.paint.bold(&format!("Packet {n}: {name}")))
    });
    let drawn = text::render(&mut scene, &answer, level);
    let mut out = title.unwrap_or_default() + &drawn.way;
    if level == Level::Full || !said.reasons.is_some_and(|r| tells_off(r, &answer)) {
        out.push_str(&drawn.off);
    }
    if let Some(reasons) = said.reasons.filter(|_| !how.level.short) {
        if let Some((before, _)) = &reasons.before {
            let old = answer::answer(how.world, packet.local, detail, before);
            let was = text::render(&mut scene, &old, Level::Short).way;
            out.push_str(&format!("\n{}\n", how.paint.bold("What the edits change")));
            out.push_str(&format!("  before: {}", was.replace('\n', "\n          ").trim_end()));
            out.push('\n');
            out.push_str(&desk(loaded, how).difference(reasons));
        }
        out.push_str(&desk(loaded, how).render(reasons));
    }
    out + &drawn.assumed
}

/// Whether the rules that were meant for the packet tell already why the hooks are not on its way.
fn tells_off(reasons: &Reasons, answer: &Answer) -> bool {
    let told: Vec<Hook> = reasons.unasked.iter().flat_map(|u| u.why.reason.hooks_off()).copied().collect();
    answer.endings.first().is_some_and(|e| e.off.iter().flat_map(|o| &o.hooks).all(|h| told.contains(h)))
}

fn desk<'a>(loaded: &'a Loaded, how: How) -> Desk<'a> {
    let verbose = how.level.verbose || how.level.all;
    Desk { model: &loaded.model, sources: &loaded.sources, paint: how.paint, verbose }
}

/// What was read and what was not.
fn inputs(loaded: &Loaded, paint: Paint) -> String {
    let mut out = format!("\n{}\n", paint.bold("Inputs"));
    for input in &loaded.found.inputs {
        out.push_str(&format!("  {}  {}\n", output::safe(&input.name), paint.dim(input.kind.command())));
    }
    for (word, names) in [("replaced", &loaded.found.replaced), ("ignored", &loaded.found.ignored)] {
        for name in names {
            out.push_str(&paint.dim(&format!("  {}  {word}\n", output::safe(name))));
        }
    }
    out
}
