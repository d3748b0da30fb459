//! Rule state: `limit rate 5/second burst 10 packets`, `quota over 10 mbytes`, `ct count over 20`, `counter`, and objects by name.

use nettrace_grammar::nft::print::expr_text;
use nettrace_grammar::nft::tree::{Expr as Written, ExprId};

use super::super::cx::{Cx, DataKind};
use crate::model::*;

/// nft's burst where none is given.
const DEFAULT_BURST: u64 = 5;

pub(super) fn counter(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    if cx.target_of(args).is_some() {
        return cx.object(args, "counter");
    }
    // What it has counted so far decides nothing.
    Some(())
}

pub(super) fn limit(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    state(cx, "limit", args)
}

pub(super) fn quota(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    state(cx, "quota", args)
}

pub(super) fn ct_count(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    cx.need_conntrack();
    cx.op(Op::Need(Header::Tuple));
    state(cx, "ct count", args)
}

fn state(cx: &mut Cx, keyword: &str, args: &[ExprId]) -> Option<()> {
    if cx.target_of(args).is_some() {
        return cx.object(args, keyword);
    }
    let stateful = cx.stateful(keyword, args)?;
    let op = cx.model.effect_op(Effect::Stateful(Box::new(stateful)));
    cx.op(op);
    Some(())
}

impl Cx<'_> {
    /// A statement that keeps state, in a rule, an element or an object's block.
    pub(in super::super) fn stateful(&mut self, keyword: &str, args: &[ExprId]) -> Option<Stateful> {
        let words: Vec<String> = args.iter().map(|a| expr_text(self.tree, *a)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (kind, invert) = match keyword {
            "limit" => limit_kind(&words)?,
            "quota" => quota_kind(&words)?,
            "ct count" => {
                let over = words.first() == Some(&"over");
                let count = words.last()?.parse().ok()?;
                (StatefulKind::Connlimit { count, key: Vec::new() }, over)
            }
            "counter" => (StatefulKind::Count, false),
            _ => return None,
        };
        Some(Stateful { kind, invert, shared: None })
    }

    /// The object that a map names for a key; the rule misses without one.
    pub(super) fn object_of(&mut self, kind: ObjectKind, key: ExprId, map: ExprId) -> Option<()> {
        let lookup = self.lookup(key, map, &DataKind::Object)?;
        let op = self.model.effect_op(Effect::ObjectMap(kind, lookup));
        self.op(op);
        Some(())
    }

    /// `counter name "c"`, `limit name tcp dport map @m`.
    fn object(&mut self, args: &[ExprId], keyword: &str) -> Option<()> {
        let target = self.target_of(args)?;
        let kind = ObjectKind::from_name(keyword);
        if let Written::Map(key, map) = self.tree.expr(target) {
            return self.object_of(kind, key, map);
        }
        let name = self.tree.word(self.resolve(target))?.to_owned();
        if kind == ObjectKind::Counter {
            return Some(());
        }
        let name = self.model.names.intern(&name);
        let object = self.model.objects.get(&(self.table, kind, name))?.clone();
        let op = self.model.effect_op(Effect::Stateful(Box::new(object)));
        self.op(op);
        Some(())
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// `rate [over] 5/second [burst 10 packets]`, `rate 10 mbytes/second burst 5 kbytes`.
fn limit_kind(words: &[&str]) -> Option<(StatefulKind, bool)> {
    let mut rest = words.iter().copied().peekable();
    (rest.next()? == "rate").then_some(())?;
    let over = rest.next_if_eq(&"over").is_some();
    rest.next_if_eq(&"until");
    let first = rest.next()?;
    let (amount, unit, bytes) = if let Some((n, unit)) = first.split_once('/') {
        (number(n)?, unit, false)
    } else {
        let (size, unit) = rest.next()?.split_once('/')?;
        (number(first)?.checked_mul(scale(size)?)?, unit, true)
    };
    let mut burst = if bytes { 0 } else { DEFAULT_BURST };
    if rest.next_if_eq(&"burst").is_some() {
        let n = number(rest.next()?)?;
        burst = n.checked_mul(rest.next().map_or(Some(1), scale)?)?;
    }
    // A bucket of bytes holds a second's worth more than its burst (`net/netfilter/nft_limit.c`).
    let burst = if bytes { burst.saturating_add(amount) } else { burst };
    Some((StatefulKind::Limit(Rate { amount, per_ms: per_ms(unit)?, burst, bytes }), over))
}

/// `[over|until] 10 mbytes [used 5 bytes]`.
fn quota_kind(words: &[&str]) -> Option<(StatefulKind, bool)> {
    let over = words.first() == Some(&"over");
    let words = if over || words.first() == Some(&"until") { &words[1..] } else { words };
    let [n, unit, rest @ ..] = words else { return None };
    let bytes = number(n)?.checked_mul(scale(unit)?)?;
    let used = match rest {
        ["used", n, unit] => number(n)?.checked_mul(scale(unit)?)?,
        _ => 0,
    };
    Some((StatefulKind::Quota { bytes, used }, over))
}

fn scale(unit: &str) -> Option<u64> {
    Some(match unit {
        "packets" | "bytes" | "packet" | "byte" => 1,
        "kbytes" => 1 << 10,
        "mbytes" => 1 << 20,
        "gbytes" => 1 << 30,
        _ => return None,
    })
}

fn per_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "second" => 1000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        "week" => 604_800_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_quotas() {
        let words = |t: &'static str| t.split(' ').collect::<Vec<_>>();
        let rate = |amount, per_ms, burst, bytes| StatefulKind::Limit(Rate { amount, per_ms, burst, bytes });
        let check = |text, expect| assert_eq!(limit_kind(&words(text)), expect, "{text}");
        check("rate 5/second", Some((rate(5, 1000, 5, false), false)));
        check("rate over 10/minute burst 3 packets", Some((rate(10, 60_000, 3, false), true)));
        check("rate 1 kbytes/second burst 2 kbytes", Some((rate(1024, 1000, 3072, true), false)));
        check("rate 1/fortnight", None);
        let quota = quota_kind(&words("over 1 mbytes used 5 bytes"));
        assert_eq!(quota, Some((StatefulKind::Quota { bytes: 1 << 20, used: 5 }, true)));
    }
}
