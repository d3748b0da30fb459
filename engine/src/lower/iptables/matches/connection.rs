//! Matches on the connection beside its state: `connbytes`, `connlabel`, `connlimit`, `cluster`, `helper`.

use crate::field::{Field, Value, device};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt};
use crate::lower::iptables::values;
use crate::model::{BinOp, Expr, HashKind, Header, StatefulKind, Test, Values, ones};

const LONG: u64 = 0xffff_ffff;

/// `-m connbytes`.
pub const CONNBYTES: Extension = Extension::of_match(
    "connbytes",
    &[opt("--connbytes").neg().must(), opt("--connbytes-dir").must(), opt("--connbytes-mode").must()],
    lower_connbytes,
)
.note(Status::Assumed, "needs the connection's counters");

fn lower_connbytes(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need_conntrack();
    let Some(arg) = given.get("--connbytes") else { return Ok(()) };
    // `iptables-save` prints `10:` as `10`, and that is how `10` is read.
    let from = |t| values::number(t).map(|n| (n, u64::MAX));
    let (lo, hi) = arg.value(|t| from(t).or_else(|| values::range(t, u64::MAX)))?;
    let direction = given.get("--connbytes-dir").map_or("", Arg::text);
    let mode = given.get("--connbytes-mode").map_or("", Arg::text);
    let mut count = |original, reply| match direction {
        "original" => Ok(cx.model.field_expr(original)),
        "reply" => Ok(cx.model.field_expr(reply)),
        "both" => {
            let (a, b) = (cx.model.field_expr(original), cx.model.field_expr(reply));
            Ok(cx.model.bin_expr(BinOp::Add, a, b))
        }
        other => Err(arg.bad_value(other)),
    };
    let mut packets = || count(Field::CtOrigPackets, Field::CtReplPackets);
    let counted = match mode {
        "packets" => packets()?,
        "bytes" => count(Field::CtOrigBytes, Field::CtReplBytes)?,
        "avgpkt" => {
            let packets = packets()?;
            let bytes = count(Field::CtOrigBytes, Field::CtReplBytes)?;
            cx.model.bin_expr(BinOp::Div, bytes, packets)
        }
        other => return Err(arg.bad_value(other)),
    };
    let test = cx.model.expr_test(counted, arg.neg, Values::new([(lo.into(), hi.into())]));
    cx.test(test);
    Ok(())
}

/// `-m connlabel`: no connection fails it, and `!` then holds.
pub const CONNLABEL: Extension =
    Extension::of_match("connlabel", &[opt("--label").neg().must(), flag("--set")], |cx, given| {
        cx.need_conntrack();
        let Some(arg) = given.get("--label") else { return Ok(()) };
        let bit = arg.value(|t| values::number_to(t, 127)).map_err(|mut bad| {
            bad.help = Some("labels are known by number only".to_owned());
            bad
        })?;
        let label: Value = 1 << bit;
        if given.has("--set") {
            // Sets the label wherever there is a connection, and holds there.
            let (old, bits) = (cx.model.field_expr(Field::CtLabel), cx.model.const_expr(label));
            let new = cx.model.bin_expr(BinOp::Or, old, bits);
            cx.set(Field::CtLabel, new);
            cx.loose(arg.neg, Test::Exists(old));
            return Ok(());
        }
        let test = cx.model.masked_test(Field::CtLabel, false, label, label);
        cx.loose(arg.neg, test);
        Ok(())
    })
    .note(Status::Full, "labels by number");

const CONNLIMIT_OPTIONS: [Opt; 5] = [
    opt("--connlimit-upto").neg(),
    opt("--connlimit-above").neg(),
    opt("--connlimit-mask"),
    flag("--connlimit-saddr"),
    flag("--connlimit-daddr"),
];

/// `-m connlimit`.
pub const CONNLIMIT: Extension = Extension::of_match("connlimit", &CONNLIMIT_OPTIONS, lower_connlimit)
    .note(Status::Assumed, "counts the connections of this run and of a given listing");

