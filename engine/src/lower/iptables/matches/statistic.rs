//! `-m statistic --mode random --probability 0.5`, `--mode nth --every 3 --packet 0`.

use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, opt};
use crate::lower::iptables::values;
use crate::model::{StatefulKind, Test};

/// `-m statistic`.
pub const MATCH: Extension = Extension::of_match(
    "statistic",
    &[opt("--mode").must(), opt("--probability").neg(), opt("--every").neg(), opt("--packet")],
    lower,
);

/// A probability in steps of 2^-31, as the kernel stores it.
fn odds(text: &str) -> Option<u32> {
    let p: f64 = text.parse().ok().filter(|p| (0.0..=1.0).contains(p))?;
    // Between 0 and 2^31, so that nothing is lost.
    #[allow(clippy::cast_sign_loss)]
    Some((p * 2_147_483_648.0).round() as u32)
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    match given.get("--mode").map(Arg::text) {
        Some("random") => {
            let arg = given.get("--probability").ok_or_else(|| given.bad("`--probability` is missing"))?;
            let odds = arg.value(odds)?;
            cx.test(Test::Chance { neg: arg.neg, odds });
            Ok(())
        }
        Some("nth") => nth(cx, given),
        Some(other) => Err(given.bad(format!("`{}` is not a mode", other.escape_debug()))),
        None => Ok(()),
    }
}

fn nth(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Result<(), Bad> {
    let arg = given.get("--every").ok_or_else(|| given.bad("`--every` is missing"))?;
    let every = arg.value(|t| values::number_to(t, u32::MAX.into()).filter(|n| *n > 0))? as u32;
    let packet = given.read("--packet", |t| values::number_to(t, u32::MAX.into()))?;
    let packet = packet.ok_or_else(|| given.bad("`--packet` is missing"))? as u32;
    if packet >= every {
        return Err(arg.bad("`--packet` has to be less than `--every`"));
    }
    cx.stateful(StatefulKind::Nth { every, packet }, arg.neg, None);
    Ok(())
}
