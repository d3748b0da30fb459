//! `-j CT --zone 5 --helper ftp`, `-j CT --notrack`, `-j NOTRACK`: what conntrack will do with the packet.

use crate::field::Field;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, flag, opt};
use crate::lower::iptables::values;
use crate::model::{CtAttach, Effect, ZoneFrom};

const CT_OPTIONS: [Opt; 8] = [
    flag("--notrack"),
    opt("--helper"),
    opt("--timeout"),
    opt("--ctevents"),
    opt("--expevents"),
    opt("--zone"),
    opt("--zone-orig"),
    opt("--zone-reply"),
];

/// `-j CT`.
pub const CT: Extension = Extension::of_target("CT", &CT_OPTIONS, lower_ct).tables(&["raw"]);

/// `-j NOTRACK`.
pub const NOTRACK: Extension = Extension::of_target("NOTRACK", &[], |cx, _| {
    cx.effect(Effect::Notrack);
    Ok(())
})
.tables(&["raw"]);

const EVENTS: &[(u128, &str)] = &[
    (1, "new"),
    (2, "related"),
    (4, "destroy"),
    (8, "reply"),
    (16, "assured"),
    (32, "protoinfo"),
    (64, "helper"),
    (128, "mark"),
    (256, "natseqinfo"),
    (512, "secmark"),
];

fn lower_ct(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    if given.has("--notrack") {
        cx.effect(Effect::Notrack);
        return Ok(());
    }
    let mut attach = CtAttach { template: true, ..CtAttach::default() };
    for arg in given.args() {
        match arg.opt.name {
            "--helper" => attach.helper = Some(cx.name(arg.text())),
            "--timeout" => attach.timeout = Some(cx.name(arg.text())),
            "--ctevents" | "--expevents" => {
                arg.value(|t| values::bits(t, EVENTS))?;
                attach.events = Some(cx.name(arg.text()));
            }
            name => {
                let zone = zone(cx, arg.text()).ok_or_else(|| arg.bad_value(arg.text()))?;
                let zone = cx.model.push_expr(zone);
                attach.zone = Some(ZoneFrom { zone, orig: name != "--zone-reply", reply: name != "--zone-orig" });
            }
        }
    }
    if given.args().next().is_some() {
        cx.need_conntrack();
    }
    cx.effect(Effect::CtAttach(attach));
    Ok(())
}

/// A zone by number, or `mark` for the packet's mark.
fn zone(cx: &mut Cx<'_>, text: &str) -> Option<crate::model::Expr> {
    if text == "mark" {
        let id = cx.masked_expr(Field::Mark, 0xffff);
        return Some(cx.model.expr(id));
    }
    values::number_to(text, 0xffff).map(|n| crate::model::Expr::Const(n.into()))
}
