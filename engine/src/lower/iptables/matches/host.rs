//! Matches on what is not in the packet: `cgroup`, `socket`, `policy`, `rpfilter`, `time`, `quota`, `recent`, `nfacct`,
//! and those that are only understood as text: `ipvs`, `osf`, `rateest`.

use crate::field::{Field, Value};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt};
use crate::lower::iptables::rule::spelled;
use crate::lower::iptables::values;
use crate::model::{Expr, Hook, RecentOp, RpFilter, StatefulKind, Test, Values, ones};

const LONG: u64 = 0xffff_ffff;

/// Adds a condition that only somebody who knows the host can answer, with `!` as its negation.
fn fact(cx: &mut Cx<'_>, arg: &Arg<'_>, text: String) {
    let test = cx.model.opaque_test(text);
    cx.loose(arg.neg, test);
}

/// Keeps the whole match as text.
fn text_only(cx: &mut Cx<'_>, given: &Given<'_, '_>) {
    let test = cx.model.opaque_test(spelled(&given.load, given));
    cx.test(test);
}

/// `-m cgroup`: no socket fails it both ways.
pub const CGROUP: Extension =
    Extension::of_match("cgroup", &[opt("--cgroup").neg(), opt("--path").neg()], |cx, given| {
        if let Some(arg) = given.get("--cgroup") {
            let id = arg.value(|t| values::number_to(t, LONG))?;
            cx.range(Field::Cgroup, arg.neg, (id, id));
        } else if let Some(arg) = given.get("--path") {
            let socket = cx.model.field_expr(Field::SkExists);
            cx.test(Test::Exists(socket));
            fact(cx, arg, format!("-m cgroup --path {}", arg.text()));
        }
        Ok(())
    })
    .some()
    .note(Status::Assumed, "whether the socket's group lies below --path is a fact")
    .hooks(&[Hook::Input, Hook::Output, Hook::Postrouting]);

/// `-m socket`.
pub const SOCKET: Extension = Extension::of_match(
    "socket",
    &[flag("--transparent"), flag("--nowildcard"), flag("--restore-skmark")],
    |cx, given| {
        cx.need_defrag();
        let found = cx.model.field_expr(Field::SockTransparent);
        cx.test(Test::Exists(found));
        if given.has("--transparent") {
            cx.range(Field::SockTransparent, false, (1, 1));
        }
        if !given.has("--nowildcard") {
            cx.range(Field::SockWildcard, false, (0, 0));
        }
        if given.has("--restore-skmark") {
            let mark = cx.model.field_expr(Field::SockMark);
            cx.set(Field::Mark, mark);
        }
        Ok(())
    },
)
.note(Status::Assumed, "whether a socket is there is a fact")
.hooks(&[Hook::Prerouting, Hook::Input]);

/// `-m rpfilter`.
pub const RPFILTER: Extension = Extension::of_match(
    "rpfilter",
    &[flag("--loose"), flag("--validmark"), flag("--accept-local"), flag("--invert")],
    |cx, given| {
        let check = RpFilter {
            loose: given.has("--loose"),
            validmark: given.has("--validmark"),
            accept_local: given.has("--accept-local"),
        };
        let expr = cx.model.push_expr(Expr::RpFilter(check));
        let right = cx.model.expr_test(expr, false, Values::one(1));
        let loopback = cx.model.field_test(Field::Iif, false, Values::one(crate::field::device("lo")));
        let test = cx.model.any_of(&[loopback, right]);
        cx.loose(given.has("--invert"), test);
        Ok(())
    },
)
.hooks(&[Hook::Prerouting]);

const POLICY_OPTIONS: [Opt; 10] = [
    opt("--dir").must(),
    opt("--pol").must(),
    flag("--strict"),
    opt("--reqid").neg().many(),
    opt("--spi").neg().many(),
    opt("--proto").neg().many(),
    opt("--mode").neg().many(),
    opt("--tunnel-src").neg().many(),
    opt("--tunnel-dst").neg().many(),
    flag("--next").many(),
];

