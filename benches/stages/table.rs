//! Measuring and printing: stages run in turns, medians, ratios, memory, and what each figure should be.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;

/// One stage: its name, and what it does.
pub type Stage<'a> = (&'static str, Box<dyn Fn() -> usize + 'a>);

/// A stage's median.
pub struct Row {
    /// The stage.
    pub name: &'static str,
    /// Its median time.
    pub time: Duration,
}

/// The time that this thread has had a CPU: other work on the machine does not lengthen it. Wall time where the kernel
/// does not tell.
fn clock() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    // Giving way brings the kernel's account up to date.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|s| s.split(' ').next()?.parse().ok());
    told.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// Runs all stages once a round, so that a slow moment hits all of them; the median of each.
pub fn interleaved(stages: &[Stage]) -> Vec<Row> {
    let mut times = vec![Vec::with_capacity(ROUNDS); stages.len()];
    for _ in 0..ROUNDS {
        for (stage, times) in stages.iter().zip(&mut times) {
            let start = clock();
            std::hint::black_box((stage.1)());
            times.push(clock().saturating_sub(start));
        }
    }
    let median = |mut t: Vec<Duration>| {
        t.sort_unstable();
        t[t.len() / 2]
    };
    stages.iter().zip(times).map(|(stage, t)| Row { name: stage.0, time: median(t) }).collect()
}

/// A stage's time.
pub fn time(rows: &[Row], name: &str) -> Duration {
    rows.iter().find(|r| r.name == name).map_or(Duration::ZERO, |r| r.time)
}

/// How many times as long the one takes as the other.
pub fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64().max(1e-9)
}

/// Prints the stages of one input of this many rules or elements.
pub fn report(title: &str, bytes: usize, units: usize, rows: &[Row]) {
    println!("\n{title}: {:.1} MB, {units} rules or elements", bytes as f64 / 1e6);
    println!("{:>12} {:>10} {:>8} {:>10} {:>9} {:>7}", "", "ms", "MB/s", "M/s", "x memchr", "x lex");
    for row in rows {
        let seconds = row.time.as_secs_f64();
        println!(
            "{:>12} {:>10.2} {:>8.0} {:>10.2} {:>9.1} {:>7.2}",
            row.name,
            seconds * 1e3,
            bytes as f64 / 1e6 / seconds,
            units as f64 / 1e6 / seconds,
            ratio(row.time, time(rows, "memchr")),
            ratio(row.time, time(rows, "lex"))
        );
    }
}

/// The figures that should hold, and whether they do.
#[derive(Default)]
pub struct Figures {
    missed: usize,
}

impl Figures {
    /// A figure that should be at most `floor`, better `goal`.
    pub fn at_most(&mut self, name: &str, is: f64, floor: f64, goal: f64) {
        self.line(name, is, floor, goal, is <= floor, is <= goal);
    }

    /// A figure that should be at least `floor`, better `goal`.
    pub fn at_least(&mut self, name: &str, is: f64, floor: f64, goal: f64) {
        self.line(name, is, floor, goal, is >= floor, is >= goal);
    }

    fn line(&mut self, name: &str, is: f64, floor: f64, goal: f64, holds: bool, reached: bool) {
        let verdict = match (holds, reached) {
            (false, _) => "MISSED",
            (true, false) => "ok",
            (true, true) => "goal",
        };
        self.missed += usize::from(!holds);
        println!("{name:<52} {is:>12.2}   floor {floor:>9.1}   goal {goal:>9.1}   {verdict}");
    }

    /// How many floors were missed.
    pub fn missed(&self) -> usize {
        self.missed
    }
}

/// Bytes that are resident, as the kernel counts them; 0 where it does not tell.
pub fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|s| s.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// What `make` gives, and by how much it made this process grow.
pub fn growth<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = resident();
    let made = make();
    (made, resident().saturating_sub(before))
}
