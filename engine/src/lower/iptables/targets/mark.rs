//! `-j MARK --set-xmark 0x4000/0x4000`, `-j CONNMARK --save-mark`: `(mark & ~mask) ^ value`.

use crate::field::Field;
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, flag, opt};
use crate::lower::iptables::values;
use crate::model::{BinOp, ExprId};

const ALL: u32 = u32::MAX;

/// `-j MARK`.
pub const MARK: Extension = Extension::of_target(
    "MARK",
    &[opt("--set-xmark"), opt("--set-mark"), opt("--and-mark"), opt("--or-mark"), opt("--xor-mark")],
    lower_mark,
)
.some();

const CONNMARK_OPTIONS: [Opt; 12] = [
    opt("--set-xmark"),
    opt("--set-mark"),
    opt("--and-mark"),
    opt("--or-mark"),
    opt("--xor-mark"),
    flag("--save-mark"),
    flag("--restore-mark"),
    opt("--ctmask"),
    opt("--nfmask"),
    opt("--mask"),
    opt("--left-shift-mark"),
    opt("--right-shift-mark"),
];

/// `-j CONNMARK`.
pub const CONNMARK: Extension = Extension::of_target("CONNMARK", &CONNMARK_OPTIONS, lower_connmark).some();

/// Bits cleared and bits flipped by `--set-mark`, `--or-mark` and the like; `None` for another option.
fn change(arg: &Arg<'_>) -> Result<Option<(u32, u32)>, Bad> {
    let masked = || arg.value(|t| values::masked(t, ALL.into()));
    let number = || arg.value(|t| values::number_to(t, ALL.into())).map(|n| n as u32);
    Ok(Some(match arg.opt.name {
        "--set-xmark" => {
            let (value, mask) = masked()?;
            (mask, value)
        }
        "--set-mark" => {
            let (value, mask) = masked()?;
            (mask | value, value)
        }
        "--and-mark" => (!number()?, 0),
        "--or-mark" => {
            let bits = number()?;
            (bits, bits)
        }
        "--xor-mark" => (0, number()?),
        _ => return Ok(None),
    }))
}

fn lower_mark(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    if let Some(arg) = given.args().nth(1) {
        return Err(arg.bad("only one of MARK's options is allowed"));
    }
    for arg in given.args() {
        if let Some((clear, flip)) = change(arg)? {
            cx.and_xor(Field::Mark, clear.into(), flip.into());
        }
    }
    Ok(())
}

fn lower_connmark(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need_conntrack();
    let shift = shift(given)?;
    let mut changed = None;
    for arg in given.args() {
        if let Some(change) = change(arg)? {
            changed = Some(change);
        }
    }
    let (save, restore) = (given.get("--save-mark"), given.get("--restore-mark"));
    match (changed, save, restore) {
        (Some((clear, flip)), None, None) => {
            let (from, flip) = (cx.masked_expr(Field::CtMark, (!clear).into()), cx.model.const_expr(flip.into()));
            let new = cx.model.bin_expr(BinOp::Xor, from, flip);
            let new = shifted(cx, new, shift);
            // Reads the old value even where all bits are replaced: without a connection nothing happens.
            cx.set(Field::CtMark, new);
            Ok(())
        }
        (None, Some(_), None) => copy(cx, given, (Field::CtMark, "--ctmask"), (Field::Mark, "--nfmask"), shift),
        (None, None, Some(_)) => copy(cx, given, (Field::Mark, "--nfmask"), (Field::CtMark, "--ctmask"), shift),
        (None, None, None) => Err(given.bad("CONNMARK needs an operation")),
        _ => Err(given.bad("CONNMARK takes one operation")),
    }
}

/// `to := (to & ~to_mask) ^ (from & from_mask)`, the second shifted.
fn copy(
    cx: &mut Cx<'_>,
    given: &Given<'_, '_>,
    (to, to_mask): (Field, &str),
    (from, from_mask): (Field, &str),
    shift: Option<(BinOp, u8)>,
) -> Result<(), Bad> {
    let both = given.read("--mask", |t| values::number_to(t, ALL.into()))?;
    let mask = |name: &str| -> Result<u32, Bad> {
        let own = given.read(name, |t| values::number_to(t, ALL.into()))?;
        Ok(own.or(both).unwrap_or(ALL.into()) as u32)
    };
    let (to_mask, from_mask) = (mask(to_mask)?, mask(from_mask)?);
    let taken = cx.masked_expr(from, from_mask.into());
    let taken = shifted(cx, taken, shift);
    if to_mask == ALL {
        cx.set(to, taken);
        return Ok(());
    }
    let kept = cx.masked_expr(to, (!to_mask).into());
    let new = cx.model.bin_expr(BinOp::Xor, kept, taken);
    cx.set(to, new);
    Ok(())
}

fn shift(given: &Given<'_, '_>) -> Result<Option<(BinOp, u8)>, Bad> {
    let read = |name| given.read(name, |t| values::number_to(t, 32));
    Ok(match (read("--left-shift-mark")?, read("--right-shift-mark")?) {
        (Some(n), None) => Some((BinOp::Shl, n as u8)),
        (None, Some(n)) => Some((BinOp::Shr, n as u8)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(given.bad("only one shift is allowed")),
    })
}

fn shifted(cx: &mut Cx<'_>, expr: ExprId, shift: Option<(BinOp, u8)>) -> ExprId {
    let Some((op, bits)) = shift else { return expr };
    let bits = cx.model.const_expr(bits.into());
    cx.model.bin_expr(op, expr, bits)
}