/// `-m policy`.
pub const POLICY: Extension = Extension::of_match("policy", &POLICY_OPTIONS, |cx, given| {
    given.read("--dir", |t| matches!(t, "in" | "out").then_some(()))?;
    let ipsec = given.read("--pol", |t| ["none", "ipsec"].iter().position(|p| *p == t))?.unwrap_or(0) as u64;
    cx.range(Field::Ipsec, false, (ipsec, ipsec));
    let more = given.args().any(|a| !matches!(a.opt.name, "--dir" | "--pol" | "--strict"));
    if ipsec == 1 && more {
        text_only(cx, given);
    }
    Ok(())
})
.note(Status::Assumed, "no IPsec is assumed; an IPsec policy's own values are opaque");

/// `-m quota`.
pub const QUOTA: Extension = Extension::of_match("quota", &[opt("--quota").neg().must()], |cx, given| {
    for arg in given.args() {
        let bytes = arg.value(values::number)?;
        cx.stateful(StatefulKind::Quota { bytes, used: 0 }, arg.neg, None);
    }
    Ok(())
})
.note(Status::Assumed, "a fresh quota is assumed");

/// `-m nfacct`: without a quota it always holds.
pub const NFACCT: Extension = Extension::of_match("nfacct", &[opt("--nfacct-name").must()], |cx, given| {
    let shared = given.get("--nfacct-name").map(|a| cx.name(a.text()));
    cx.stateful(StatefulKind::Count, false, shared);
    Ok(())
})
.note(Status::Assumed, "objects without a quota are assumed");

const RECENT_OPTIONS: [Opt; 12] = [
    flag("--set").neg(),
    flag("--rcheck").neg(),
    flag("--update").neg(),
    flag("--remove").neg(),
    opt("--seconds"),
    flag("--reap"),
    opt("--hitcount"),
    flag("--rttl"),
    opt("--name"),
    opt("--mask"),
    flag("--rsource"),
    flag("--rdest"),
];

/// `-m recent`.
pub const RECENT: Extension =
    Extension::of_match("recent", &RECENT_OPTIONS, lower_recent).note(Status::Assumed, "lists are empty at the start");

fn lower_recent(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let op_of = |a: &&Arg<'_>| match a.opt.name {
        "--set" => Some(RecentOp::Set),
        "--rcheck" => Some(RecentOp::Check),
        "--update" => Some(RecentOp::Update),
        "--remove" => Some(RecentOp::Remove),
        _ => None,
    };
    let mut ops = given.args().filter_map(|a| op_of(&a).map(|op| (a, op)));
    let Some((arg, op)) = ops.next() else {
        return Err(given.bad("one of `--set`, `--rcheck`, `--update` and `--remove` is needed"));
    };
    if let Some((arg, _)) = ops.next() {
        return Err(arg.bad("only one of `--set`, `--rcheck`, `--update` and `--remove` is allowed"));
    }
    let width = values::addr_bits(cx.family);
    let family = cx.family;
    let mask = given
        .read("--mask", |t| values::number_to(t, LONG).map(Value::from).or_else(|| values::addr(t, family)))?
        .unwrap_or(ones(width));
    let field = if given.has("--rdest") { Field::Daddr } else { Field::Saddr };
    let key = cx.masked_expr(field, mask);
    let seconds = given.read("--seconds", |t| values::number_to(t, LONG))?.map(|s| s as u32);
    let hitcount = given.read("--hitcount", |t| values::number_to(t, 0xffff))?.map(|s| s as u32);
    if given.has("--reap") && seconds.is_none() {
        return Err(given.bad("`--reap` needs `--seconds`"));
    }
    let name = given.get("--name").map_or("DEFAULT", Arg::text);
    let shared = Some(cx.name(name));
    let kind = StatefulKind::Recent { op, key, seconds, hitcount, rttl: given.has("--rttl") };
    cx.stateful(kind, arg.neg, shared);
    Ok(())
}

const TIME_OPTIONS: [Opt; 10] = [
    opt("--timestart"),
    opt("--timestop"),
    opt("--datestart"),
    opt("--datestop"),
    opt("--monthdays").neg(),
    opt("--weekdays").neg(),
    flag("--contiguous"),
    flag("--utc"),
    flag("--localtz"),
    flag("--kerneltz"),
];

/// `-m time`.
pub const TIME: Extension =
    Extension::of_match("time", &TIME_OPTIONS, lower_time).note(Status::Assumed, "needs the clock; UTC");

