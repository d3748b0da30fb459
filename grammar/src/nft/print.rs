//! A tree back to text, laid out as `nft list ruleset` does: tabs, empty lines between blocks, long element lists wrapped
//! where they were.
//!
//! A canonical listing comes back byte for byte. Left out: lines that could not be read, and comments of people.

use std::fmt::Write;

use super::tree::*;
use crate::names::Name;

/// Prints a whole tree.
pub fn print(tree: &Tree, out: &mut String) {
    let mut p = Printer { tree, out, depth: 0 };
    for item in tree.roots() {
        p.item(item);
    }
}

/// The text of one rule, on one line (an anonymous chain takes several), without its handle.
pub fn rule_text(tree: &Tree, rule: &Rule) -> String {
    let mut out = String::new();
    Printer { tree, out: &mut out, depth: 0 }.stmts(rule.stmts);
    out
}

/// The text of one statement.
pub fn stmt_text(tree: &Tree, stmt: &Stmt) -> String {
    let mut out = String::new();
    Printer { tree, out: &mut out, depth: 0 }.stmt(stmt);
    out
}

/// The text of one expression.
pub fn expr_text(tree: &Tree, expr: ExprId) -> String {
    let mut out = String::new();
    Printer { tree, out: &mut out, depth: 0 }.expr(expr);
    out
}

struct Printer<'t, 'o> {
    tree: &'t Tree,
    out: &'o mut String,
    depth: usize,
}

