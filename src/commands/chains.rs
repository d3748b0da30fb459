//! `nettrace chains`: the base chains in the order of their hooks, and what they lead to, as a tree or a graph.
//!
//! Left out: what the rules say; a chain shows how many it has and which of them jump.

use nettrace_engine::explain::names::Labels;
use nettrace_engine::graph::{ChainGraph, TreeNode};
use nettrace_engine::limits;
use nettrace_engine::model::{ChainId, Hook, Model};

use crate::cli::{ChainsArgs, GraphFormat};
use crate::load::{self, Failure};
use crate::output::{Paint, Screen};

/// Runs it.
pub fn run(args: &ChainsArgs, screen: &mut Screen) -> Result<(), Failure> {
    let loaded = load::load(&args.input)?;
    super::complain(&loaded, screen);
    let view = View {
        model: &loaded.model,
        labels: Labels::build(&loaded.model),
        graph: ChainGraph::build(&loaded.model),
        paint: screen.paint,
    };
    let roots = view.roots(args)?;
    let drawn = match args.format {
        GraphFormat::Tree => view.tree(&roots, args.from.is_none() && args.table.is_none()),
        GraphFormat::Dot => view.dot(&roots),
        GraphFormat::Mermaid => view.mermaid(&roots),
    };
    screen.print(&drawn)
}

struct View<'a> {
    model: &'a Model,
    labels: Labels<'a>,
    graph: ChainGraph,
    paint: Paint,
}

