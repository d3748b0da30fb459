//! `-m owner --uid-owner 1000`: the local socket that sends the packet. Without one every test is false, so that a rule
//! matches only if all of them are negated.

use crate::field::Field;
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Status, flag, opt};
use crate::lower::iptables::values;
use crate::model::{Hook, Test, Values};

/// `-m owner`.
pub const MATCH: Extension = Extension::of_match(
    "owner",
    &[opt("--uid-owner").neg(), opt("--gid-owner").neg(), flag("--suppl-groups"), flag("--socket-exists").neg()],
    lower,
)
.some()
.hooks(&[Hook::Output, Hook::Postrouting])
.note(Status::Assumed, "needs --uid, --gid; user names other than root are not resolved");

/// An id or a range of ids: `0`, `1000-1999`, `root`.
fn ids(arg: &Arg<'_>) -> Result<(u64, u64), Bad> {
    let max = u64::from(u32::MAX - 1);
    let one = |t: &str| if t == "root" { Some(0) } else { values::number_to(t, max) };
    let bad = || {
        let mut bad = arg.bad_value(arg.text());
        bad.help = Some("users and groups are known by number only".to_owned());
        bad
    };
    match arg.text().split_once('-') {
        Some((lo, hi)) => one(lo).zip(one(hi)).filter(|(lo, hi)| lo <= hi).ok_or_else(bad),
        None => one(arg.text()).map(|n| (n, n)).ok_or_else(bad),
    }
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let mut group = false;
    for arg in given.args() {
        let field = match arg.opt.name {
            "--uid-owner" => Field::SkUid,
            "--gid-owner" => {
                group = true;
                Field::SkGid
            }
            "--suppl-groups" if !group => return Err(arg.bad("`--gid-owner` has to stand before `--suppl-groups`")),
            "--suppl-groups" => continue,
            _ => {
                cx.loose(arg.neg, Test::Masked { field: Field::SkExists, neg: false, mask: 1, value: 1 });
                continue;
            }
        };
        let (lo, hi) = ids(arg)?;
        let test = cx.model.field_test(field, false, Values::new([(lo.into(), hi.into())]));
        cx.loose(arg.neg, test);
    }
    Ok(())
}