impl Printer<'_, '_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn name(&mut self, name: Name) {
        self.put(self.tree.text(name));
    }

    fn number(&mut self, n: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{n}");
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push('\t');
        }
    }

    fn item(&mut self, item: &Item) {
        if item.body == Body::Unreadable {
            return;
        }
        self.indent();
        if let Some(verb) = item.verb {
            self.name(verb);
            self.put(" ");
        }
        self.name(item.kind);
        self.spaced(item.path);
        match item.body {
            Body::None | Body::Unreadable => {}
            Body::Table(run) => self.table(run, item.handle),
            Body::Chain(id) => {
                self.put(" ");
                self.block(id, item.handle);
            }
            Body::Lines(run) => {
                self.open(item.handle);
                self.lines(run);
                self.close();
            }
            Body::Elements(run) => {
                self.put(" ");
                self.elements(run);
            }
            Body::Rule(id) => {
                if let Some(rule) = self.tree.rules.get(id as usize) {
                    self.put(" ");
                    self.stmts(rule.stmts);
                    self.handle(rule.handle);
                }
            }
            Body::Value(value) => {
                self.put(" = ");
                self.expr(value);
            }
        }
        self.put("\n");
    }

    fn handle(&mut self, handle: Option<u32>) {
        if let Some(h) = handle {
            self.put(" # handle ");
            self.number(h);
        }
    }

    fn open(&mut self, handle: Option<u32>) {
        self.put(" {");
        self.handle(handle);
        self.put("\n");
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.indent();
        self.put("}");
    }

    fn table(&mut self, run: Run, handle: Option<u32>) {
        self.open(handle);
        let mut space = false;
        for item in run.of(&self.tree.items).iter().filter(|i| i.body != Body::Unreadable) {
            let block = matches!(item.body, Body::Chain(_) | Body::Lines(_));
            if block && space {
                self.put("\n");
            }
            space |= block || self.tree.text(item.kind) == "flags";
            self.item(item);
        }
        self.close();
    }

    /// A chain's block, from its brace.
    fn block(&mut self, id: u32, handle: Option<u32>) {
        let Some(chain) = self.tree.chains.get(id as usize) else { return };
        self.put("{");
        self.handle(handle);
        self.put("\n");
        self.depth += 1;
        self.head(chain);
        for rule in chain.rules.of(&self.tree.rules) {
            if rule.readable {
                self.indent();
                self.stmts(rule.stmts);
                self.handle(rule.handle);
                self.put("\n");
            }
        }
        self.close();
    }

    fn head(&mut self, chain: &Chain) {
        let props = chain.props.of(&self.tree.stmts);
        let (comments, others): (Vec<&Stmt>, Vec<&Stmt>) = props.iter().partition(|p| self.is_comment(p));
        for comment in comments {
            self.indent();
            self.stmt(comment);
            self.put("\n");
        }
        if chain.base.is_none() && others.is_empty() {
            return;
        }
        self.indent();
        if let Some(base) = &chain.base {
            self.base(base);
        }
        for (i, prop) in others.iter().enumerate() {
            if i > 0 || chain.base.is_some() {
                self.put(" ");
            }
            self.stmt(prop);
            self.put(";");
        }
        self.put("\n");
    }

    fn is_comment(&self, stmt: &Stmt) -> bool {
        matches!(stmt.kind, StmtKind::Keyword { word, .. } if self.tree.text(word) == "comment")
    }

    fn base(&mut self, base: &Base) {
        self.put("type ");
        self.name(base.kind);
        self.put(" hook ");
        self.name(base.hook);
        if let Some(devices) = base.devices {
            let many = matches!(self.tree.expr(devices), Expr::Set(_));
            self.put(if many { " devices = " } else { " device " });
            self.expr(devices);
        }
        self.put(" priority ");
        self.expr(base.priority);
        self.put(";");
    }

    fn lines(&mut self, run: Run) {
        for line in run.of(&self.tree.lines) {
            self.indent();
            match *line {
                Line::Type { of, key, data } => {
                    self.put(if of { "typeof " } else { "type " });
                    self.expr(key);
                    if let Some(data) = data {
                        self.put(" : ");
                        self.expr(data);
                    }
                }
                Line::Assign { name, value } => {
                    self.name(name);
                    self.put(" = ");
                    self.expr(value);
                }
                Line::Words(words) => self.joined(words, " "),
                Line::Nested { words, lines } => {
                    self.joined(words, " ");
                    self.open(None);
                    self.lines(lines);
                    self.close();
                }
            }
            self.put("\n");
        }
    }

    fn stmts(&mut self, run: Run) {
        for (i, stmt) in run.of(&self.tree.stmts).iter().enumerate() {
            if i > 0 {
                self.put(" ");
            }
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt.kind {
            StmtKind::Match { lhs, op, rhs } => self.three(lhs, op.text(), rhs),
            StmtKind::Vmap { key, map } => self.three(key, "vmap", map),
            StmtKind::Assign { lhs, value } => self.three(lhs, "set", value),
            StmtKind::Update { op, set, elements } => {
                self.name(op);
                self.put(" @");
                self.name(set);
                self.put(" ");
                self.elements(elements);
            }
            StmtKind::Meter { name, size, elements } => {
                self.put("meter ");
                self.name(name);
                if let Some(size) = size {
                    self.put(" size ");
                    self.number(size);
                }
                self.put(" ");
                self.elements(elements);
            }
            StmtKind::Verdict(verdict) => self.expr(verdict),
            StmtKind::Keyword { word, args } => {
                self.name(word);
                self.spaced(args);
            }
        }
    }

    fn three(&mut self, left: ExprId, middle: &str, right: ExprId) {
        self.expr(left);
        self.put(" ");
        if !middle.is_empty() {
            self.put(middle);
            self.put(" ");
        }
        self.expr(right);
    }

    /// Each of a list behind a blank.
    fn spaced(&mut self, run: Run) {
        if !run.is_empty() {
            self.put(" ");
            self.joined(run, " ");
        }
    }

    fn joined(&mut self, run: Run, between: &str) {
        for (i, e) in run.of(&self.tree.lists).iter().enumerate() {
            if i > 0 {
                self.put(between);
            }
            self.expr(*e);
        }
    }

    fn pair(&mut self, a: ExprId, between: &str, b: ExprId) {
        self.expr(a);
        self.put(between);
        self.expr(b);
    }

    /// Whether a sign right behind would be read as a part of it.
    fn ends_word(&self, id: ExprId) -> bool {
        match self.tree.expr(id) {
            Expr::Var(_) => true,
            Expr::Word(n) => {
                let text = self.tree.text(n);
                text.starts_with(|c: char| !c.is_ascii_digit()) && !text.contains(':')
            }
            _ => false,
        }
    }

    /// Whether `a/b` is read as these two again, or as one word that says the same (`mbytes/second`).
    fn joins(&self, a: ExprId, b: ExprId) -> bool {
        let literal =
            |n: Name| self.tree.text(n).contains(':') || self.tree.text(n).starts_with(|c: char| c.is_ascii_digit());
        match (self.tree.expr(a), self.tree.expr(b)) {
            (Expr::Var(_), _) => false,
            (Expr::Word(n), _) if literal(n) => true,
            (Expr::Word(n), _) if self.tree.text(n).ends_with("bytes") => true,
            (Expr::Word(_), _) => false,
            _ => true,
        }
    }

    fn wrapped(&mut self, open: &str, inner: ExprId, close: &str) {
        self.put(open);
        self.expr(inner);
        self.put(close);
    }

    fn expr(&mut self, id: ExprId) {
        match self.tree.expr(id) {
            Expr::Num(n) => self.number(n),
            Expr::Counts(n) => {
                let (packets, bytes) = self.tree.counts.get(n as usize).copied().unwrap_or_default();
                self.number(format_args!("packets {packets} bytes {bytes}"));
            }
            Expr::Ip4(ip) => self.number(std::net::Ipv4Addr::from_bits(ip)),
            Expr::Word(n) | Expr::Sel(n) | Expr::Verdict(n) => self.name(n),
            Expr::Str(n) => {
                self.put("\"");
                self.name(n);
                self.put("\"");
            }
            Expr::SetRef(n) => {
                self.put("@");
                self.name(n);
            }
            Expr::Var(n) => {
                self.put("$");
                self.name(n);
            }
            Expr::Hash(run) => {
                self.put("jhash ");
                self.joined(run, " ");
            }
            Expr::Set(run) => self.elements(run),
            Expr::Concat(run) => self.joined(run, " . "),
            Expr::List(run) => self.joined(run, ","),
            Expr::Range(a, b) => self.pair(a, if self.ends_word(a) { " - " } else { "-" }, b),
            Expr::Prefix(a, b) => self.pair(a, if self.joins(a, b) { "/" } else { " / " }, b),
            Expr::Masked(a, b) => self.pair(a, " / ", b),
            Expr::Bin(op, word, a, b) => {
                self.expr(a);
                self.put(" ");
                self.put(op.text(word));
                self.put(" ");
                self.expr(b);
            }
            Expr::Paren(a) => self.wrapped("(", a, ")"),
            Expr::Bracket(a) => self.wrapped("[", a, "]"),
            Expr::Neg(n) => {
                self.put("-");
                self.number(n);
            }
            Expr::Map(key, map) => self.pair(key, " map ", map),
            Expr::Star => self.put("*"),
            Expr::Jump(word, target) => {
                self.name(word);
                self.put(" ");
                self.expr(target);
            }
            Expr::Block(chain) => self.block(chain, None),
            Expr::To(to, target) => {
                self.put(to.text());
                self.put(" ");
                self.expr(target);
            }
            Expr::Port(port) => self.wrapped(":", port, ""),
            Expr::AddrPort(addr, port) => self.pair(addr, ":", port),
            Expr::Tagged(tag, inner) => {
                self.name(tag);
                self.put(" ");
                self.expr(inner);
            }
        }
    }

    fn elements(&mut self, run: Run) {
        if run.is_empty() {
            return self.put("{ }");
        }
        self.put("{ ");
        for (i, element) in run.of(&self.tree.elements).iter().enumerate() {
            if i > 0 {
                self.put(if element.newline { ",\n\t\t\t     " } else { ", " });
            }
            self.expr(element.key);
            for opt in element.opts.of(&self.tree.stmts) {
                self.put(" ");
                self.stmt(opt);
            }
            if let Some(data) = element.data {
                self.put(" : ");
                self.expr(data);
            }
        }
        self.put(" }");
    }
}
