//! Conditions and effects in words: `dport 31002`, `saddr not in 10.0.0.0/8`, `mark & 0x4000 = 0x4000`.
//!
//! One printer for tests, explanations and the typed-lowering tests. Left out: a rule's own text (see its span).

use super::*;
use crate::field::{Field, Show, Value, device_name, to_address};

/// The port that bytes of a layer 4 header are, whatever the protocol: nft's `th sport`, `th dport`.
fn port(expr: Expr) -> Option<Field> {
    match expr {
        Expr::Bytes { base: Base::Transport, offset: 0, bits: 16 } => Some(Field::Sport),
        Expr::Bytes { base: Base::Transport, offset: 16, bits: 16 } => Some(Field::Dport),
        _ => None,
    }
}

impl Model {
    /// A test in words; `family` (2 or 10) says how addresses look.
    pub fn show_test(&self, test: Test, family: Value) -> String {
        match test {
            Test::Const(true) => "always".to_string(),
            Test::Const(false) => "never".to_string(),
            Test::Masked { field, neg, mask, value } => {
                Self::show_masked(field, neg, (mask.into(), value.into()), family)
            }
            Test::Wide { field, neg, wide } => Self::show_masked(field, neg, self.wides[wide.0 as usize], family),
            Test::Range { field, neg, lo, hi } => {
                let range = Values::new([(lo.into(), hi.into())]);
                format!("{} {}{}", field.name(), no(neg), show_values(field, &range, family))
            }
            Test::In { neg, expr, values } => {
                let values = &self.values[values.0 as usize];
                let field = self.expr_field(expr).or_else(|| port(self.expr(expr)));
                format!("{} {}{}", self.show_expr(expr, family), no(neg), show_values_as(field, values, family))
            }
            Test::Relation { rel, left, right } => {
                let op = match rel {
                    Relation::Eq => "=",
                    Relation::Ne => "!=",
                    Relation::Lt => "<",
                    Relation::Le => "<=",
                    Relation::Gt => ">",
                    Relation::Ge => ">=",
                };
                format!("{} {op} {}", self.show_expr(left, family), self.show_expr(right, family))
            }
            Test::Lookup { neg, lookup } => {
                let l = self.lookup(lookup);
                format!("{} {}in {}", self.show_key(&l.key, family), no(neg), self.show_set(l.set, family))
            }
            Test::Not(inner) => format!("not ({})", self.show_test(self.test(inner), family)),
            Test::AllOf(list) => self.show_tests(list, " and ", family),
            Test::AnyOf(list) => self.show_tests(list, " or ", family),
            Test::Exists(expr) => format!("{} exists", self.show_expr(expr, family)),
            Test::Chance { neg, odds } => {
                let p = f64::from(odds) / 2_147_483_648.0;
                format!("{}a chance of {:.3}", no(neg), p)
            }
            Test::Bytes(p) => match &self.programs[p.0 as usize] {
                Program::U32(_) => "u32 program holds".to_string(),
                Program::Bpf(_) => "bpf program holds".to_string(),
                Program::Str { pattern, .. } => format!("contains {:?}", String::from_utf8_lossy(pattern)),
                Program::Ipv6Options { header, .. } => format!("options of header {header} as listed"),
                Program::Segment { next, .. } => {
                    format!("{} segment as listed", if *next { "next" } else { "previous" })
                }
                Program::RtAddrs { .. } => "routing header addresses as listed".to_string(),
                Program::SctpChunks { .. } => "sctp chunks as listed".to_string(),
            },
            Test::Opaque(text) => format!("`{}`", self.text(text)),
        }
    }

    fn show_tests(&self, list: Span32, sep: &str, family: Value) -> String {
        let shown: Vec<_> =
            self.test_lists[list.range()].iter().map(|t| self.show_test(self.test(*t), family)).collect();
        format!("({})", shown.join(sep))
    }

    fn show_masked(field: Field, neg: bool, (mask, value): (Value, Value), family: Value) -> String {
        let full = ones(field.bits());
        let width = if field.show() == Show::Addr && family != 10 { 32 } else { field.bits() };
        let mask = mask & ones(width);
        if mask == full || mask == ones(width) {
            return format!("{} {}{}", field.name(), no(neg), field.print(value, family));
        }
        if value == 0 && mask != 0 && matches!(field.show(), Show::CtState | Show::CtStatus) {
            // `(state & mask) != 0` is how "one of these states" is stored.
            return format!("{} {}{}", field.name(), no(!neg), field.print(mask, family));
        }
        let bits = (mask << (128 - width)).leading_ones();
        let prefix = bits + mask.trailing_zeros().min(width) == width;
        match field.show() {
            Show::Addr if prefix => {
                format!("{} {}{}/{bits}", field.name(), no(neg), field.print(value, family))
            }
            Show::Dev => format!("{} {}{}+", field.name(), no(neg), device_name(value)),
            _ if mask == 0 && value == 0 => format!("{} {}anything", field.name(), no(neg)),
            _ => {
                format!("{} & {mask:#x} {}{}", field.name(), if neg { "!= " } else { "= " }, field.print(value, family))
            }
        }
    }

