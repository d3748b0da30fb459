//! Targets that write into the packet: `TTL`, `HL`, `TOS`, `DSCP`, `ECN`, `TCPMSS`, `CLASSIFY`, `TRACE`.

use crate::field::Field;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::fields;
use crate::lower::iptables::registry::{Extension, flag, opt};
use crate::lower::iptables::values;
use crate::model::{BinOp, Hook};

/// `-j TRACE`.
pub const TRACE: Extension = Extension::of_target("TRACE", &[], |cx, _| {
    cx.set_const(Field::NfTrace, 1);
    Ok(())
})
.tables(&["raw"]);

/// `-j CLASSIFY --set-class 1:10`, both numbers in hex.
pub const CLASSIFY: Extension = Extension::of_target("CLASSIFY", &[opt("--set-class").must()], |cx, given| {
    let hex = |t: &str| u16::from_str_radix(t, 16).ok();
    let class = |t: &str| t.split_once(':').and_then(|(major, minor)| Some((hex(major)?, hex(minor)?)));
    if let Some((major, minor)) = given.read("--set-class", class)? {
        cx.set_const(Field::Priority, u128::from(major) << 16 | u128::from(minor));
    }
    Ok(())
})
.hooks(&[Hook::Forward, Hook::Output, Hook::Postrouting]);

/// `-j TTL`.
pub const TTL: Extension = Extension::of_target("TTL", &[opt("--ttl-set"), opt("--ttl-dec"), opt("--ttl-inc")], hops)
    .some()
    .v4()
    .tables(&["mangle"]);

/// `-j HL`.
pub const HL: Extension = Extension::of_target("HL", &[opt("--hl-set"), opt("--hl-dec"), opt("--hl-inc")], hops)
    .some()
    .v6()
    .tables(&["mangle"]);

fn hops(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    if let Some(arg) = given.args().nth(1) {
        return Err(arg.bad("only one of these options is allowed"));
    }
    for arg in given.args() {
        let by = arg.value(|t| values::number_to(t, 255))?;
        let op = match arg.opt.name.rsplit('-').next() {
            Some("set") => {
                cx.set_const(Field::Ttl, by.into());
                continue;
            }
            Some("dec") => BinOp::SubSat,
            _ => BinOp::AddSat8,
        };
        if by == 0 {
            return Err(arg.bad("by at least 1"));
        }
        let (old, by) = (cx.model.field_expr(Field::Ttl), cx.model.const_expr(by.into()));
        let new = cx.model.bin_expr(op, old, by);
        cx.set(Field::Ttl, new);
    }
    Ok(())
}

/// `-j TOS`.
pub const TOS: Extension = Extension::of_target(
    "TOS",
    &[opt("--set-tos"), opt("--and-tos"), opt("--or-tos"), opt("--xor-tos")],
    |cx, given| {
        if let Some(arg) = given.args().nth(1) {
            return Err(arg.bad("only one of TOS's options is allowed"));
        }
        for arg in given.args() {
            let bits = || arg.value(|t| values::number_to(t, 255));
            let (clear, flip) = match arg.opt.name {
                "--set-tos" => {
                    let (value, mask) = arg.value(|t| fields::tos(t, 0xff))?;
                    (mask.into(), value.into())
                }
                "--and-tos" => (!bits()? & 0xff, 0),
                "--or-tos" => (bits()?, bits()?),
                _ => (0, bits()?),
            };
            cx.and_xor(Field::Tos, clear.into(), flip.into());
        }
        Ok(())
    },
)
.some()
.tables(&["mangle"]);

/// `-j DSCP`.
pub const DSCP: Extension = Extension::of_target("DSCP", &[opt("--set-dscp"), opt("--set-dscp-class")], |cx, given| {
    let (value, _) = fields::dscp(given, "--set-dscp", "--set-dscp-class")?;
    cx.and_xor(Field::Tos, 0xfc, u128::from(value << 2));
    Ok(())
})
.tables(&["mangle"]);

/// `-j ECN`.
pub const ECN: Extension = Extension::of_target(
    "ECN",
    &[flag("--ecn-tcp-remove"), opt("--ecn-tcp-cwr"), opt("--ecn-tcp-ece"), opt("--ecn-ip-ect")],
    |cx, given| {
        for arg in given.args() {
            let bit = |t: &str| values::number_to(t, 1);
            match arg.opt.name {
                "--ecn-ip-ect" => {
                    let value = arg.value(|t| values::number_to(t, 3))?;
                    cx.and_xor(Field::Tos, 3, value.into());
                }
                _ if cx.proto != Some((6, false)) => return Err(arg.bad(format!("`{}` needs `-p tcp`", arg.opt.name))),
                "--ecn-tcp-remove" => cx.and_xor(Field::TcpFlags, 0xc0, 0),
                "--ecn-tcp-cwr" => cx.and_xor(Field::TcpFlags, 0x80, u128::from(arg.value(bit)? << 7)),
                _ => cx.and_xor(Field::TcpFlags, 0x40, u128::from(arg.value(bit)? << 6)),
            }
        }
        Ok(())
    },
)
.some()
.v4()
.tables(&["mangle"]);

/// `-j TCPMSS`: never raises the size, adds the option where it is missing.
pub const TCPMSS: Extension =
    Extension::of_target("TCPMSS", &[opt("--set-mss"), flag("--clamp-mss-to-pmtu")], |cx, given| {
        match (given.get("--set-mss"), given.get("--clamp-mss-to-pmtu")) {
            (Some(arg), None) => {
                let mss = arg.value(|t| values::number_to(t, 0xffff - 40))?;
                cx.set_const(Field::TcpMss, mss.into());
            }
            // `rt mtu` is the route's MTU without the headers.
            (None, Some(_)) => {
                let mss = cx.model.field_expr(Field::RtMtu);
                cx.set(Field::TcpMss, mss);
            }
            _ => return Err(given.bad("TCPMSS takes one option")),
        }
        Ok(())
    })
    .some()
    .protos(&[6]);
