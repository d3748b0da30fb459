//! Which chain leads to which: `INPUT → KUBE-ROUTER-INPUT → KUBE-POD-FW-7KDYWFZ2NUU6E6UX → …`.
//!
//! Built when it is asked for. Serves `nettrace chains` (tree, DOT, Mermaid), the search for the jump that was not taken,
//! loops and chains that nothing uses. Left out: whether a jump can ever match; here it only has to stand in a chain.

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, EdgeRef};
use rustc_hash::FxHashMap;

use crate::model::{ChainId, Contents, Data, Hook, Model, Op, RuleId, SetId, Verdict};

/// The chains that a rule jumps or goes to, by itself or through a verdict map's elements.
pub fn jumps(model: &Model, rule: RuleId) -> impl Iterator<Item = ChainId> + '_ {
    model.rule_ops(rule).iter().flat_map(move |op| {
        let (direct, map) = match op {
            Op::Verdict(v) => (target(*v), None),
            Op::VerdictMap(l) => (None, Some(map_targets(model, model.lookup(*l).set))),
            _ => (None, None),
        };
        direct.into_iter().chain(map.into_iter().flatten())
    })
}

/// The chains that the elements of a map lead to.
pub fn map_targets(model: &Model, set: SetId) -> impl Iterator<Item = ChainId> + '_ {
    let elements = match &model.set(set).contents {
        Contents::Elements(e) => Some(e),
        Contents::Unknown | Contents::Ipset(_) => None,
    };
    elements.into_iter().flat_map(|e| (0..e.len() as u32).map(|i| e.data(i))).filter_map(|d| match d {
        Data::Verdict(v) => target(*v),
        _ => None,
    })
}

fn target(verdict: Verdict) -> Option<ChainId> {
    match verdict {
        Verdict::Jump(c) | Verdict::Goto(c) => Some(c),
        _ => None,
    }
}

/// For each chain the rules in force that lead to it, in order.
pub fn callers(model: &Model) -> FxHashMap<ChainId, Vec<RuleId>> {
    let mut out: FxHashMap<ChainId, Vec<RuleId>> = FxHashMap::default();
    for rule in model.chains.iter().flat_map(|c| c.rules.iter()) {
        for to in jumps(model, rule) {
            let rules = out.entry(to).or_default();
            if rules.last() != Some(&rule) {
                rules.push(rule);
            }
        }
    }
    out
}

/// From which hooks a chain can be reached.
pub struct Hooks<'m> {
    model: &'m Model,
    callers: FxHashMap<ChainId, Vec<RuleId>>,
}

impl<'m> Hooks<'m> {
    /// Of a model's chains.
    pub fn new(model: &'m Model) -> Self {
        Hooks { model, callers: callers(model) }
    }

    /// The hooks of the base chains that lead to a chain, or of itself.
    pub fn of(&self, chain: ChainId) -> Vec<Hook> {
        let (mut found, mut at) = (vec![chain], 0);
        while let Some(chain) = found.get(at) {
            for rule in self.callers.get(chain).into_iter().flatten() {
                let above = self.model.rule(*rule).chain;
                if !found.contains(&above) {
                    found.push(above);
                }
            }
            at += 1;
        }
        found.into_iter().filter_map(|c| self.model.chain(c).base.as_ref()).map(|b| b.hook).collect()
    }
}

/// The chains of a model as a graph: an edge is a rule that leads from its chain to another.
pub struct ChainGraph {
    graph: DiGraph<ChainId, RuleId>,
    /// Chains that no base chain leads to, in input order.
    unused: Vec<ChainId>,
}

/// A chain in a tree of chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// The chain.
    pub chain: ChainId,
    /// The rules of the chain above that lead here; none for a root.
    pub by: Vec<RuleId>,
    /// How deep below its root.
    pub depth: u32,
    /// It was shown in full before: what is below it is not repeated.
    pub repeated: bool,
}

impl ChainGraph {
    /// The graph of all chains.
    pub fn build(model: &Model) -> Self {
        let mut graph = DiGraph::with_capacity(model.chains.len(), model.chains.len());
        for chain in 0..model.chains.len() as u32 {
            graph.add_node(ChainId(chain));
        }
        for (from, chain) in model.chains.iter().enumerate() {
            for rule in chain.rules.iter() {
                for to in jumps(model, rule).filter(|to| (to.0 as usize) < model.chains.len()) {
                    graph.add_edge(NodeIndex::new(from), node(to), rule);
                }
            }
        }
        let unused = unused(&graph, model);
        ChainGraph { graph, unused }
    }

    /// Chains that lead back to themselves; the kernel refuses such rules, a hand-edited dump may hold them.
    pub fn loops(&self) -> Vec<Vec<ChainId>> {
        let is_loop =
            |scc: &Vec<NodeIndex>| scc.len() > 1 || scc.first().is_some_and(|n| self.graph.find_edge(*n, *n).is_some());
        let mut found: Vec<Vec<ChainId>> =
            tarjan_scc(&self.graph).into_iter().filter(is_loop).map(|s| self.chains(s)).collect();
        for members in &mut found {
            members.sort_unstable();
        }
        found.sort_unstable();
        found
    }

    fn chains(&self, nodes: impl IntoIterator<Item = NodeIndex>) -> Vec<ChainId> {
        nodes.into_iter().map(|n| self.graph[n]).collect()
    }