    /// An expression in words.
    pub fn show_expr(&self, expr: ExprId, family: Value) -> String {
        match self.expr(expr) {
            Expr::Field(f) => f.name().to_string(),
            Expr::Const(v) => format!("{v:#x}"),
            Expr::Bytes { base, offset, bits } => match port(self.expr(expr)) {
                Some(field) => format!("th {}", field.name()),
                None => format!("@{base:?},{offset},{bits}").to_lowercase(),
            },
            Expr::TcpOption { kind, bits: 0, .. } => format!("tcp option {kind}"),
            Expr::TcpOption { kind, offset, bits } => format!("tcp option {kind} @{offset},{bits}"),
            Expr::IpOption { kind, bits: 0, .. } => format!("ip option {kind}"),
            Expr::IpOption { kind, offset, bits } => format!("ip option {kind} @{offset},{bits}"),
            Expr::ExtHeader { kind, bits: 0, .. } => format!("extension header {kind}"),
            Expr::ExtHeader { kind, offset, bits } => format!("extension header {kind} @{offset},{bits}"),
            Expr::SctpChunk { kind, bits: 0, .. } => format!("sctp chunk {kind}"),
            Expr::SctpChunk { kind, offset, bits } => format!("sctp chunk {kind} @{offset},{bits}"),
            Expr::Exists(e) => format!("exists({})", self.show_expr(e, family)),
            Expr::Bin(op, a, b) => {
                let op = match op {
                    BinOp::And => "&",
                    BinOp::Or => "|",
                    BinOp::Xor => "^",
                    BinOp::Shl => "<<",
                    BinOp::Shr => ">>",
                    BinOp::AddSat8 | BinOp::Add => "+",
                    BinOp::SubSat => "-",
                    BinOp::Div => "/",
                    BinOp::Mod => "mod",
                    BinOp::Min => "min",
                };
                format!("({} {op} {})", self.show_expr(a, family), self.show_expr(b, family))
            }
            Expr::Swap(e, _) => self.show_expr(e, family),
            Expr::Concat(list) => {
                let parts: Vec<_> = self.expr_lists[list.range()].iter().map(|e| self.show_expr(*e, family)).collect();
                parts.join(" . ")
            }
            Expr::Map { lookup, part, upper } => {
                let l = self.lookup(lookup);
                let part = if part == 0 { String::new() } else { format!(" part {part}") };
                let upper = if upper { " upper" } else { "" };
                format!("{} map {}{part}{upper}", self.show_key(&l.key, family), self.show_set(l.set, family))
            }
            Expr::Fib(f) => format!("fib {}{} {:?}", side(f.side), limits(f.iif, f.oif), f.result).to_lowercase(),
            Expr::AddrType6 { side: s, iif, oif } => format!("addrtype {}{}", side(s), limits(iif, oif)),
            Expr::RpFilter(r) => format!("reverse path{}", if r.loose { " (loose)" } else { "" }),
            Expr::Npt { addr, to, length, .. } => {
                let (addr, to) = (self.show_expr(addr, family), self.expr(to));
                let to =
                    if let Expr::Const(to) = to { crate::field::to_address(to, 10).to_string() } else { String::new() };
                format!("{addr} with prefix {to}/{length}")
            }
            Expr::Numgen { random, modulus, offset } => {
                format!("numgen {} mod {modulus} + {offset}", if random { "random" } else { "inc" })
            }
            Expr::Hash { kind: HashKind::Hmark | HashKind::HmarkCt, of, modulus, .. } => {
                format!("hmark({}) mod {modulus}", self.show_hmark(of, family))
            }
            Expr::Hash { kind, of, modulus, .. } => {
                format!("{kind:?}({}) mod {modulus}", self.show_expr(of, family)).to_lowercase()
            }
            Expr::Opaque(text) => format!("`{}`", self.text(text)),
        }
    }

    /// What an `HMARK` hashes: five fields, each with its mask; one whose mask is zero does not count.
    fn show_hmark(&self, of: ExprId, family: Value) -> String {
        let Expr::Concat(list) = self.expr(of) else { return String::new() };
        let parts = &self.expr_lists[list.range()];
        let masks: Vec<Value> =
            parts.iter().filter_map(|e| if let Expr::Const(v) = self.expr(*e) { Some(v) } else { None }).collect();
        let [saddr, daddr, proto, ports, _] = masks[..] else { return String::new() };
        let address = ones(if family == 10 { 128 } else { 32 });
        let masks =
            [(saddr, address), (daddr, address), (proto, 0xff), (ports >> 16, 0xffff), (ports & 0xffff, 0xffff)];
        let one = |(part, (mask, all)): (&ExprId, (Value, Value))| {
            let name = self.show_expr(*part, family);
            if mask & all == all { name } else { format!("({name} & {mask:#x})") }
        };
        let counted = parts.iter().zip(masks).filter(|(_, (mask, _))| *mask != 0);
        counted.map(one).collect::<Vec<_>>().join(" . ")
    }

