//! Braces: which `{` opens a block and which a set, what ends with them, and those that are too deep or never closed.
//!
//! `chain c { … }` is a block, `{ 22, 80 }` a set; both end in `}`. Left out: what stands inside.

use super::{Declares, Place, Raw, Tok, Tokens};

impl Tokens<'_, '_> {
    pub(super) fn open(&mut self) -> Tok {
        let behind_jump = matches!(self.last, Tok::Jump(_));
        let place = match (self.place(), self.declares) {
            (Place::Set | Place::Paren, _) => Place::Set,
            _ if self.last == Tok::Assign => Place::Set,
            _ if behind_jump => Place::Chain(true),
            (Place::Chain(_), _) => Place::Set,
            (Place::Block, _) => Place::Block,
            (_, Declares::Table) => Place::Table,
            (_, Declares::Chain) => Place::Chain(false),
            (_, Declares::Block) => Place::Block,
            (_, Declares::Elements | Declares::Rule | Declares::Nothing) => Place::Set,
        };
        self.push(place);
        if place == Place::Set {
            self.plain_line = false;
            self.plain = 0;
            return Tok::SetOpen;
        }
        self.new_line();
        Tok::BlockOpen
    }

    pub(super) fn close(&mut self) -> Tok {
        while self.place() == Place::Paren {
            self.stack.pop();
        }
        match self.stack.pop() {
            Some(Place::Set) => {
                // `devices = { eth0 } priority filter`: a chain's header goes on behind its set.
                self.plain_line = matches!(self.place(), Place::Chain(_)) && self.declares == Declares::Chain;
                Tok::SetClose
            }
            Some(Place::Chain(true)) => {
                self.new_line();
                self.start = false;
                Tok::BlockClose
            }
            _ => {
                self.new_line();
                self.queued = true;
                Tok::BlockClose
            }
        }
    }

    /// Leaves out what stands inside braces that are too deep, up to the one that closes them. Whether there was anything.
    pub(super) fn too_deep(&mut self) -> bool {
        let (mut open, mut any) = (0, false);
        let mut look = self.lex.clone();
        while let Some(raw) = look.next() {
            match raw {
                Ok(Raw::Open | Raw::LParen) => open += 1,
                Ok(Raw::Close | Raw::RParen) if open == 0 => break,
                Ok(Raw::Close | Raw::RParen) => open -= 1,
                _ => {}
            }
            any = true;
            self.lex = look.clone();
        }
        any
    }

    /// The text's end: what is open is closed, so that what was read of it stays. A line that is not whole is none.
    pub(super) fn end(&mut self) -> Option<(u32, Tok, u32)> {
        let (at, open) = (self.lex.source().len(), self.stack.len());
        while matches!(self.place(), Place::Set | Place::Paren) {
            self.stack.pop();
        }
        if self.stack.is_empty() {
            self.cut |= open > 0;
            return None;
        }
        self.cut = true;
        let whole = matches!(self.last, Tok::Sep | Tok::BlockOpen | Tok::BlockClose | Tok::Handle(_));
        let tok = match self.last {
            _ if self.stack.len() < open || !(whole || self.last == Tok::Error) => Tok::Error,
            Tok::Error => Tok::Sep,
            _ => self.close(),
        };
        Some(self.emit(tok, at))
    }
}
