//! Selectors that neither dump nor packet tells: `vxlan ip saddr`, `socket cgroupv2 level 1`, `osf version`, `meta ibrpvid`.
//!
//! A comparison with one is a condition as a whole, asked for by its text (`--assume 'holds:…=yes'`). What must hold before it
//! is read is tested in front, so it is asked only of packets that it can matter to. Left out: reading the packet inside a
//! tunnel, also where its bytes were given.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId, Rel, Stmt, StmtKind};

use super::cx::Cx;
use crate::field::Field;
use crate::model::*;

/// What must hold before such a selector has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// This layer 4 protocol.
    Proto(u8),
    /// TCP's first packet.
    Syn,
    /// The packet passed IPsec.
    Ipsec,
    /// The device is a port of a bridge.
    Port,
    /// There is a socket.
    Socket,
    /// Nothing.
    Nothing,
}

/// How such a selector begins, its form, and its guard.
const ASKED: &[(&str, &str, Guard)] = &[
    ("osf version", "[ttl loose|skip]", Guard::Syn),
    ("osf ttl", "loose|skip version", Guard::Syn),
    ("ipsec", "in|out [spnum N] ip|ip6 saddr|daddr", Guard::Ipsec),
    ("socket cgroupv2", "level N", Guard::Socket),
    ("tunnel", "id|path", Guard::Nothing),
    ("vxlan", "HEADER FIELD", Guard::Proto(17)),
    ("geneve", "HEADER FIELD", Guard::Proto(17)),
    ("gre", "HEADER FIELD", Guard::Proto(47)),
    ("gretap", "HEADER FIELD", Guard::Proto(47)),
    ("meta ibrpvid", "", Guard::Port),
    ("meta ibrvproto", "", Guard::Port),
    ("meta ibrhwaddr", "", Guard::Port),
];

/// How they are written, for the documentation.
pub(super) fn forms() -> impl Iterator<Item = String> {
    ASKED.iter().map(|(head, form, _)| format!("{head} {form}").trim_end().to_owned())
}

fn guard(selector: &str) -> Option<Guard> {
    let begins = |head: &str| selector.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    ASKED.iter().find(|(head, ..)| begins(head)).map(|(.., guard)| *guard)
}

impl Cx<'_> {
    /// Adds a comparison that can only be asked for; `None` when it is none of those.
    pub(super) fn asked(&mut self, stmt: &Stmt) -> Option<()> {
        let StmtKind::Match { lhs, op, rhs } = stmt.kind else { return None };
        let mut guards = Vec::new();
        self.guards(lhs, &mut guards)?;
        (!guards.is_empty()).then_some(())?;
        for guard in guards {
            self.guarded(guard);
        }
        // As a listing has it, also where JSON spells the equality out.
        let op = if op == Rel::Eq { Rel::Implicit } else { op };
        let as_listed = Stmt { kind: StmtKind::Match { lhs, op, rhs }, ..*stmt };
        let test = self.model.opaque_test(nettrace_grammar::nft::print::stmt_text(self.tree, &as_listed));
        self.test(test);
        Some(())
    }

    /// The guards of all parts; other selectors among them add what they need by themselves.
    fn guards(&mut self, id: WrittenId, found: &mut Vec<Guard>) -> Option<()> {
        match self.tree.expr(id) {
            Written::Sel(name) => match (self.row(name), guard(self.text(name))) {
                (None, Some(guard)) => found.push(guard),
                _ => {
                    self.operand(id)?;
                }
            },
            Written::Concat(run) => {
                for part in run.of(&self.tree.lists) {
                    self.guards(*part, found)?;
                }
            }
            Written::Bin(_, _, a, _) | Written::Paren(a) => self.guards(a, found)?,
            _ => return None,
        }
        Some(())
    }

    fn guarded(&mut self, guard: Guard) {
        let field = match guard {
            Guard::Proto(proto) => return self.need(Field::Proto, proto.into()),
            Guard::Syn => return self.need_syn(),
            Guard::Ipsec => return self.need(Field::Ipsec, 1),
            Guard::Nothing => return,
            Guard::Port => Field::IbrName,
            Guard::Socket => Field::SockWildcard,
        };
        let expr = self.model.field_expr(field);
        self.test(Test::Exists(expr));
    }

    /// TCP's first packet: only that has a fingerprint.
    pub(super) fn need_syn(&mut self) {
        self.need(Field::Proto, 6);
        let syn = self.model.masked_test(Field::TcpFlags, false, 2, 2);
        self.test(syn);
    }
}
