//! iptables-nft's expressions in nft's listing: `xt match "comment"`, `xt target "CT"`, `# xt_set`.
//!
//! The listing doesn't tell their options, so they are unknown; only a comment match says nothing at all.

use nettrace_grammar::nft::tree::ExprId;

use super::super::cx::Cx;
use crate::model::Op;

pub(super) fn xt_match(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    let name = args.first().and_then(|a| cx.tree.word(*a))?.to_owned();
    if name != "comment" {
        let test = cx.model.opaque_test(format!("xt match {name}"));
        cx.test(test);
    }
    Some(())
}

pub(super) fn xt_target(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    let name = args.first().and_then(|a| cx.tree.word(*a))?.to_owned();
    let text = cx.model.push_text(format!("xt target {name}"));
    cx.op(Op::Opaque(text));
    Some(())
}

/// The name is in the keyword, which is not at hand here: it may be a match or a target.
#[allow(clippy::unnecessary_wraps)] // The registry's type.
pub(super) fn xt_comment(cx: &mut Cx, _: &[ExprId]) -> Option<()> {
    let text = cx.model.push_text("an xt expression that the listing does not show");
    cx.op(Op::Opaque(text));
    Some(())
}
