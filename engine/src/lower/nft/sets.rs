//! Sets and maps, named and anonymous, with their elements: `{ 10.0.0.0/8, 1.2.3.4 timeout 1m }`, `{ 80 : jump web, * : drop }`.
//!
//! Elements of plain interval sets that overlap are joined, as `auto-merge` does. Left out: elements that are not understood;
//! one of them makes the whole set's contents unknown.

use nettrace_grammar::nft::tree::{Body, Element, Expr as Written, ExprId as WrittenId, Item, Line, Run, StmtKind};
use nettrace_grammar::{Name, Span};

use super::changed::Changed;
use super::cx::{Cx, DataKind, SetType};
use super::kind::{Kind, duration_ms};
use crate::field::Value;
use crate::model::*;

type Key = Vec<(Value, Value)>;

impl Cx<'_> {
    /// The set of this name in the rule's table.
    pub(super) fn set_named(&mut self, name: Name) -> Option<SetId> {
        let known = self.sets.get(&(self.table, name)).copied();
        known.or_else(|| self.model.find_set(Some(self.table), self.text(name)))
    }

    /// A set that stands in a rule.
    pub(super) fn anonymous_set(&mut self, kinds: &[Kind], data: &DataKind, run: Run) -> SetId {
        let contents = self.contents(kinds, data, run);
        self.model.push_set(Set { name: None, table: Some(self.table), span: Span::default(), size: 0, contents })
    }

    /// A set of the one value that a concatenation is compared with.
    pub(super) fn single_element_set(&mut self, kinds: &[Kind], value: WrittenId) -> Option<SetId> {
        let mut elements = Elements::new(kinds.len());
        for key in self.keys(kinds, value)? {
            elements.push(&key, Data::None, None);
        }
        elements.finish();
        let contents = Contents::Elements(elements);
        Some(self.model.push_set(Set { name: None, table: Some(self.table), span: Span::default(), size: 0, contents }))
    }

    /// What elements hold; unknown when one of them is not understood.
    pub(super) fn contents(&mut self, kinds: &[Kind], data: &DataKind, run: Run) -> Contents {
        let list = run.of(&self.tree.elements);
        let plain = *data == DataKind::None && kinds.len() == 1 && list.iter().all(|e| e.opts.is_empty());
        let built = if plain { self.merged(kinds[0], list) } else { self.separate(kinds, data, list) };
        built.map_or(Contents::Unknown, |mut elements| {
            elements.finish();
            Contents::Elements(elements)
        })
    }

    fn merged(&mut self, kind: Kind, list: &[Element]) -> Option<Elements> {
        let mut all = Vec::with_capacity(list.len());
        let mut elements = Elements::new(1);
        for e in list {
            if self.tree.expr(e.key) == Written::Star {
                elements.push_catch_all(Data::None);
                continue;
            }
            all.extend(self.ranges(kind, e.key)?);
        }
        let single = all.iter().all(|(lo, hi)| lo == hi);
        if single {
            all.sort_unstable();
            all.dedup();
        } else {
            all = Values::new(all).ranges().to_vec();
        }
        for range in all {
            elements.push(&[range], Data::None, None);
        }
        Some(elements)
    }

    fn separate(&mut self, kinds: &[Kind], data: &DataKind, list: &[Element]) -> Option<Elements> {
        let mut elements = Elements::new(kinds.len());
        for e in list {
            let value = self.element_data(data, e.data)?;
            if self.tree.expr(e.key) == Written::Star {
                elements.push_catch_all(value);
                continue;
            }
            let extra = self.extra(e.opts);
            for key in self.keys(kinds, e.key)? {
                elements.push(&key, value.clone(), extra.clone());
            }
        }
        Some(elements)
    }

    /// The keys that a written element stands for: a variable may stand for several.
    fn keys(&mut self, kinds: &[Kind], id: WrittenId) -> Option<Vec<Key>> {
        if let [kind] = kinds {
            return Some(self.ranges(*kind, id)?.into_iter().map(|r| vec![r]).collect());
        }
        let id = self.resolve(id);
        match self.tree.expr(id) {
            Written::Concat(run) if run.len() == kinds.len() => {
                let mut keys: Vec<Key> = vec![Vec::new()];
                for (kind, part) in kinds.iter().zip(run.of(&self.tree.lists)) {
                    let ranges = self.ranges(*kind, *part)?;
                    keys = keys
                        .iter()
                        .flat_map(|k| ranges.iter().map(|r| k.iter().copied().chain([*r]).collect()))
                        .collect();
                    if keys.len() > 1 << 16 {
                        return None;
                    }
                }
                Some(keys)
            }
            Written::Set(run) => {
                let mut keys = Vec::new();
                for e in run.of(&self.tree.elements) {
                    if matches!(self.tree.expr(self.resolve(e.key)), Written::Concat(_)) {
                        keys.extend(self.keys(kinds, e.key)?);
                    } else {
                        return None;
                    }
                }
                Some(keys)
            }
            _ => None,
        }
    }

    fn element_data(&mut self, kind: &DataKind, data: Option<WrittenId>) -> Option<Data> {
        match (kind, data) {
            (DataKind::None, None) => Some(Data::None),
            (DataKind::Verdict, Some(id)) => Some(match self.verdict(id) {
                Some(v) => Data::Verdict(v),
                None => Data::Opaque(self.model.push_text(nettrace_grammar::nft::print::expr_text(self.tree, id))),
            }),
            (DataKind::Object, Some(id)) => {
                let name = self.tree.word(self.resolve(id))?;
                Some(Data::Object(self.model.names.intern(name)))
            }
            (DataKind::Values(kinds), Some(id)) => self.data_values(kinds, id),
            _ => None,
        }
    }

    fn data_values(&mut self, kinds: &[Kind], id: WrittenId) -> Option<Data> {
        let id = self.resolve(id);
        let parts = match self.tree.expr(id) {
            Written::Concat(run) => run.of(&self.tree.lists).to_vec(),
            _ => vec![id],
        };
        let mut values = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            // The second part of a target is its port, whether or not the context knew of one.
            let kind = kinds.get(i).copied().unwrap_or(Kind::Port);
            values.push(*self.ranges(kind, *part)?.first()?);
        }
        Some(Data::Values(values.into()))
    }

    /// Timeouts and statements of an element.
    fn extra(&mut self, opts: Run) -> Option<ElementExtra> {
        let mut extra = ElementExtra::default();
        for stmt in opts.of(&self.tree.stmts) {
            let StmtKind::Keyword { word, args } = stmt.kind else { continue };
            let words = args.of(&self.tree.lists);
            match self.text(word) {
                "expires" => {
                    extra.expires = words
                        .first()
                        .and_then(|w| duration_ms(&nettrace_grammar::nft::print::expr_text(self.tree, *w)));
                }
                keyword => extra.stateful.extend(self.stateful(keyword, words)),
            }
        }
        (extra != ElementExtra::default()).then_some(extra)
    }

    /// The statements and the timeout of `add @s { … }`.
    pub(super) fn update_options(&mut self, opts: Run) -> (Vec<Stateful>, Option<u64>) {
        let (mut stateful, mut timeout) = (Vec::new(), None);
        for stmt in opts.of(&self.tree.stmts) {
            let StmtKind::Keyword { word, args } = stmt.kind else { continue };
            let words = args.of(&self.tree.lists);
            match self.text(word) {
                "timeout" => {
                    timeout = words
                        .first()
                        .and_then(|w| duration_ms(&nettrace_grammar::nft::print::expr_text(self.tree, *w)));
                }
                keyword => stateful.extend(self.stateful(keyword, words)),
            }
        }
        (stateful, timeout)
    }

    /// Declares a set or map with its type, without elements yet.
    pub(super) fn declare_set(&mut self, item: &Item, name: Name) {
        let Body::Lines(lines) = item.body else { return };
        let (mut key, mut data, mut size) = (vec![Kind::Any], None, 0);
        for line in lines.of(&self.tree.lines) {
            match *line {
                Line::Type { of, key: k, data: d } => {
                    key = self.type_kinds(of, k);
                    data = d.map(|d| (of, d));
                }
                Line::Words(words) => {
                    let words = words.of(&self.tree.lists);
                    if let [word, value, ..] = words
                        && self.tree.word(*word) == Some("size")
                        && let Written::Num(n) = self.tree.expr(*value)
                    {
                        size = n;
                    }
                }
                _ => {}
            }
        }
        let data = match data {
            None => DataKind::None,
            Some((of, d)) => self.data_kind(of, d),
        };
        let text = self.text(name);
        let id = self.set_named(name).unwrap_or_else(|| {
            let contents = Contents::Elements(Elements::new(key.len()));
            let name = Some(self.model.names.intern(text));
            self.model.push_set(Set { name, table: Some(self.table), span: item.span, size, contents })
        });
        self.sets.insert((self.table, name), id);
        self.types.insert(id, SetType { key, data });
    }

    /// Fills a declared set.
    pub(super) fn fill_set(&mut self, item: &Item, name: Name) {
        let Body::Lines(lines) = item.body else { return };
        for line in lines.of(&self.tree.lines) {
            let Line::Assign { name: word, value } = *line else { continue };
            if self.text(word) == "elements"
                && let Written::Set(run) = self.tree.expr(self.resolve(value))
            {
                self.add_elements(name, run, item.span);
            }
        }
    }

    /// Adds elements to a set that exists.
    pub(super) fn add_elements(&mut self, name: Name, run: Run, span: Span) {
        let Some(id) = self.set_named(name) else {
            let text = self.text(name);
            return self.warn(span, format!("there is no set `{text}`"));
        };
        let kind = self.types.get(&id).cloned().unwrap_or_else(|| self.guessed_type(id, run));
        let added = self.contents(&kind.key, &kind.data, run);
        if let Contents::Unknown = added {
            let text = self.text(name);
            self.warn(span, format!("an element of set `{text}` is not understood; its contents are unknown"));
        }
        let first = matches!(&self.model.set(id).contents, Contents::Elements(e) if e.is_empty());
        if first && !self.changed.contains_key(&id) {
            self.model.sets[id.0 as usize].contents = added;
            return;
        }
        self.change(id, added, Changed::add);
    }

    /// Removes elements from a set.
    pub(super) fn remove_elements(&mut self, name: Name, run: Run) {
        let Some(id) = self.set_named(name) else { return };
        let kind = self.types.get(&id).cloned().unwrap_or_else(|| self.guessed_type(id, run));
        let gone = self.contents(&kind.key, &DataKind::None, run);
        self.change(id, gone, Changed::remove);
    }

    /// Changes a set by some elements; by unknown ones it becomes unknown.
    fn change(&mut self, id: SetId, by: Contents, how: impl FnOnce(&mut Changed, &Elements)) {
        let contents = &mut self.model.sets[id.0 as usize].contents;
        if let (Contents::Elements(old), Contents::Elements(by)) = (&*contents, by) {
            return how(self.changed.entry(id).or_insert_with(|| Changed::new(old)), &by);
        }
        *contents = Contents::Unknown;
        self.changed.remove(&id);
    }

    /// Takes all elements out of a set.
    pub(super) fn empty_set(&mut self, id: SetId) {
        self.changed.remove(&id);
        if let Contents::Elements(e) = &mut self.model.sets[id.0 as usize].contents {
            *e = Elements::new(e.arity());
        }
    }

    /// Gives changed sets their elements.
    pub(super) fn settle_sets(&mut self) {
        for (id, changed) in self.changed.drain() {
            self.model.sets[id.0 as usize].contents = Contents::Elements(changed.packed());
        }
    }

    /// The type of a set that an earlier input declared: by its shape and the element given.
    fn guessed_type(&mut self, id: SetId, run: Run) -> SetType {
        let arity = match &self.model.set(id).contents {
            Contents::Elements(e) => e.arity(),
            Contents::Unknown | Contents::Ipset(_) => 1,
        };
        let data = match run.of(&self.tree.elements).first().and_then(|e| e.data) {
            None => DataKind::None,
            Some(d) if matches!(self.tree.expr(d), Written::Verdict(_) | Written::Jump(..)) => DataKind::Verdict,
            Some(_) => DataKind::Values(vec![Kind::Any]),
        };
        SetType { key: vec![Kind::Any; arity], data }
    }

    fn data_kind(&mut self, of: bool, id: WrittenId) -> DataKind {
        let id = if let Written::Tagged(_, inner) = self.tree.expr(id) { inner } else { id };
        match self.tree.word(id) {
            Some("verdict") => DataKind::Verdict,
            Some("counter" | "quota" | "limit" | "secmark" | "synproxy" | "tunnel") => DataKind::Object,
            Some(text) if text.starts_with("ct ") && !of => DataKind::Object,
            _ => DataKind::Values(self.type_kinds(of, id)),
        }
    }

    /// The kinds of a `type` or `typeof` line.
    fn type_kinds(&mut self, of: bool, id: WrittenId) -> Vec<Kind> {
        let parts = match self.tree.expr(id) {
            Written::Concat(run) => run.of(&self.tree.lists).to_vec(),
            _ => vec![id],
        };
        parts.iter().map(|p| if of { self.kind_of(*p) } else { self.type_kind(*p) }).collect()
    }

    fn type_kind(&self, id: WrittenId) -> Kind {
        match self.tree.expr(id) {
            Written::Tagged(_, inner) => self.type_kind(inner),
            _ => self.tree.word(id).and_then(Kind::of_type).unwrap_or(Kind::Any),
        }
    }

    /// The kind of what a `typeof` names; tests that the operand would need are not kept.
    fn kind_of(&mut self, id: WrittenId) -> Kind {
        let (ops, known, ports) = (self.draft.ops.len(), self.known.len(), self.has_ports);
        let asked = self.model.asked;
        let kind = self.operand(id).map(|o| o.kind);
        self.draft.ops.truncate(ops);
        self.known.truncate(known);
        self.has_ports = ports;
        self.model.asked = asked;
        kind.or_else(|| self.tree.word(id).and_then(Kind::of_type)).unwrap_or(Kind::Any)
    }
}
