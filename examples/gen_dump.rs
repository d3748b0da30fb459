//! Writes a large dump to standard output: `cargo run --example gen_dump -- kube 100000 > kube100k`.
//!
//! Kinds: `kube RULES`, `kube-services SERVICES`, `kube-nft SERVICES`, `flat RULES`, `flat-nft RULES`, `sets-nft ENTRIES`,
//! `policies ENTRIES` (the rules), `policies-ipset ENTRIES` (their sets).

#[allow(dead_code)]
#[path = "../benches/dumps/mod.rs"]
mod dumps;

use std::io::Write;
use std::process::ExitCode;

use dumps::Size;

fn dump(kind: &str, n: usize) -> Option<String> {
    Some(match kind {
        "kube" => dumps::kube(Size::Rules(n)),
        "kube-services" => dumps::kube(Size::Services(n)),
        "kube-nft" => dumps::kube_nft(Size::Services(n)),
        "flat" => dumps::flat(n),
        "flat-nft" => dumps::flat_nft(n),
        "sets-nft" => dumps::sets_nft(n),
        "policies" => dumps::policies(n).0,
        "policies-ipset" => dumps::policies(n).1,
        _ => return None,
    })
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let n = args.get(1).and_then(|n| n.parse().ok());
    let text = args.first().zip(n).and_then(|(kind, n)| dump(kind, n));
    let written = text.map(|t| std::io::stdout().write_all(t.as_bytes()));
    if let Some(Ok(())) = written {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "usage: gen_dump KIND N (kinds: see the head of examples/gen_dump.rs)");
    ExitCode::from(2)
}
