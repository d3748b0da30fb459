//! An answer as a flow chart, for slides: Mermaid or Graphviz. Ways that begin alike share their beginning.
//!
//! `packet → nat KUBE-SVC-X #3 → DNAT … → FORWARDED`. Left out: rules without effect.

use nettrace_engine::explain::answer::{Answer, Ending, Row, Stage};
use nettrace_engine::explain::way::What;

use super::text::{Scene, hook_name, one_line, packet_line, parts};

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Packet,
    Step,
    Decision,
    End,
}

/// A tree of steps: each node has its parent, and the words on the edge to it.
#[derive(Default)]
struct Tree {
    nodes: Vec<(Option<usize>, String, Kind)>,
    odds: Vec<String>,
}

impl Tree {
    /// The child of a node with this text, new or known.
    fn child(&mut self, parent: Option<usize>, text: String, kind: Kind) -> usize {
        let known = self.nodes.iter().position(|(p, t, k)| *p == parent && *t == text && *k == kind);
        known.unwrap_or_else(|| {
            self.nodes.push((parent, text, kind));
            self.odds.push(String::new());
            self.nodes.len() - 1
        })
    }
}

fn tree(scene: &Scene, answer: &Answer) -> Tree {
    let mut tree = Tree::default();
    for ending in &answer.endings {
        let mut at = tree.child(None, packet_line(scene, &ending.start), Kind::Packet);
        for (text, kind) in steps(scene, ending) {
            at = tree.child(Some(at), text, kind);
        }
        let end = tree.child(Some(at), one_line(scene, answer, ending), Kind::End);
        if let Some(odds) = ending.odds.filter(|_| answer.endings.len() > 1) {
            tree.odds[end] = format!("{:.1} %", odds * 100.0);
        }
    }
    tree
}

fn steps(scene: &Scene, ending: &Ending) -> Vec<(String, Kind)> {
    let family = ending.start.family();
    let mut out = Vec::new();
    for stage in &ending.stages {
        match stage {
            Stage::Hook { hook, rows, .. } => {
                for row in rows {
                    let Row::Pass { base, steps, .. } = row else { continue };
                    let table = scene.model.name(scene.model.table_of(*base).name);
                    for step in steps.iter().filter(|s| !matches!(s.what, What::Return)) {
                        let p = parts(scene, step, family);
                        let lines =
                            [format!("{} {}", hook_name(*hook), scene.paint.text(table)), p.rule.clone(), p.told()];
                        let all: Vec<String> = lines.into_iter().chain(p.rewrites).filter(|l| !l.is_empty()).collect();
                        out.push((all.join("\n"), Kind::Step));
                    }
                }
            }
            Stage::Route(routed) => {
                out.push((format!("routing\n{}", super::text::route(scene, routed)), Kind::Decision));
            }
            Stage::Built(_) => {}
        }
    }
    out
}

/// As a Mermaid flow chart.
pub fn mermaid(scene: &Scene, answer: &Answer) -> String {
    let quote = |s: &str| {
        let s = s.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
        s.replace('#', "&#35;").replace('\n', "<br>")
    };
    let tree = tree(scene, answer);
    let mut out = "flowchart TD\n".to_string();
    for (i, (_, text, kind)) in tree.nodes.iter().enumerate() {
        let (open, close) = match kind {
            Kind::Packet | Kind::End => ("([\"", "\"])"),
            Kind::Step => ("[\"", "\"]"),
            Kind::Decision => ("{{\"", "\"}}"),
        };
        out.push_str(&format!("  n{i}{open}{}{close}\n", quote(text)));
    }
    for (i, (parent, _, _)) in tree.nodes.iter().enumerate() {
        if let Some(parent) = parent {
            let label = if tree.odds[i].is_empty() { String::new() } else { format!("|{}|", tree.odds[i]) };
            out.push_str(&format!("  n{parent} -->{label} n{i}\n"));
        }
    }
    out
}

/// As a Graphviz graph.
pub fn dot(scene: &Scene, answer: &Answer) -> String {
    let quote = |s: &str| s.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let tree = tree(scene, answer);
    let mut out = "digraph way {\n  node [shape=box, fontname=\"sans-serif\"];\n".to_string();
    for (i, (_, text, kind)) in tree.nodes.iter().enumerate() {
        let shape = match kind {
            Kind::Packet | Kind::End => ", shape=box, style=\"rounded,bold\"",
            Kind::Step => "",
            Kind::Decision => ", shape=hexagon",
        };
        out.push_str(&format!("  n{i} [label=\"{}\"{shape}];\n", quote(text)));
    }
    for (i, (parent, _, _)) in tree.nodes.iter().enumerate() {
        if let Some(parent) = parent {
            let label = if tree.odds[i].is_empty() { String::new() } else { format!(" [label=\"{}\"]", tree.odds[i]) };
            out.push_str(&format!("  n{parent} -> n{i}{label};\n"));
        }
    }
    out + "}\n"
}
