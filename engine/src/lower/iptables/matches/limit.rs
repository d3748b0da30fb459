//! `-m limit --limit 5/min --limit-burst 7`, `-m hashlimit …`: token buckets, full at the start.

use crate::field::Field;
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt};
use crate::lower::iptables::values;
use crate::model::{ExprId, Header, Rate, StatefulKind, ones};

const NOTE: &str = "buckets start full, and no time passes between packets unless said";

/// `-m limit`.
pub const LIMIT: Extension =
    Extension::of_match("limit", &[opt("--limit"), opt("--limit-burst")], lower_limit).note(Status::Assumed, NOTE);

const HASHLIMIT_OPTIONS: [Opt; 13] = [
    opt("--hashlimit-upto").alias("--hashlimit").neg(),
    opt("--hashlimit-above").neg(),
    opt("--hashlimit-burst"),
    opt("--hashlimit-mode"),
    opt("--hashlimit-name").must(),
    opt("--hashlimit-srcmask"),
    opt("--hashlimit-dstmask"),
    opt("--hashlimit-htable-size"),
    opt("--hashlimit-htable-max"),
    opt("--hashlimit-htable-expire"),
    opt("--hashlimit-htable-gcinterval"),
    flag("--hashlimit-rate-match"),
    opt("--hashlimit-rate-interval"),
];

/// `-m hashlimit`.
pub const HASHLIMIT: Extension =
    Extension::of_match("hashlimit", &HASHLIMIT_OPTIONS, lower_hashlimit).note(Status::Assumed, NOTE);

/// Units, with their milliseconds; any beginning of one will do.
const UNITS: &[(u128, &str)] = &[(1000, "second"), (60_000, "minute"), (3_600_000, "hour"), (86_400_000, "day")];

/// Packets in how many milliseconds: `5/min`, `3` (a second).
fn packets(text: &str) -> Option<(u64, u64)> {
    let (amount, unit) = text.split_once('/').unwrap_or((text, "second"));
    let unit = values::shortened(unit, UNITS)?;
    let amount = amount.parse().ok().filter(|n| *n > 0)?;
    Some((amount, unit as u64))
}

/// A number of bytes: `512kb`, `1mb`, `96b`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale: u64 = match text.get(digits.len()..)? {
        "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(scale)
}

/// A rate of hashlimit: `5/sec`, `512kb/s`.
fn rate(text: &str) -> Option<Rate> {
    if let Some(amount) =
        text.split_once('/').and_then(|(n, unit)| bytes(n).filter(|_| unit == "s" || unit == "second" || unit == "sec"))
    {
        return Some(Rate { amount, per_ms: 1000, burst: 0, bytes: true });
    }
    let (amount, per_ms) = packets(text)?;
    Some(Rate { amount, per_ms, burst: 5, bytes: false })
}

fn lower_limit(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let (amount, per_ms) = given.read("--limit", packets)?.unwrap_or((3, 3_600_000));
    let mut burst = given.read("--limit-burst", |t| values::number_to(t, 10_000))?.unwrap_or(5);
    if cx.legacy() {
        burst = LEGACY_LIMIT.held(amount, per_ms, burst);
    }
    cx.stateful(StatefulKind::Limit(Rate { amount, per_ms, burst, bytes: false }), false, None);
    Ok(())
}

/// The clock of xtables' buckets: they count credits, in so few bits that a burst of more than a day and a half overflows.
struct Credits {
    /// Units of time in a second.
    scale: u128,
    /// Credits for a second, at any usual HZ.
    second: u128,
    /// Bits of a time and of a number of credits.
    bits: u32,
}

/// `xt_limit.c`; nft's own limit, which iptables-nft makes of it, counts otherwise.
const LEGACY_LIMIT: Credits = Credits { scale: 10_000, second: 32_000, bits: 32 };
/// `xt_hashlimit.c`.
const IN_HASHLIMIT: Credits = Credits { scale: 1_000_000, second: 1000 << 37, bits: 64 };

impl Credits {
    fn of(&self, time: u128) -> u128 {
        let product = time * self.second;
        ones(self.bits) & if product >> self.bits == 0 { product / self.scale } else { time / self.scale * self.second }
    }

    /// How many packets a full bucket really holds.
    fn held(&self, amount: u64, per_ms: u64, burst: u64) -> u64 {
        let average = u128::from(per_ms) * self.scale / 1000 / u128::from(amount.max(1));
        let full = self.of((average * u128::from(burst)) & ones(self.bits));
        full.checked_div(self.of(average)).map_or(burst, |n| n as u64)
    }
}

fn the_rate<'p, 't>(given: &Given<'p, 't>) -> Result<(&'p Arg<'t>, bool), Bad> {
    match (given.get("--hashlimit-upto"), given.get("--hashlimit-above")) {
        (Some(arg), None) => Ok((arg, arg.neg)),
        (None, Some(arg)) => Ok((arg, !arg.neg)),
        (Some(_), Some(arg)) => Err(arg.bad("only one of `--hashlimit-upto` and `--hashlimit-above` is allowed")),
        (None, None) => Err(given.bad("`--hashlimit-upto` or `--hashlimit-above` is missing")),
    }
}

fn lower_hashlimit(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let (arg, invert) = the_rate(given)?;
    let mut rate = arg.value(rate)?;
    let bytes_burst = rate.bytes;
    let burst = |t| if bytes_burst { bytes(t).or_else(|| values::number(t)) } else { values::number_to(t, 1_000_000) };
    if let Some(burst) = given.read("--hashlimit-burst", burst)? {
        rate.burst = burst;
    } else if rate.bytes {
        rate.burst = rate.amount;
    }
    if !rate.bytes {
        rate.burst = IN_HASHLIMIT.held(rate.amount, rate.per_ms, rate.burst);
    }
    let name = given.get("--hashlimit-name").map_or("", |a| a.text());
    let shared = Some(cx.name(name));
    let key = key(cx, given)?;
    cx.stateful(StatefulKind::HashLimit { rate, key }, invert, shared);
    Ok(())
}

/// The key: `--hashlimit-mode srcip,dstport` with the masks.
fn key(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Result<Vec<ExprId>, Bad> {
    let width = values::addr_bits(cx.family);
    let mask = |name: &str| -> Result<u128, Bad> {
        let bits = given.read(name, |t| values::number_to(t, width.into()))?.unwrap_or(width.into()) as u32;
        Ok(ones(width) & !ones(width - bits))
    };
    let (src, dst) = (mask("--hashlimit-srcmask")?, mask("--hashlimit-dstmask")?);
    let Some(arg) = given.get("--hashlimit-mode") else { return Ok(Vec::new()) };
    let mut key = Vec::new();
    let mut ports = false;
    for part in arg.text().split(',').filter(|p| !p.is_empty()) {
        let (field, mask) = match part {
            "srcip" => (Field::Saddr, src),
            "dstip" => (Field::Daddr, dst),
            "srcport" => (Field::Sport, 0xffff),
            "dstport" => (Field::Dport, 0xffff),
            other => return Err(arg.bad_value(other)),
        };
        ports |= mask == 0xffff;
        key.push(cx.masked_expr(field, mask));
    }
    if ports {
        cx.need(Header::KeyPorts);
    }
    Ok(key)
}
