//! What a word is, by the place where it stands: `redirect` is a statement, and behind `icmp type` a value.
//!
//! Left out: words that belong together ([`super::selector`]).

use super::{Declares, Place, Tok, Tokens};
use crate::names::Name;
use crate::nft::lexer::Raw;
use crate::nft::tree::To;
use crate::nft::words::{self, Class};

impl Tokens<'_, '_> {
    pub(super) fn word(&mut self) -> Tok {
        self.word_of(self.lex.slice())
    }

    /// The terminal of a word that the lexer stands behind.
    pub(super) fn word_of(&mut self, text: &str) -> Tok {
        let name = self.names.intern(text);
        if self.plain > 0 {
            self.plain -= 1;
            return Tok::Word(name);
        }
        if self.plain_line {
            return self.header_word(text, name);
        }
        if self.rule_path {
            self.rule_path = false;
            self.plain = if words::is_family(text) { 2 } else { 1 };
            return Tok::Word(name);
        }
        if self.start
            && let Some(tok) = self.first_word(text, name)
        {
            return tok;
        }
        self.statement_word(text, name)
    }

    fn header_word(&mut self, text: &str, name: Name) -> Tok {
        if matches!(self.place(), Place::Chain(_)) && self.declares == Declares::Chain {
            match text {
                "hook" => return Tok::Hook,
                "device" => return Tok::Device,
                "devices" => return Tok::Devices,
                "priority" => return Tok::Priority,
                _ => {}
            }
        }
        Tok::Word(name)
    }

    /// The first word of a line, if it declares or directs.
    fn first_word(&mut self, text: &str, name: Name) -> Option<Tok> {
        match self.place() {
            Place::Top | Place::Table => self.declaration(text, name),
            Place::Chain(_) => match text {
                "type" => {
                    self.plain_line = true;
                    self.declares = Declares::Chain;
                    Some(Tok::Type)
                }
                "policy" | "flags" => {
                    self.plain_line = true;
                    Some(Tok::Prop(name))
                }
                "define" | "redefine" | "undefine" | "include" => self.declaration(text, name),
                _ => None,
            },
            Place::Block => {
                self.plain_line = text != "typeof";
                Some(match text {
                    "type" if self.next_byte() != b'"' => Tok::Type,
                    "typeof" => Tok::Typeof,
                    _ => Tok::Word(name),
                })
            }
            Place::Set | Place::Paren => None,
        }
    }

    fn declaration(&mut self, text: &str, name: Name) -> Option<Tok> {
        let top = self.place() == Place::Top;
        if top && words::is_verb(text) && !matches!(self.last, Tok::Verb(_)) {
            return Some(Tok::Verb(name));
        }
        self.plain_line = true;
        let (declares, tok) = match text {
            "table" => (Declares::Table, Tok::Table(name)),
            "chain" => (Declares::Chain, Tok::Chain(name)),
            "rule" => {
                self.plain_line = false;
                self.rule_path = true;
                (Declares::Rule, Tok::Rule(name))
            }
            "element" => (Declares::Elements, Tok::Element(name)),
            "ct" => (Declares::Block, Tok::Block(self.ct_object(name))),
            "set" | "map" | "flowtable" | "counter" | "quota" | "limit" | "secmark" | "synproxy" | "tunnel"
            | "meter" | "ruleset" | "tables" | "chains" | "sets" | "maps" | "flowtables" | "counters" | "quotas"
            | "limits" | "hooks" | "meters" | "secmarks" | "synproxys" | "rules" => (Declares::Block, Tok::Block(name)),
            "define" | "redefine" => {
                self.plain_line = false;
                self.plain = 1;
                (Declares::Nothing, Tok::Define(name))
            }
            "include" | "undefine" => (Declares::Nothing, Tok::Directive(name)),
            "describe" | "monitor" | "import" | "export" if top => (Declares::Nothing, Tok::Directive(name)),
            "flags" | "comment" if !top => (Declares::Nothing, Tok::Prop(name)),
            _ => {
                self.plain_line = false;
                return None;
            }
        };
        self.declares = declares;
        Some(tok)
    }

    /// `ct helper`, `ct timeout`, `ct expectation` as one word.
    fn ct_object(&mut self, name: Name) -> Name {
        let mut look = self.lex.clone();
        if look.next() == Some(Ok(Raw::Word)) {
            let both = format!("ct {}", look.slice());
            self.lex = look;
            return self.names.intern(&both);
        }
        name
    }

    fn statement_word(&mut self, text: &str, name: Name) -> Tok {
        let value = self.operand && matches!(self.last, Tok::Selector(_));
        if !value
            && self.vocabulary.is_base(name)
            && let Some(tok) = self.selector(name)
        {
            return tok;
        }
        match self.vocabulary.class(name) {
            Class::Selector if !value => Tok::Selector(name),
            Class::Rel(rel) => Tok::Rel(rel),
            Class::Bin(op) => self.operator(op, true),
            Class::Map => Tok::Map,
            Class::Vmap => Tok::Vmap,
            Class::Set => Tok::Set,
            Class::Jhash => Tok::Jhash,
            Class::HashOption => Tok::HashOption(name),
            Class::Verdict if !self.operand || self.last == Tok::Colon => Tok::Verdict(name),
            Class::Jump if !self.operand || self.last == Tok::Colon => self.jump(name),
            _ if self.operand => Tok::Word(name),
            Class::Keyword => self.keyword(text, name),
            Class::ElementKeyword if self.place() == Place::Set => Tok::Keyword(name),
            Class::To(to) if to == To::To || matches!(self.last, Tok::Keyword(_)) => Tok::To(to),
            Class::Meter => {
                self.plain = 1;
                Tok::Meter
            }
            _ => self.other_word(text, name),
        }
    }

    fn other_word(&mut self, text: &str, name: Name) -> Tok {
        match text {
            "add" | "update" | "delete" if self.next_byte() == b'@' => Tok::Update(name),
            "reset" => Tok::Reset(name),
            "with" => {
                self.plain = 2;
                Tok::Word(name)
            }
            "flags" => {
                self.plain = self.flag_words();
                Tok::Word(name)
            }
            "addr" => self.addr_port(name),
            _ => Tok::Word(name),
        }
    }

    /// `log flags tcp sequence` has two words, `log flags all` one.
    fn flag_words(&self) -> u32 {
        let mut look = self.lex.clone();
        look.next();
        if matches!(look.slice(), "tcp" | "ip") { 2 } else { 1 }
    }

    /// `addr . port`, between `dnat ip` and `to`.
    fn addr_port(&mut self, name: Name) -> Tok {
        let mut look = self.lex.clone();
        if look.next() == Some(Ok(Raw::Dot)) && look.next() == Some(Ok(Raw::Word)) && look.slice() == "port" {
            self.lex = look;
            return Tok::Word(self.names.intern("addr . port"));
        }
        Tok::Word(name)
    }

    fn jump(&mut self, name: Name) -> Tok {
        self.plain = u32::from(self.next_byte() != b'{');
        Tok::Jump(name)
    }

    fn keyword(&mut self, text: &str, name: Name) -> Tok {
        if text == "comment" && self.next_byte() != b'"' {
            self.plain = 1;
        }
        Tok::Keyword(name)
    }
}
