//! The registry of keyword statements: one line each, one file a family.
//!
//! Statements with a grammar of their own (comparisons, `… set …`, `add @s { … }`, verdicts) are in `matches`, `assign`,
//! `update` and `rule`.

mod assign;
mod effects;
mod nat;
mod reject;
mod stateful;
mod update;
mod xt;

use nettrace_grammar::nft::tree::{Expr as Written, ExprId};

use super::cx::Cx;
use crate::model::Op;

/// A keyword statement.
pub struct Statement {
    /// The keyword.
    pub word: &'static str,
    /// What may follow, in nft's words.
    pub form: &'static str,
    /// What becomes of it.
    pub note: &'static str,
    /// Adds its ops; `None` when its words are not understood.
    pub(super) lower: fn(&mut Cx, &[ExprId]) -> Option<()>,
}

macro_rules! statements {
    ($($word:literal $form:literal, $note:literal => $lower:path;)*) => {
        /// All of them.
        pub const STATEMENTS: &[Statement] =
            &[$(Statement { word: $word, form: $form, note: $note, lower: $lower },)*];
    };
}

statements! {
    "counter" "[packets N bytes N] | name OBJECT", "a note; a name chosen by a map can miss" => stateful::counter;
    "limit" "rate [over] N/UNIT [burst N packets|bytes] | name OBJECT", "rule state" => stateful::limit;
    "quota" "[over] N UNIT [used N UNIT] | name OBJECT", "rule state" => stateful::quota;
    "ct count" "[over] N", "rule state" => stateful::ct_count;
    "last" "[used never | TIME]", "a note" => effects::nothing;
    "log" "[prefix TEXT] [level L] [group N] [flags F]", "a note" => effects::log;
    "reject" "[with tcp reset | icmp[v6|x] CODE]", "drops and answers" => reject::reject;
    "notrack" "", "the packet stays untracked" => effects::notrack;
    "snat" "[ip|ip6] [prefix] to ADDR[:PORT] [random,fully-random,persistent]", "address translation" => nat::snat;
    "dnat" "[ip|ip6] [prefix] to ADDR[:PORT] [random,fully-random,persistent]", "address translation" => nat::dnat;
    "masquerade" "[to :PORT] [random,fully-random,persistent]", "address translation" => nat::masquerade;
    "redirect" "[to :PORT] [random,fully-random,persistent]", "address translation" => nat::redirect;
    "tproxy" "[ip|ip6] to [ADDR][:PORT]", "a socket of this host; misses without one" => effects::tproxy;
    "dup" "to ADDR|DEVICE [device DEVICE]", "the copy is not walked" => effects::dup;
    "fwd" "[ip|ip6] to DEVICE | ADDR device DEVICE", "the walk ends there" => effects::fwd;
    "queue" "[flags F] [num|to N[-N]] [bypass,fanout]", "a program's answer is an unknown fact" => effects::queue;
    "synproxy" "[mss N] [wscale N] [timestamp] [sack-perm] | name OBJECT", "answers SYNs itself" => effects::synproxy;
    "flow add" "@FLOWTABLE", "later packets skip hooks: a stated assumption" => effects::flow;
    "flow offload" "@FLOWTABLE", "as `flow add`" => effects::flow;
    "reset" "tcp option NAME", "removes the option" => effects::reset;
    "comment" "TEXT", "beside the rule" => effects::comment;
    "tunnel" "name OBJECT", "a note" => effects::nothing;
    "xt match" "NAME", "an unknown condition: take the table from iptables-save" => xt::xt_match;
    "xt target" "NAME", "an unknown target: take the table from iptables-save" => xt::xt_target;
    "xt watcher" "NAME", "a note" => effects::nothing;
}

/// The statement of a keyword; a keyword of blanks is where a listing shows nothing for an xt match.
pub(super) fn find(word: &str) -> Option<&'static Statement> {
    const BLANK: Statement = Statement { word: "", form: "", note: "", lower: effects::nothing };
    const XT: Statement = Statement { word: "# xt", form: "", note: "", lower: xt::xt_comment };
    const BLANK_AND_XT: &[Statement] = &[BLANK, XT];
    if word.trim().is_empty() {
        return BLANK_AND_XT.first();
    }
    if word.starts_with("# xt_") {
        return BLANK_AND_XT.get(1);
    }
    STATEMENTS.iter().find(|s| s.word == word)
}

impl Cx<'_> {
    /// Adds an op to the rule.
    fn op(&mut self, op: Op) {
        self.draft.ops.push(op);
    }

    /// The words of arguments, lists taken apart; what is not a word is left out.
    fn words(&self, args: &[ExprId]) -> Vec<&str> {
        let mut out = Vec::new();
        for arg in args {
            match self.tree.expr(*arg) {
                Written::List(run) => out.extend(run.of(&self.tree.lists).iter().filter_map(|e| self.tree.word(*e))),
                _ => out.extend(self.tree.word(*arg)),
            }
        }
        out
    }

    /// The argument behind a word.
    fn after(&self, args: &[ExprId], word: &str) -> Option<ExprId> {
        let at = args.iter().position(|a| matches!(self.tree.expr(*a), Written::Word(n) if self.text(n) == word))?;
        args.get(at + 1).copied()
    }

    /// What stands behind `to`, `num` or `name`.
    fn target_of(&self, args: &[ExprId]) -> Option<ExprId> {
        args.iter().find_map(|a| match self.tree.expr(*a) {
            Written::To(_, target) => Some(target),
            _ => None,
        })
    }
}
