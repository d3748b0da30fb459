//! `-m ecn --ecn-ip-ect 2 --ecn-tcp-cwr`: congestion bits of IP and TCP.

use crate::field::Field;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::registry::{Extension, flag, opt};
use crate::lower::iptables::values;
use crate::model::{Header, Test};

/// `-m ecn`.
pub const MATCH: Extension = Extension::of_match(
    "ecn",
    &[flag("--ecn-tcp-ece").neg(), flag("--ecn-tcp-cwr").neg(), opt("--ecn-ip-ect").neg()],
    lower,
)
.some();

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    for arg in given.args() {
        let bit = match arg.opt.name {
            "--ecn-tcp-ece" => 0x40,
            "--ecn-tcp-cwr" => 0x80,
            _ => {
                let value = arg.value(|t| values::number_to(t, 3))? as u32;
                cx.test(Test::Masked { field: Field::Tos, neg: arg.neg, mask: 3, value });
                continue;
            }
        };
        if cx.proto != Some((6, false)) {
            return Err(arg.bad(format!("`{}` needs `-p tcp`", arg.opt.name)));
        }
        cx.need(Header::TcpOrFail);
        cx.test(Test::Masked { field: Field::TcpFlags, neg: arg.neg, mask: bit, value: bit });
    }
    Ok(())
}