impl View<'_> {
    /// The chains to start from: the named one, else the base chains by hook and priority.
    fn roots(&self, args: &ChainsArgs) -> Result<Vec<ChainId>, Failure> {
        let all = (0..self.model.chains.len() as u32).map(ChainId);
        let in_table = |c: &ChainId| args.table.as_deref().is_none_or(|t| self.table(*c) == t);
        if let Some(name) = &args.from {
            let found: Vec<_> = all.filter(|c| self.model.chain_name(*c) == name).filter(in_table).collect();
            let none = || Failure::new(format!("there is no chain {name} in these rules"));
            return if found.is_empty() { Err(none()) } else { Ok(found) };
        }
        let mut roots: Vec<_> = all.filter(in_table).filter(|c| self.model.chain(*c).base.is_some()).collect();
        roots.sort_by_key(|c| self.model.chain(*c).base.as_ref().map(|b| (b.hook, b.priority)));
        let none = || Failure::new("there are no such base chains in these rules");
        if roots.is_empty() { Err(none()) } else { Ok(roots) }
    }

    fn table(&self, chain: ChainId) -> &str {
        self.model.name(self.model.table_of(chain).name)
    }

    /// `ip nat PREROUTING`.
    fn full_name(&self, chain: ChainId) -> String {
        let table = self.model.table_of(chain);
        let name = format!("{} {} {}", table.family.name(), self.model.name(table.name), self.model.chain_name(chain));
        self.paint.text(&name)
    }

    fn tree(&self, roots: &[ChainId], notes: bool) -> String {
        let mut out = String::new();
        let mut hook: Option<Hook> = None;
        for root in roots {
            let base = self.model.chain(*root).base.as_ref();
            if let Some(b) = base.filter(|b| hook != Some(b.hook)) {
                let gap = if hook.is_some() { "\n" } else { "" };
                out.push_str(&format!("{gap}{}\n", self.paint.bold(&b.hook.name().to_ascii_uppercase())));
                hook = Some(b.hook);
            }
            for node in self.graph.tree(*root, limits::CHAINS) {
                out.push_str(&self.line(&node));
            }
        }
        if notes {
            out.push_str(&self.oddities());
        }
        out
    }

    fn line(&self, node: &TreeNode) -> String {
        let chain = self.model.chain(node.chain);
        let name = if node.depth == 0 {
            self.full_name(node.chain)
        } else {
            self.paint.text(self.model.chain_name(node.chain))
        };
        let indent = "  ".repeat(node.depth.min(30) as usize + 1);
        let rules = match chain.rules.len() {
            1 => "1 rule".to_string(),
            n => format!("{n} rules"),
        };
        let mut facts = vec![rules];
        if let Some(b) = &chain.base {
            facts.push(format!("priority {}", b.priority));
            facts.push(format!("policy {}", self.model.show_verdict(b.policy)));
        }
        match self.numbers(node).as_slice() {
            [] => {}
            [one] => facts.push(format!("from rule {one}")),
            [first, rest @ ..] => facts.push(format!("from rule {first} and {} more", rest.len())),
        }
        if node.repeated {
            facts.push("see above".to_string());
        }
        facts.extend(self.labels.chain(node.chain).map(|l| self.paint.text(&l)));
        format!("{indent}{name}  {}\n", self.paint.dim(&facts.join(", ")))
    }

    /// The positions of the rules that lead to a node.
    fn numbers(&self, node: &TreeNode) -> Vec<u32> {
        node.by
            .iter()
            .take(2)
            .filter_map(|r| self.model.position(*r))
            .chain(node.by.iter().skip(2).map(|_| 0))
            .collect()
    }

    /// Loops, and chains that nothing leads to.
    fn oddities(&self) -> String {
        let mut out = String::new();
        let names = |chains: &[ChainId]| chains.iter().map(|c| self.full_name(*c)).collect::<Vec<_>>();
        for found in self.graph.loops() {
            let text = format!("Loop: {}; the kernel refuses this", names(&found).join(", "));
            out.push_str(&format!("\n{}\n", self.paint.bad(&text)));
        }
        let unused = self.graph.unused();
        if !unused.is_empty() {
            out.push_str(&format!("\n{}\n", self.paint.bold("Not reached from any hook")));
            for name in names(unused) {
                out.push_str(&format!("  {}\n", self.paint.dim(&name)));
            }
        }
        out
    }

    /// All edges below the roots, each once, with how many rules they stand for.
    fn edges(&self, roots: &[ChainId]) -> Vec<(ChainId, ChainId, usize)> {
        let mut seen = vec![false; self.model.chains.len()];
        let mut out = Vec::new();
        for root in roots {
            for chain in self.graph.reach(*root) {
                if !std::mem::replace(&mut seen[chain.0 as usize], true) {
                    out.extend(self.graph.below(chain).into_iter().map(|(to, by)| (chain, to, by.len())));
                }
            }
        }
        out.truncate(limits::CHAINS);
        out
    }

    /// The chains that are drawn.
    fn drawn(roots: &[ChainId], edges: &[(ChainId, ChainId, usize)]) -> Vec<ChainId> {
        let mut chains: Vec<_> = roots.iter().copied().chain(edges.iter().flat_map(|(a, b, _)| [*a, *b])).collect();
        chains.sort_unstable();
        chains.dedup();
        chains
    }

    /// The words in a node: its name, and its hook if it has one.
    fn node_text(&self, chain: ChainId) -> (String, String) {
        let name = if self.model.chain(chain).base.is_some() {
            self.full_name(chain)
        } else {
            self.paint.text(self.model.chain_name(chain))
        };
        (name, self.labels.chain(chain).map(|l| self.paint.text(&l)).unwrap_or_default())
    }

    fn dot(&self, roots: &[ChainId]) -> String {
        let quote = |s: &str| s.replace('\\', "\\\\").replace('"', "\\\"");
        let edges = self.edges(roots);
        let mut out = "digraph chains {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_string();
        for chain in Self::drawn(roots, &edges) {
            let (name, label) = self.node_text(chain);
            let text = if label.is_empty() { quote(&name) } else { format!("{}\\n{}", quote(&name), quote(&label)) };
            let style = if self.model.chain(chain).base.is_some() { ", style=bold" } else { "" };
            out.push_str(&format!("  c{} [label=\"{text}\"{style}];\n", chain.0));
        }
        for (from, to, n) in &edges {
            let label = if *n > 1 { format!(" [label=\"{n} rules\"]") } else { String::new() };
            out.push_str(&format!("  c{} -> c{}{label};\n", from.0, to.0));
        }
        out + "}\n"
    }

    fn mermaid(&self, roots: &[ChainId]) -> String {
        let quote = |s: &str| s.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
        let edges = self.edges(roots);
        let mut out = "flowchart LR\n".to_string();
        for chain in Self::drawn(roots, &edges) {
            let (name, label) = self.node_text(chain);
            let text = if label.is_empty() { quote(&name) } else { format!("{}<br>{}", quote(&name), quote(&label)) };
            let (open, close) = if self.model.chain(chain).base.is_some() { ("([", "])") } else { ("[", "]") };
            out.push_str(&format!("  c{}{open}\"{text}\"{close}\n", chain.0));
        }
        for (from, to, n) in &edges {
            let label = if *n > 1 { format!("|{n} rules|") } else { String::new() };
            out.push_str(&format!("  c{} -->{label} c{}\n", from.0, to.0));
        }
        out
    }
}
