//! `-m multiport --dports 80,443,1000:2000`: a port in a set; `--ports` is either port.

use crate::field::Field;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::registry::{Extension, opt};
use crate::lower::iptables::values;
use crate::model::{Header, Values};

/// `-m multiport`.
pub const MATCH: Extension = Extension::of_match(
    "multiport",
    &[
        opt("--sports").alias("--source-ports").neg(),
        opt("--dports").alias("--destination-ports").neg(),
        opt("--ports").neg(),
    ],
    lower,
)
.some()
.protos(&[6, 17, 33, 132, 136]);

/// Most ports that one option takes; a range counts as two.
const SLOTS: usize = 15;

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need(Header::Ports);
    if let Some(arg) = given.args().nth(1) {
        return Err(arg.bad("only one of multiport's options is allowed"));
    }
    for arg in given.args() {
        let closed = |t: &&str| !t.starts_with(':') && !t.ends_with(':');
        let one = |t: &str| Some(t).filter(closed).and_then(values::ports);
        let read: Option<Vec<_>> = arg.text().split(',').map(one).collect();
        let ranges = read.ok_or_else(|| arg.bad_value(arg.text()))?;
        if ranges.iter().map(|(lo, hi)| if lo == hi { 1 } else { 2 }).sum::<usize>() > SLOTS {
            return Err(arg.bad(format!("more than {SLOTS} ports")));
        }
        let set = Values::new(ranges.into_iter().map(|(lo, hi)| (lo.into(), hi.into())));
        match arg.opt.name {
            "--sports" => cx.within(Field::Sport, arg.neg, set),
            "--dports" => cx.within(Field::Dport, arg.neg, set),
            _ => {
                let either = [Field::Sport, Field::Dport].map(|f| cx.model.field_test(f, false, set.clone()));
                let test = cx.model.any_of(&either);
                cx.loose(arg.neg, test);
            }
        }
    }
    Ok(())
}
