//! Joins the words of a selector: `tcp option maxseg size`, `fib daddr . iif type`, `srh sid[1]`.
//!
//! Left out: what a word is that stands alone ([`super::words`]).

use logos::Lexer;

use super::{Tok, Tokens};
use crate::names::Name;
use crate::nft::lexer::Raw;
use crate::nft::words::{self, Tail};

impl<'s> Tokens<'s, '_> {
    /// Joins the words of a selector; `None` when they are not one.
    pub(super) fn selector(&mut self, first: Name) -> Option<Tok> {
        let mut look = self.lex.clone();
        let Some(Ok(Raw::Word)) = look.next() else { return None };
        let second = self.names.intern(look.slice());
        let tail = self.vocabulary.tail(first, second)?;
        match tail {
            Tail::Done(both) => {
                self.lex = look;
                return Some(Tok::Selector(self.indexed(both)));
            }
            Tail::Keyword(_) if self.operand => return None,
            // `meta l4proto != gre th dport 80`: the protocol, not a header inside of it.
            Tail::Inner if matches!(self.last, Tok::Rel(_)) => return None,
            Tail::Keyword(both) => {
                self.lex = look;
                self.plain = u32::from(self.names.get(first) == "xt");
                return Some(Tok::Keyword(both));
            }
            _ => {}
        }
        let mut text = format!("{} {}", self.names.get(first), self.names.get(second));
        let done = self.longer(tail, second, look, &mut text)?;
        self.lex = done;
        Some(Tok::Selector(self.names.intern(&text)))
    }

    /// `srh sid[1]`: a selector with an index.
    fn indexed(&mut self, name: Name) -> Name {
        let Some(inner) = self.lex.remainder().strip_prefix('[') else { return name };
        let Some((index, _)) =
            inner.split_once(']').filter(|(i, _)| i.len() < 4 && i.bytes().all(|b| b.is_ascii_digit()))
        else {
            return name;
        };
        let text = format!("{}[{index}]", self.names.get(name));
        let end = self.lex.span().end + index.len() + 2;
        self.restart(end);
        self.names.intern(&text)
    }

    /// Adds the words behind the second one to `text` and returns where the lexer stands then.
    fn longer(
        &mut self,
        tail: Tail,
        second: Name,
        mut look: Lexer<'s, Raw>,
        text: &mut String,
    ) -> Option<Lexer<'s, Raw>> {
        match tail {
            Tail::Done(_) | Tail::Keyword(_) => {}
            Tail::Word => take(&mut look, text, |_| true).then_some(())?,
            Tail::Option => {
                take(&mut look, text, |_| true).then_some(())?;
                take(&mut look, text, words::is_option_field);
            }
            Tail::Direction => {
                let family = take(&mut look, text, |w| matches!(w, "ip" | "ip6"));
                let field = take(&mut look, text, |w| w != "set");
                (family || field).then_some(())?;
            }
            Tail::Ipsec => {
                option(&mut look, text, "spnum");
                take(&mut look, text, |w| matches!(w, "ip" | "ip6"));
                take(&mut look, text, |_| true).then_some(())?;
            }
            Tail::Level => option(&mut look, text, "level").then_some(())?,
            Tail::Osf => {
                take(&mut look, text, |_| true).then_some(())?;
                take(&mut look, text, |w| matches!(w, "name" | "version")).then_some(())?;
            }
            Tail::Fib => {
                while look.clone().next() == Some(Ok(Raw::Dot)) {
                    look.next();
                    text.push_str(" .");
                    take(&mut look, text, |_| true).then_some(())?;
                }
                take(&mut look, text, |_| true).then_some(())?;
            }
            Tail::Numgen => {
                option(&mut look, text, "mod");
                option(&mut look, text, "offset");
            }
            Tail::Symhash => {
                take(&mut look, text, |_| true).then_some(())?;
                option(&mut look, text, "offset");
            }
            Tail::Inner => {
                let Some(Ok(Raw::Word)) = look.next() else { return None };
                let third = self.names.intern(look.slice());
                let Some(Tail::Done(_)) = self.vocabulary.tail(second, third) else { return None };
                text.push(' ');
                text.push_str(look.slice());
            }
        }
        Some(look)
    }
}

/// Takes the next word or number into `text` when it is one that `wanted` accepts.
fn take(look: &mut Lexer<'_, Raw>, text: &mut String, wanted: impl Fn(&str) -> bool) -> bool {
    let mut next = look.clone();
    let word =
        matches!(next.next(), Some(Ok(Raw::Word | Raw::Num | Raw::Literal | Raw::Payload))) && wanted(next.slice());
    if word {
        text.push(' ');
        text.push_str(next.slice());
        *look = next;
    }
    word
}

/// Takes `word VALUE`.
fn option(look: &mut Lexer<'_, Raw>, text: &mut String, word: &str) -> bool {
    let (mut next, mut more) = (look.clone(), String::new());
    let both = take(&mut next, &mut more, |w| w == word) && take(&mut next, &mut more, |_| true);
    if both {
        text.push_str(&more);
        *look = next;
    }
    both
}