    /// The rules that lead to a chain, in the order of their ids.
    pub fn jumps_to(&self, chain: ChainId) -> Vec<RuleId> {
        let mut rules: Vec<RuleId> =
            self.graph.edges_directed(node(chain), Direction::Incoming).map(|e| *e.weight()).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// Each chain that a chain leads to, with the rules that do; in the order of the first such rule.
    pub fn below(&self, chain: ChainId) -> Vec<(ChainId, Vec<RuleId>)> {
        let mut out: Vec<(ChainId, Vec<RuleId>)> = Vec::new();
        let mut at: FxHashMap<ChainId, usize> = FxHashMap::default();
        // petgraph gives the newest edge first.
        let mut edges: Vec<_> = self.graph.edges(node(chain)).collect();
        edges.reverse();
        for edge in edges {
            let to = self.graph[edge.target()];
            let i = *at.entry(to).or_insert_with(|| {
                out.push((to, Vec::new()));
                out.len() - 1
            });
            let rules = &mut out[i].1;
            if rules.last() != Some(edge.weight()) {
                rules.push(*edge.weight());
            }
        }
        out
    }

    /// All chains that a chain leads to, itself first.
    pub fn reach(&self, chain: ChainId) -> Vec<ChainId> {
        let mut bfs = Bfs::new(&self.graph, node(chain));
        std::iter::from_fn(|| bfs.next(&self.graph)).map(|n| self.graph[n]).collect()
    }

    /// Chains that no base chain leads to.
    pub fn unused(&self) -> &[ChainId] {
        &self.unused
    }

    /// The tree of chains below `root`; a chain is unfolded where it is first met, within `max` nodes.
    pub fn tree(&self, root: ChainId, max: usize) -> Vec<TreeNode> {
        let (mut out, mut seen) = (Vec::new(), vec![false; self.graph.node_count()]);
        let mut todo = vec![(root, Vec::new(), 0)];
        while let Some((chain, by, depth)) = todo.pop() {
            if out.len() >= max {
                break;
            }
            let repeated = seen.get(chain.0 as usize).copied().unwrap_or(true);
            if let Some(slot) = seen.get_mut(chain.0 as usize) {
                *slot = true;
            }
            let below = if repeated { Vec::new() } else { self.below(chain) };
            let leaf = self.graph.node_count() > chain.0 as usize && self.graph.edges(node(chain)).next().is_none();
            out.push(TreeNode { chain, by, depth, repeated: repeated && !leaf });
            todo.extend(below.into_iter().rev().map(|(to, by)| (to, by, depth + 1)));
        }
        out
    }
}

fn node(chain: ChainId) -> NodeIndex {
    NodeIndex::new(chain.0 as usize)
}

fn unused(graph: &DiGraph<ChainId, RuleId>, model: &Model) -> Vec<ChainId> {
    let mut used: Vec<bool> = model.chains.iter().map(|c| c.base.is_some()).collect();
    let mut todo: Vec<usize> = (0..used.len()).filter(|i| used[*i]).collect();
    while let Some(from) = todo.pop() {
        for to in graph.neighbors(NodeIndex::new(from)) {
            if !std::mem::replace(&mut used[to.index()], true) {
                todo.push(to.index());
            }
        }
    }
    (0..used.len()).filter(|i| !used[*i]).map(|i| ChainId(i as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BaseChain, ChainKind, Dialect, Draft, Family, Hook};
    use nettrace_grammar::Span;

    /// A model of chains by name; `a>b` is a jump. `in` is a base chain.
    fn model(names: &[&str], edges: &str) -> Model {
        let mut m = Model::default();
        let t = m.add_table(Family::Ip, "filter", Dialect::Nft, Span::default());
        for name in names {
            let base = (*name == "in").then_some(BaseChain {
                hook: Hook::Input,
                kind: ChainKind::Filter,
                priority: 0,
                policy: Verdict::Accept,
                told: true,
                devices: Vec::new(),
                order: 0,
            });
            m.add_chain(t, name, base, Span::default());
        }
        for edge in edges.split_whitespace() {
            let (from, to) = edge.split_once('>').unwrap();
            let find = |m: &Model, n| m.find_chain(t, n).unwrap();
            let (from, to) = (find(&m, from), find(&m, to));
            let draft = Draft { ops: vec![Op::Verdict(Verdict::Jump(to))], ..Draft::default() };
            m.append_rule(from, &draft, Span::default());
        }
        m
    }

    fn names(m: &Model, chains: &[ChainId]) -> String {
        chains.iter().map(|c| m.chain_name(*c)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn loops_and_unused_chains_are_found() {
        let m = model(&["in", "a", "b", "c", "d"], "in>a a>b b>a c>c");
        let g = ChainGraph::build(&m);
        let loops: Vec<_> = g.loops().iter().map(|l| names(&m, l)).collect();
        assert_eq!(loops, ["a b", "c"]);
        assert_eq!(names(&m, g.unused()), "c d");
        assert_eq!(names(&m, &g.reach(ChainId(0))), "in a b");
    }

    #[test]
    fn a_tree_unfolds_each_chain_once() {
        let m = model(&["in", "a", "b", "c"], "in>a in>b in>a a>b b>c");
        let g = ChainGraph::build(&m);
        let shown: Vec<_> = g
            .tree(ChainId(0), 10)
            .iter()
            .map(|n| {
                let mark = if n.repeated { "…" } else { "" };
                format!("{}{}{mark}x{}", ".".repeat(n.depth as usize), m.chain_name(n.chain), n.by.len())
            })
            .collect();
        assert_eq!(shown, ["inx0", ".ax2", "..bx1", "...cx1", ".b…x1"]);
        assert_eq!(g.jumps_to(ChainId(2)).len(), 2);
        assert_eq!(callers(&m)[&ChainId(1)].len(), 2);
    }
}
