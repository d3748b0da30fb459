//! How long each stage takes, next to a memchr scan of the same bytes: scan, lex and parse, run interleaved.
//!
//!     cargo bench --bench stages              100,000 rules
//!     cargo bench --bench stages -- 1000000   and the growth from a tenth of that
//!
//! Prints medians and ratios: machines differ, and a shared one drifts; the ratios stay. docs/performance.md has figures.

// A benchmark prints its figures.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

#[allow(dead_code)]
#[path = "dumps/mod.rs"]
mod dumps;

use std::time::{Duration, Instant};

use dumps::Size;
use nettrace_grammar::{Source, Sources, ipset, iptables, nft};

const ROUNDS: usize = 9;

/// One stage: its name, and what it does with the text.
type Stage<'a> = (&'static str, Box<dyn Fn() -> usize + 'a>);

struct Row {
    name: &'static str,
    time: Duration,
}

/// Runs all stages once a round, so that a slow moment hits all of them; the median of each.
fn interleaved(stages: &[Stage]) -> Vec<Row> {
    let mut times = vec![Vec::with_capacity(ROUNDS); stages.len()];
    for _ in 0..ROUNDS {
        for (stage, times) in stages.iter().zip(&mut times) {
            let start = Instant::now();
            std::hint::black_box((stage.1)());
            times.push(start.elapsed());
        }
    }
    let median = |mut t: Vec<Duration>| {
        t.sort_unstable();
        t[t.len() / 2]
    };
    stages.iter().zip(times).map(|(stage, t)| Row { name: stage.0, time: median(t) }).collect()
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64().max(1e-9)
}

fn report(title: &str, bytes: usize, units: usize, rows: &[Row]) {
    println!("\n{title}: {:.1} MB, {units} rules or elements", bytes as f64 / 1e6);
    println!("{:>12} {:>10} {:>8} {:>10} {:>9} {:>7}", "", "ms", "MB/s", "M/s", "x memchr", "x lex");
    let find = |name| rows.iter().find(|r| r.name == name).map_or(Duration::ZERO, |r| r.time);
    for row in rows {
        let seconds = row.time.as_secs_f64();
        println!(
            "{:>12} {:>10.2} {:>8.0} {:>10.2} {:>9.1} {:>7.2}",
            row.name,
            seconds * 1e3,
            bytes as f64 / 1e6 / seconds,
            units as f64 / 1e6 / seconds,
            ratio(row.time, find("memchr")),
            ratio(row.time, find("lex"))
        );
    }
}

fn source(sources: &mut Sources, text: String) -> Source {
    sources.add("bench", text).expect("a benchmark's input fits the position space").clone()
}

fn lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

fn measure_iptables(title: &str, text: String) -> Duration {
    let source = source(&mut Sources::default(), text);
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| iptables::count_tokens(&source))),
        ("parse", Box::new(|| iptables::parse(&source).1.len())),
    ]);
    report(title, source.text.len(), source.text.matches("\n-A ").count(), &rows);
    rows[2].time
}

fn measure_nft(title: &str, text: String, units: usize) {
    let source = source(&mut Sources::default(), text);
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| nft::count_tokens(&source))),
        ("parse", Box::new(|| nft::parse(&source).diagnostics.len())),
    ]);
    report(title, source.text.len(), units, &rows);
}

fn measure_ipset(title: &str, text: String) {
    let source = source(&mut Sources::default(), text);
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| ipset::count_tokens(&source))),
        ("parse", Box::new(|| ipset::parse(&source).1.len())),
    ]);
    report(title, source.text.len(), lines(&source.text), &rows);
}

fn main() {
    let n = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(100_000);
    let small = measure_iptables("kube-proxy, a tenth", dumps::kube(Size::Rules(n / 10)));
    let large = measure_iptables("kube-proxy", dumps::kube(Size::Rules(n)));
    println!("growth: {:.1} times the time for 10 times the rules", ratio(large, small));
    measure_iptables("one flat chain", dumps::flat(n));
    measure_nft("one flat nft chain", dumps::flat_nft(n), n);
    measure_nft("kube-proxy in nftables mode", dumps::kube_nft(Size::Services(n / 10)), n);
    measure_nft("large nft sets", dumps::sets_nft(n), n);
    measure_ipset("ipset save", dumps::policies(n).1);
}
