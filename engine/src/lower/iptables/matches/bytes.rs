//! Programs over the packet's bytes: `-m u32 --u32 "0>>22&0x3C@0=80"`, `-m bpf --bytecode "4,48 0 0 9,…"`, `-m string`.

use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt};
use crate::lower::iptables::values;
use crate::model::{BpfInsn, Program, U32Op, U32Term};

/// `-m u32`.
pub const U32: Extension = Extension::of_match("u32", &[opt("--u32").neg().must()], lower_u32)
    .note(Status::Assumed, "needs the packet's payload where it reads behind the headers");

/// `-m bpf`.
pub const BPF: Extension = Extension::of_match("bpf", &[opt("--bytecode"), opt("--object-pinned")], lower_bpf)
    .some()
    .note(Status::Assumed, "--object-pinned is opaque");

const STRING_OPTIONS: [Opt; 6] = [
    opt("--string").neg(),
    opt("--hex-string").neg(),
    opt("--algo").must(),
    opt("--from"),
    opt("--to"),
    flag("--icase"),
];

/// `-m string`.
pub const STRING: Extension =
    Extension::of_match("string", &STRING_OPTIONS, lower_string).note(Status::Assumed, "needs the packet's payload");

/// Longest pattern in bytes.
const LONGEST: usize = 128;

fn lower_string(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let (arg, pattern) = match (given.get("--string"), given.get("--hex-string")) {
        (Some(arg), None) => (arg, arg.text().as_bytes().to_vec()),
        (None, Some(arg)) => (arg, arg.value(hex)?),
        (Some(_), Some(arg)) => return Err(arg.bad("only one of `--string` and `--hex-string` is allowed")),
        (None, None) => return Err(given.bad("`--string` or `--hex-string` is missing")),
    };
    if pattern.is_empty() || pattern.len() > LONGEST {
        return Err(arg.bad(format!("a pattern has 1 to {LONGEST} bytes")));
    }
    given.read("--algo", |t| matches!(t, "bm" | "kmp").then_some(()))?;
    let from = given.read("--from", |t| values::number_to(t, 0xffff))?.unwrap_or(0) as u32;
    let to = given.read("--to", |t| values::number_to(t, 0xffff))?.unwrap_or(0xffff) as u32;
    if from > to {
        return Err(given.bad("`--from` is behind `--to`"));
    }
    let test = cx.model.program_test(Program::Str { pattern, from, to, icase: given.has("--icase") });
    cx.loose(arg.neg, test);
    Ok(())
}

/// `GET |20 2f|x`: between bars are bytes in hex.
fn hex(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (i, part) in text.split('|').enumerate() {
        if i % 2 == 0 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u32> =
            part.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        out.extend(digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8));
    }
    text.matches('|').count().is_multiple_of(2).then_some(out)
}

fn lower_bpf(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let Some(arg) = given.get("--bytecode") else {
        let path = given.get("--object-pinned").map_or("", |a| a.text());
        let test = cx.model.opaque_test(format!("-m bpf --object-pinned {path}"));
        cx.test(test);
        return Ok(());
    };
    let code = arg.value(bpf)?;
    let test = cx.model.program_test(Program::Bpf(code));
    cx.test(test);
    Ok(())
}

/// `N,code jt jf k,…`: the number of instructions, then they.
fn bpf(text: &str) -> Option<Vec<BpfInsn>> {
    let mut parts = text.trim().trim_end_matches(',').split(',');
    let count: usize = parts.next()?.trim().parse().ok()?;
    let code: Option<Vec<_>> = parts.map(insn).collect();
    code.filter(|c| c.len() == count && (1..=64).contains(&count))
}

fn insn(text: &str) -> Option<BpfInsn> {
    let mut n = text.split_whitespace().map(str::parse::<u32>);
    let insn = BpfInsn {
        code: u16::try_from(n.next()?.ok()?).ok()?,
        jt: u8::try_from(n.next()?.ok()?).ok()?,
        jf: u8::try_from(n.next()?.ok()?).ok()?,
        k: n.next()?.ok()?,
    };
    n.next().is_none().then_some(insn)
}

fn lower_u32(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let Some(arg) = given.get("--u32") else { return Ok(()) };
    let terms = u32_terms(arg)?;
    let test = cx.model.program_test(Program::U32(terms));
    cx.loose(arg.neg, test);
    Ok(())
}

/// `location=ranges && location=ranges`.
fn u32_terms(arg: &Arg<'_>) -> Result<Vec<U32Term>, Bad> {
    let terms: Option<Vec<_>> = arg.text().split("&&").map(u32_term).collect();
    terms.filter(|t| t.len() <= 11).ok_or_else(|| arg.bad_value(arg.text()))
}

fn u32_term(text: &str) -> Option<U32Term> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (location, ranges) = compact.split_once('=')?;
    let (start, mut rest) = u32_number(location)?;
    let mut ops = Vec::new();
    while !rest.is_empty() {
        let (op, after) = if let Some(after) = rest.strip_prefix("<<") {
            (U32Op::Shl, after)
        } else if let Some(after) = rest.strip_prefix(">>") {
            (U32Op::Shr, after)
        } else if let Some(after) = rest.strip_prefix('&') {
            (U32Op::And, after)
        } else {
            (U32Op::At, rest.strip_prefix('@')?)
        };
        let (n, after) = u32_number(after)?;
        ops.push((op, n));
        rest = after;
    }
    let max = u64::from(u32::MAX);
    let range = |t: &str| if t.is_empty() { None } else { values::range(t, max) };
    let ranges: Option<Vec<_>> = ranges.split(',').map(range).collect();
    let ranges = ranges?.into_iter().map(|(lo, hi)| (lo as u32, hi as u32)).collect();
    Some(U32Term { start, ops, ranges })
}

/// A number at the start, and what follows it.
fn u32_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(['&', '<', '>', '@', '=']).unwrap_or(text.len());
    let n = values::number_to(&text[..end], u32::MAX.into())?;
    Some((n as u32, &text[end..]))
}