fn lower_connlimit(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need_conntrack();
    let (arg, invert) = match (given.get("--connlimit-upto"), given.get("--connlimit-above")) {
        (Some(arg), None) => (arg, arg.neg),
        (None, Some(arg)) => (arg, !arg.neg),
        (Some(_), Some(arg)) => return Err(arg.bad("`--connlimit-upto` was given already")),
        (None, None) => return Err(given.bad("`--connlimit-upto` or `--connlimit-above` is missing")),
    };
    if let (Some(_), Some(arg)) = (given.get("--connlimit-saddr"), given.get("--connlimit-daddr")) {
        return Err(arg.bad("`--connlimit-saddr` was given already"));
    }
    let count = arg.value(|t| values::number_to(t, LONG))? as u32;
    let width = values::addr_bits(cx.family);
    let family = cx.family;
    let mask = given.read("--connlimit-mask", |t| values::mask(t, family))?.unwrap_or(ones(width));
    let field = if given.has("--connlimit-daddr") { Field::Daddr } else { Field::Saddr };
    let key = cx.masked_expr(field, mask);
    cx.need(Header::Tuple);
    cx.stateful(StatefulKind::Connlimit { count, key: vec![key] }, invert, None);
    Ok(())
}

const CLUSTER_OPTIONS: [Opt; 4] = [
    opt("--cluster-total-nodes").must(),
    opt("--cluster-local-node").neg(),
    opt("--cluster-local-nodemask").neg(),
    opt("--cluster-hash-seed").must(),
];

/// `-m cluster`.
pub const CLUSTER: Extension = Extension::of_match("cluster", &CLUSTER_OPTIONS, lower_cluster);

fn lower_cluster(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need_conntrack();
    let total = given.read("--cluster-total-nodes", |t| values::number_to(t, 32).filter(|n| *n > 0))?.unwrap_or(1);
    let seed = given.read("--cluster-hash-seed", |t| values::number_to(t, LONG))?.map(|s| s as u32);
    let (arg, mask) = match (given.get("--cluster-local-node"), given.get("--cluster-local-nodemask")) {
        (Some(arg), None) => {
            let node = arg.value(|t| values::number_to(t, total).filter(|n| *n > 0))?;
            (arg, 1 << (node - 1))
        }
        (None, Some(arg)) => (arg, arg.value(|t| values::number_to(t, LONG).filter(|m| *m > 0))?),
        _ => return Err(given.bad("one of `--cluster-local-node` and `--cluster-local-nodemask` is needed")),
    };
    if total < 32 && mask >> total != 0 {
        return Err(arg.bad("a node beyond `--cluster-total-nodes`"));
    }
    let of = cx.model.field_expr(Field::CtOrigSrc);
    let hash = Expr::Hash { kind: HashKind::Cluster, of, seed, modulus: total as u32, offset: 0 };
    let hash = cx.model.push_expr(hash);
    let nodes = (0..32u64).filter(|n| mask & (1 << n) != 0).map(|n| (Value::from(n), Value::from(n)));
    let test = cx.model.expr_test(hash, arg.neg, Values::new(nodes));
    cx.test(test);
    Ok(())
}

/// `-m helper`: no connection or no helper fails it, and `!` then holds.
pub const HELPER: Extension = Extension::of_match("helper", &[opt("--helper").neg().must()], |cx, given| {
    cx.need_conntrack();
    let Some(arg) = given.get("--helper") else { return Ok(()) };
    let test = helper(cx, arg)?;
    cx.loose(arg.neg, test);
    Ok(())
});

fn helper(cx: &mut Cx<'_>, arg: &Arg<'_>) -> Result<Test, Bad> {
    Ok(match arg.text() {
        "" => cx.model.field_test(Field::CtHelper, true, Values::one(0)),
        name if name.len() > 15 => return Err(arg.bad_value(name)),
        name => cx.model.field_test(Field::CtHelper, false, Values::one(device(name))),
    })
}