    /// The field that an expression reads, if it is one or a masked one.
    pub fn expr_field(&self, expr: ExprId) -> Option<Field> {
        match self.expr(expr) {
            Expr::Field(f) => Some(f),
            Expr::Bin(BinOp::And, a, _) | Expr::Swap(a, _) => self.expr_field(a),
            _ => None,
        }
    }

    pub(crate) fn show_key(&self, key: &LookupKey, family: Value) -> String {
        match key {
            LookupKey::Exprs(parts) => parts.iter().map(|e| self.show_expr(*e, family)).collect::<Vec<_>>().join(" . "),
            LookupKey::Dims { dims, .. } => dims.iter().map(|d| side(*d)).collect::<Vec<_>>().join(","),
        }
    }

    /// A set by its name, an anonymous one by its elements.
    pub fn show_set(&self, set: SetId, family: Value) -> String {
        let s = self.set(set);
        if let Some(name) = s.name {
            return format!("set {}", self.name(name));
        }
        let Contents::Elements(e) = &s.contents else { return "{ … }".to_string() };
        let shown: Vec<_> = (0..e.len().min(8) as u32).map(|i| show_key_ranges(e.key(i), family)).collect();
        format!("{{ {}{} }}", shown.join(", "), if e.len() > 8 { ", …" } else { "" })
    }

    /// An op in words, for tests and `--all`.
    pub fn show_op(&self, op: Op, family: Value) -> String {
        match op {
            Op::Test(t) => self.show_test(t, family),
            Op::Need(h) => format!("need {h:?}").to_lowercase(),
            Op::Set { field, expr, .. } => format!("{} := {}", field.name(), self.show_expr(expr, family)),
            Op::Effect(e) => self.show_effect(self.effect(e), family),
            Op::Verdict(v) => self.show_verdict(v),
            Op::VerdictMap(l) => {
                let l = self.lookup(l);
                format!("{} vmap {}", self.show_key(&l.key, family), self.show_set(l.set, family))
            }
            Op::Opaque(text) => format!("`{}`", self.text(text)),
        }
    }

    /// A verdict as nft writes it.
    pub fn show_verdict(&self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Accept => "accept".to_string(),
            Verdict::Drop => "drop".to_string(),
            Verdict::Jump(c) => format!("jump {}", self.chain_name(c)),
            Verdict::Goto(c) => format!("goto {}", self.chain_name(c)),
            Verdict::Return => "return".to_string(),
            Verdict::Continue => "continue".to_string(),
            Verdict::Stolen => "stolen".to_string(),
            Verdict::Queue { .. } => "queue".to_string(),
        }
    }
}

fn no(neg: bool) -> &'static str {
    if neg { "not " } else { "" }
}

fn side(s: Side) -> &'static str {
    match s {
        Side::Src => "saddr",
        Side::Dst => "daddr",
    }
}

fn limits(iif: bool, oif: bool) -> &'static str {
    match (iif, oif) {
        (true, _) => " on iif",
        (_, true) => " on oif",
        _ => "",
    }
}

fn show_key_ranges(key: &[(Value, Value)], family: Value) -> String {
    let part = |(lo, hi): &(Value, Value)| {
        let one = |v: Value| if v > 0xffff { to_address(v, family).to_string() } else { v.to_string() };
        if lo == hi { one(*lo) } else { format!("{}-{}", one(*lo), one(*hi)) }
    };
    key.iter().map(part).collect::<Vec<_>>().join(" . ")
}

fn show_values_as(field: Option<Field>, values: &Values, family: Value) -> String {
    field.map_or_else(|| show_ranges(values, &|v| format!("{v:#x}")), |f| show_values(f, values, family))
}

fn show_values(field: Field, values: &Values, family: Value) -> String {
    show_ranges(values, &|v| field.print(v, family))
}

fn show_ranges(values: &Values, one: &dyn Fn(Value) -> String) -> String {
    let shown: Vec<_> = values
        .ranges()
        .iter()
        .take(16)
        .map(|(lo, hi)| if lo == hi { one(*lo) } else { format!("{}-{}", one(*lo), one(*hi)) })
        .collect();
    let more = if values.ranges().len() > 16 { ", …" } else { "" };
    if shown.len() == 1 && more.is_empty() {
        shown.into_iter().collect()
    } else {
        format!("{{ {}{more} }}", shown.join(", "))
    }
}
