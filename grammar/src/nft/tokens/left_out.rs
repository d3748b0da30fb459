//! What a listing says in a comment (`# handle 4`, `# xt_comment`) or not at all (`dnat 10.0.0.1` for `dnat to …`).

use super::{Place, Tok, Tokens};
use crate::nft::tree::To;

impl<'s> Tokens<'s, '_> {
    pub(super) fn comment(&mut self) -> Option<Tok> {
        let text = self.lex.slice();
        if let Some(n) = text.strip_prefix("# handle ").and_then(|n| n.trim_end().parse().ok()) {
            let here = match self.place() {
                Place::Top => !self.start,
                Place::Chain(_) => true,
                _ => self.last == Tok::BlockOpen,
            };
            return here.then_some(Tok::Handle(n));
        }
        if text.starts_with("# Warning: ") && self.start && self.place() == Place::Top {
            self.start = false;
            return Some(Tok::Warning(self.names.intern(text.trim_end())));
        }
        self.xt_comment(text)
    }

    /// `# xt_comment accept`: old versions print an xt expression as a comment, and the rule goes on behind it.
    pub(super) fn xt_comment(&mut self, text: &'s str) -> Option<Tok> {
        let name = text.strip_prefix("# xt_")?;
        let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        if length == 0 || !matches!(self.place(), Place::Chain(_) | Place::Top) {
            return None;
        }
        let end = self.lex.span().start + "# xt_".len() + length;
        let word = self.names.intern(text.get(.."# xt_".len() + length)?);
        self.restart(end);
        self.start = false;
        Some(Tok::Keyword(word))
    }

    /// What the language leaves out before a terminal: `to` in `dnat 10.0.0.1`, the xt expression that iptables-nft's tables
    /// show as nothing but a second blank, and a rule of which nothing but its handle is shown.
    pub(super) fn left_out(&mut self, tok: Tok, start: usize) -> Option<Tok> {
        if let Tok::Keyword(k) = self.last
            && self.place() != Place::Set
            && matches!(self.names.get(k), "dnat" | "snat")
        {
            let address = match tok {
                Tok::Word(name) => self.names.get(name).contains(':'),
                _ => matches!(
                    tok,
                    Tok::Ip4(_) | Tok::Selector(_) | Tok::Var(_) | Tok::LBracket | Tok::Jhash | Tok::Colon
                ),
            };
            if address {
                return Some(Tok::To(To::To));
            }
        }
        if let (Tok::Handle(_), Tok::Sep, Place::Chain(_)) = (tok, self.last, self.place())
            && self.start
        {
            return Some(Tok::Keyword(self.vocabulary.empty));
        }
        let statement = matches!(tok, Tok::Selector(_) | Tok::Keyword(_) | Tok::Verdict(_) | Tok::Jump(_));
        if !statement || self.operand || !matches!(self.place(), Place::Chain(_)) {
            return None;
        }
        let source = self.lex.source();
        if self.start {
            let head = source.get(..start)?.strip_suffix(' ')?;
            let indented = head.ends_with('\t') && head.trim_end_matches('\t').ends_with('\n');
            return indented.then_some(Tok::Keyword(self.vocabulary.empty));
        }
        if start < self.last_end + 2 {
            return None;
        }
        let gap = source.get(self.last_end..start)?;
        let inner = gap.strip_prefix(' ')?.strip_suffix(' ')?;
        matches!(gap, "  " | "   ").then(|| Tok::Keyword(self.names.intern(inner)))
    }
}