const WEEKDAYS: &[(Value, &str)] =
    &[(0, "Sun"), (1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (0, "7")];

/// A day of the week, 0 Sunday: `Mon`, `mo`, `1`.
fn weekday(text: &str) -> Option<Value> {
    if text.len() == 1 {
        return values::number_to(text, 7).filter(|n| *n > 0).map(|n| Value::from(n % 7));
    }
    let short = text.get(..text.len().min(3))?;
    (text.len() >= 2).then(|| values::shortened(short, WEEKDAYS)).flatten()
}

/// Seconds of the day of `HH:MM[:SS]`.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(|p| p.parse::<u64>().ok());
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    (h < 24 && m < 60 && s < 60 && parts.next().is_none()).then_some(h * 3600 + m * 60 + s)
}

/// Seconds since 1970 of `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`.
fn date(text: &str) -> Option<i64> {
    let (day, time) = text.split_once('T').map_or((text, None), |(d, t)| (d, Some(t)));
    let mut parts = day.split('-').map(|p| p.parse::<i64>().ok());
    let (y, m, d) = (parts.next()??, parts.next().unwrap_or(Some(1))?, parts.next().unwrap_or(Some(1))?);
    let valid = (1970..=2038).contains(&y) && (1..=12).contains(&m) && (1..=31).contains(&d) && parts.next().is_none();
    let seconds = match time {
        None => 0,
        Some(t) => match t.split(':').count() {
            1 => t.parse::<i64>().ok().filter(|h| (0..24).contains(h))? * 3600,
            _ => i64::try_from(clock(t)?).ok()?,
        },
    };
    valid.then(|| days(y, m, d) * 86_400 + seconds)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
fn days(y: i64, m: i64, d: i64) -> i64 {
    // Years are counted from March, so that a leap day is a year's last.
    let (y, m) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + d - 1 - 719_468
}

fn lower_time(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let start = given.read("--timestart", clock)?.unwrap_or(0);
    let stop = given.read("--timestop", clock)?.unwrap_or(86_399);
    let from = given.read("--datestart", date)?.unwrap_or(0);
    let to = given.read("--datestop", date)?.unwrap_or(i64::from(i32::MAX));
    let days = given.get("--weekdays").map(|a| weekdays(a).map(|d| (d, a.neg))).transpose()?;
    let dates = given.get("--monthdays").map(|a| monthdays(a).map(|d| (d, a.neg))).transpose()?;
    // Over midnight, `--contiguous` counts the hours behind it to the day before.
    let night = (given.has("--contiguous") && start > stop).then_some(stop);
    let ends = dates.iter().map(|(d, _)| (28..=31).filter(|n| d.contains(*n)).count());
    if night.is_some() && ends.clone().any(|n| (1..4).contains(&n)) {
        // Whether the first of a month follows one of these days depends on the month.
        text_only(cx, given);
        return Ok(());
    }
    if (from, to) != (0, i64::from(i32::MAX)) {
        let nano = |s: i64| s.max(0).unsigned_abs().saturating_mul(1_000_000_000);
        cx.range(Field::Time, false, (nano(from), nano(to).saturating_add(999_999_999)));
    }
    if (start, stop) != (0, 86_399) {
        let ranges = if start < stop { vec![(start, stop)] } else { vec![(0, stop), (start, 86_399)] };
        cx.within(Field::Hour, false, Values::new(ranges.iter().map(|(a, b)| (Value::from(*a), Value::from(*b)))));
    }
    if let Some((days, neg)) = days {
        on_days(cx, night, (Field::Day, neg), days, |d| (d + 1) % 7);
    }
    if let Some((dates, neg)) = dates {
        on_days(cx, night, (Field::MonthDay, neg), dates, |d| if d >= 31 { 1 } else { d + 1 });
    }
    Ok(())
}

/// Adds `field in days`; up to second `night` of a day the day before counts.
fn on_days(
    cx: &mut Cx<'_>,
    night: Option<u64>,
    (field, neg): (Field, bool),
    days: Values,
    next: impl Fn(Value) -> Value,
) {
    let Some(stop) = night else { return cx.within(field, neg, days) };
    let single = days.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
    let shifted = Values::new(single.map(next).map(|d| (d, d)));
    let early = cx.model.field_test(Field::Hour, false, Values::new([(0, stop.into())]));
    let late = cx.model.field_test(Field::Hour, true, Values::new([(0, stop.into())]));
    let (today, after) = (cx.model.field_test(field, neg, days), cx.model.field_test(field, neg, shifted));
    let (one, other) = (cx.model.all_of(&[late, today]), cx.model.all_of(&[early, after]));
    let test = cx.model.any_of(&[one, other]);
    cx.test(test);
}

fn monthdays(arg: &Arg<'_>) -> Result<Values, Bad> {
    let day = |t: &str| values::number_to(t, 31).filter(|n| *n > 0).map(Value::from);
    let days = arg.value(|t| t.split(',').map(day).collect::<Option<Vec<_>>>())?;
    Ok(Values::new(days.into_iter().map(|d| (d, d))))
}

fn weekdays(arg: &Arg<'_>) -> Result<Values, Bad> {
    let days = arg.value(|t| t.split(',').map(weekday).collect::<Option<Vec<_>>>())?;
    Ok(Values::new(days.into_iter().map(|d| (d, d))))
}

const IPVS_OPTIONS: [Opt; 7] = [
    flag("--ipvs").neg(),
    opt("--vproto").neg(),
    opt("--vaddr").neg(),
    opt("--vport").neg(),
    opt("--vdir"),
    opt("--vmethod").neg(),
    opt("--vportctl").neg(),
];

/// `-m ipvs`: what passed through IPVS is marked so; each of the other options needs that mark.
pub const IPVS: Extension = Extension::of_match("ipvs", &IPVS_OPTIONS, |cx, given| {
    let property = given.get("--ipvs");
    let others = given.args().filter(|a| a.opt.name != "--ipvs").count();
    cx.range(Field::Ipvs, property.is_some_and(|a| a.neg) && others == 0, (1, 1));
    for arg in given.args() {
        match arg.opt.name {
            "--ipvs" => {}
            "--vproto" => {
                let proto = arg.value(|t| values::protocol(t).map(u64::from))?;
                cx.range(Field::Proto, arg.neg, (proto, proto));
            }
            "--vdir" => {
                let reply = arg.value(|t| ["ORIGINAL", "REPLY"].iter().position(|d| d.eq_ignore_ascii_case(t)))? as u64;
                cx.range(Field::CtDir, false, (reply, reply));
            }
            name => fact(cx, arg, format!("-m ipvs {name} {}", arg.text())),
        }
    }
    Ok(())
})
.some()
.note(Status::Assumed, "no IPVS is assumed; the virtual service is a fact");

/// `-m osf`: the sender's system by its SYN.
pub const OSF: Extension =
    Extension::of_match("osf", &[opt("--genre").neg().must(), opt("--ttl"), opt("--log")], |cx, given| {
        given.read("--ttl", |t| values::number_to(t, 2))?;
        given.read("--log", |t| values::number_to(t, 2))?;
        cx.test(Test::Masked { field: Field::TcpFlags, neg: false, mask: 2, value: 2 });
        if let Some(arg) = given.get("--genre") {
            fact(cx, arg, format!("-m osf --genre {}", arg.text()));
        }
        Ok(())
    })
    .protos(&[6])
    .note(Status::Assumed, "the sender's system is a fact");

const RATEEST_OPTIONS: [Opt; 13] = [
    opt("--rateest"),
    opt("--rateest1"),
    opt("--rateest2"),
    flag("--rateest-delta"),
    opt("--rateest-bps"),
    opt("--rateest-pps"),
    opt("--rateest-bps1"),
    opt("--rateest-bps2"),
    opt("--rateest-pps1"),
    opt("--rateest-pps2"),
    flag("--rateest-lt").neg(),
    flag("--rateest-gt").neg(),
    flag("--rateest-eq").neg(),
];

/// `-m rateest`.
pub const RATEEST: Extension = Extension::of_match("rateest", &RATEEST_OPTIONS, |cx, given| {
    text_only(cx, given);
    Ok(())
})
.some()
.note(Status::Opaque, "needs the rate estimator");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_clocks() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2038-01-19T03:14:07"), Some(i64::from(i32::MAX)));
        assert_eq!(date("2000-03-01"), Some(951_868_800));
        assert_eq!(date("2000-13-01"), None);
        assert_eq!(clock("23:59:59"), Some(86_399));
        assert_eq!(clock("24:00"), None);
        assert_eq!((weekday("Sun"), weekday("7"), weekday("Mo"), weekday("x")), (Some(0), Some(0), Some(1), None));
    }
}
