//! Writes: `meta mark set 0x1`, `ct mark set meta mark`, `ip dscp set cs1`, `tcp option maxseg size set rt mtu`,
//! `ct helper set "ftp"`, `ct zone set 1`.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId};

use super::super::cx::Cx;
use super::super::expr::Shape;
use super::super::fields::{Row, Source};
use super::super::kind::Kind;
use crate::field::{Field, ct_status};
use crate::model::*;

impl Cx<'_> {
    /// `lhs set value`.
    pub(in super::super) fn assign(&mut self, lhs: WrittenId, value: WrittenId) -> Option<()> {
        let Written::Sel(name) = self.tree.expr(lhs) else { return None };
        let text = self.text(name);
        if let Some(key) = text.strip_prefix("ct ") {
            match key.rsplit(' ').next()? {
                "zone" | "helper" | "timeout" | "expectation" | "event" => return self.attach(key, value),
                "secmark" => return self.security(value),
                _ => {}
            }
        }
        if text == "meta secmark" {
            return self.security(value);
        }
        match self.row(name) {
            Some(row) => self.write(row, value),
            None => self.write_special(text, value),
        }
    }

    fn write(&mut self, row: &'static Row, value: WrittenId) -> Option<()> {
        self.needs(row.needs);
        match row.source {
            Source::Field(field) => {
                let expr = self.value_expr(row.kind, value)?;
                let miss = !row.needs.ct;
                if !miss {
                    self.must_exist(expr);
                }
                self.op(Op::Set { field, expr, miss });
                Some(())
            }
            Source::Part(field, shift, bits) => {
                let expr = match self.constant(row.kind, value) {
                    Some(v) => self.model.and_xor_expr(field, ones(bits) << shift, v << shift),
                    None => self.spliced(field, (shift, bits), row.kind, value)?,
                };
                self.op(Op::Set { field, expr, miss: true });
                Some(())
            }
            Source::Bytes(base, offset, bits) => {
                // They must be there, whatever they are.
                let read = self.model.push_expr(Expr::Bytes { base, offset, bits });
                self.test(Test::Exists(read));
                self.patch((base, offset, bits), row.kind, value)
            }
            Source::Sum(..) | Source::Average(..) => None,
        }
    }

    /// `meta secmark set "ssh"`, `ct secmark set meta secmark`: SELinux's business, a note. A name chosen by a map can miss, and
    /// so does what is read of a connection where there is none.
    fn security(&mut self, value: WrittenId) -> Option<()> {
        match self.tree.expr(self.resolve(value)) {
            Written::Map(key, map) => self.object_of(ObjectKind::Other, key, map)?,
            Written::Sel(name) if self.text(name) == "ct secmark" => {
                self.need_conntrack();
                let connection = self.model.field_expr(Field::CtMark);
                self.test(Test::Exists(connection));
            }
            Written::Sel(_) => self.need_conntrack(),
            _ => {}
        }
        let kind = self.model.names.intern("secmark set");
        let op = self.model.effect_op(Effect::Log { kind, prefix: None });
        self.op(op);
        Some(())
    }

    /// The rule misses when the value to be written is absent.
    fn must_exist(&mut self, expr: ExprId) {
        if !self.is_total(expr) {
            self.test(Test::Exists(expr));
        }
    }

    /// A field with some of its bits replaced by an expression's.
    fn spliced(&mut self, field: Field, (shift, bits): (u32, u32), kind: Kind, value: WrittenId) -> Option<ExprId> {
        let new = self.value_expr(kind, value)?;
        let keep = ones(field.bits()) & !(ones(bits) << shift);
        let (old, mask) = (self.model.field_expr(field), self.model.const_expr(keep));
        let kept = self.model.bin_expr(BinOp::And, old, mask);
        let by = self.model.const_expr(shift.into());
        let moved = self.model.bin_expr(BinOp::Shl, new, by);
        Some(self.model.bin_expr(BinOp::Or, kept, moved))
    }

    /// `tcp option maxseg size set …`: never raises, and does nothing where there is no option.
    fn write_special(&mut self, text: &str, value: WrittenId) -> Option<()> {
        if matches!(text, "tcp option maxseg size" | "tcp option mss size") {
            let new = self.value_expr(Kind::Int, value)?;
            self.need(Field::Proto, 6);
            self.must_exist(new);
            let old = self.model.field_expr(Field::TcpMss);
            let expr = self.model.bin_expr(BinOp::Min, old, new);
            self.op(Op::Set { field: Field::TcpMss, expr, miss: false });
            return Some(());
        }
        if text == "meta broute" {
            return None;
        }
        let operand = self.special(text)?;
        let Shape::Expr(read) = operand.shape else { return None };
        self.test(Test::Exists(read));
        if let Expr::Bytes { base, offset, bits } = self.model.expr(read) {
            return self.patch((base, offset, bits), Kind::Int, value);
        }
        // The walk has no lane for these bytes: only that they are there counts.
        let kind = self.model.names.intern("payload set");
        let op = self.model.effect_op(Effect::Log { kind, prefix: None });
        self.op(op);
        Some(())
    }

    /// Writes bits of a header.
    fn patch(&mut self, (base, offset, bits): (Base, u32, u32), kind: Kind, value: WrittenId) -> Option<()> {
        let value = self.value_expr(kind, value)?;
        self.must_exist(value);
        let op = self.model.effect_op(Effect::Patch { base, offset, bits, value });
        self.op(op);
        Some(())
    }

    /// `ct zone set 1`, `ct original zone set mark`, `ct helper set "ftp"`.
    fn attach(&mut self, key: &str, value: WrittenId) -> Option<()> {
        self.need_conntrack();
        let mut attach = CtAttach { template: key.ends_with("zone"), ..CtAttach::default() };
        if let (Written::Map(key, map), false) = (self.tree.expr(value), key.ends_with("zone")) {
            self.object_of(ObjectKind::Other, key, map)?;
        }
        let chosen = matches!(self.tree.expr(value), Written::Map(..)).then(|| "chosen by a map".to_owned());
        let name = self.tree.word(self.resolve(value)).map(str::to_owned);
        let text = chosen.unwrap_or_else(|| nettrace_grammar::nft::print::expr_text(self.tree, value));
        match key {
            "zone" | "original zone" | "reply zone" => {
                let zone = self.value_expr(Kind::Int, value)?;
                let (orig, reply) = (!key.starts_with("reply"), !key.starts_with("original"));
                attach.zone = Some(ZoneFrom { zone, orig, reply });
            }
            "helper" => {
                let name = name.unwrap_or_else(|| text.clone());
                let name = self.model.names.intern(&name);
                attach.helper = Some(self.helper_type(name).unwrap_or(name));
            }
            "timeout" => attach.timeout = Some(self.model.names.intern(&text)),
            "expectation" => {
                // Only a connection's first packet can foresee another one (`nft_ct_expect_obj_eval`).
                let (field, mask) = (Field::CtStatus, ct_status::CONFIRMED as u32);
                self.test(Test::Masked { field, neg: false, mask, value: 0 });
                attach.events = Some(self.model.names.intern(&text));
            }
            "event" => attach.events = Some(self.model.names.intern(&text)),
            _ => return None,
        }
        let op = self.model.effect_op(Effect::CtAttach(attach));
        self.op(op);
        Some(())
    }
}
