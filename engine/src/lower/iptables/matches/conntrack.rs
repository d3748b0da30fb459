//! `-m conntrack --ctstate NEW,SNAT --ctorigdst 10.0.0.1 …` and `-m state`: the connection that the packet belongs to.
//!
//! Without a connection only the state is asked: where it holds all else does too, where none is named all else fails, negated or not.

use crate::field::{Field, Value, ct_state, ct_status};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Read, opt};
use crate::lower::iptables::{fields, values};
use crate::model::{Op, Test};

const OPTIONS: [Opt; 13] = [
    opt("--ctstate").neg(),
    opt("--ctproto").neg().reads(Field::CtProto, Read::Protocol),
    opt("--ctorigsrc").neg().reads(Field::CtOrigSrc, Read::Network),
    opt("--ctorigdst").neg().reads(Field::CtOrigDst, Read::Network),
    opt("--ctreplsrc").neg().reads(Field::CtReplSrc, Read::Network),
    opt("--ctrepldst").neg().reads(Field::CtReplDst, Read::Network),
    opt("--ctorigsrcport").neg().reads(Field::CtOrigSport, Read::Ports),
    opt("--ctorigdstport").neg().reads(Field::CtOrigDport, Read::Ports),
    opt("--ctreplsrcport").neg().reads(Field::CtReplSport, Read::Ports),
    opt("--ctrepldstport").neg().reads(Field::CtReplDport, Read::Ports),
    opt("--ctstatus").neg(),
    opt("--ctexpire").neg().reads(Field::CtExpiration, Read::Range(0xffff_ffff)),
    opt("--ctdir").reads(Field::CtDir, Read::Name(&[(0, "ORIGINAL"), (1, "REPLY")])),
];

/// `-m conntrack`.
pub const CONNTRACK: Extension = Extension::of_match("conntrack", &OPTIONS, lower).some();

/// `-m state`.
pub const STATE: Extension = Extension::of_match("state", &[opt("--state").neg().must()], lower);

/// Names of states; the two status states are bits above all others.
const SNAT: Value = 1 << 32;
const DNAT: Value = 1 << 33;
const STATES: &[(Value, &str)] = &[
    (ct_state::INVALID, "INVALID"),
    (ct_state::NEW, "NEW"),
    (ct_state::ESTABLISHED, "ESTABLISHED"),
    (ct_state::RELATED, "RELATED"),
    (ct_state::UNTRACKED, "UNTRACKED"),
];
const STATES_AND_STATUS: &[(Value, &str)] = &[
    (ct_state::INVALID, "INVALID"),
    (ct_state::NEW, "NEW"),
    (ct_state::ESTABLISHED, "ESTABLISHED"),
    (ct_state::RELATED, "RELATED"),
    (ct_state::UNTRACKED, "UNTRACKED"),
    (SNAT, "SNAT"),
    (DNAT, "DNAT"),
];
const STATUSES: &[(Value, &str)] = &[
    (0, "NONE"),
    (ct_status::EXPECTED, "EXPECTED"),
    (ct_status::SEEN_REPLY, "SEEN_REPLY"),
    (ct_status::ASSURED, "ASSURED"),
    (ct_status::CONFIRMED, "CONFIRMED"),
];

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need_conntrack();
    for arg in given.args() {
        match arg.opt.name {
            "--ctstate" => state(cx, arg, STATES_AND_STATUS)?,
            "--state" => state(cx, arg, STATES)?,
            _ => {}
        }
    }
    let rest = cx.draft.ops.len();
    if let Some(arg) = given.get("--ctstatus") {
        let bits = arg.value(|t| values::bits(t, STATUSES))?;
        meets(cx, Field::CtStatus, arg.neg, bits);
    }
    fields::lower(cx, given)?;
    if given.get("--ctstate").is_some() {
        unless_no_connection(cx, rest);
    }
    Ok(())
}

/// `xt_conntrack` is done behind the state where there is no connection: the conditions from op `rest` on then hold.
fn unless_no_connection(cx: &mut Cx<'_>, rest: usize) {
    let tests: Vec<Test> = cx.draft.ops.split_off(rest).iter().filter_map(test_of).collect();
    if tests.is_empty() {
        return;
    }
    let status = cx.model.field_expr(Field::CtStatus);
    let no_connection = cx.model.not(Test::Exists(status));
    let all = cx.model.all_of(&tests);
    let test = cx.model.any_of(&[no_connection, all]);
    cx.test(test);
}

fn test_of(op: &Op) -> Option<Test> {
    if let Op::Test(test) = op { Some(*test) } else { None }
}

/// Adds a test that one of the bits is set. No bits never hold; negated they hold wherever there is a connection.
fn meets(cx: &mut Cx<'_>, field: Field, neg: bool, bits: Value) {
    let test = match (bits, neg) {
        (0, false) => Test::Const(false),
        (0, true) => Test::Exists(cx.model.field_expr(field)),
        _ => any_bit(field, neg, bits),
    };
    cx.test(test);
}

fn any_bit(field: Field, neg: bool, bits: Value) -> Test {
    Test::Masked { field, neg: !neg, mask: bits as u32, value: 0 }
}

fn state(cx: &mut Cx<'_>, arg: &Arg<'_>, names: &[(Value, &str)]) -> Result<(), Bad> {
    let bits = arg.value(|t| values::bits(t, names))?;
    let status = (if bits & SNAT != 0 { ct_status::SRC_NAT } else { 0 })
        | (if bits & DNAT != 0 { ct_status::DST_NAT } else { 0 });
    let states = bits & !(SNAT | DNAT);
    if status == 0 {
        meets(cx, Field::CtState, arg.neg, states);
        return Ok(());
    }
    let mut tests = vec![any_bit(Field::CtStatus, false, status)];
    if states != 0 {
        tests.push(any_bit(Field::CtState, false, states));
    }
    let test = cx.model.any_of(&tests);
    cx.loose(arg.neg, test);
    Ok(())
}
