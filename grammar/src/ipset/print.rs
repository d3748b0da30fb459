//! A tree as `ipset save` would print it, or as the command typed.

use super::tree::{Line, LineKind, Tree};

/// Appends the whole tree to `out`.
pub fn print(tree: &Tree, out: &mut String) {
    for line in &tree.lines {
        print_line(tree, line, out);
        out.push('\n');
    }
}

/// Appends one line to `out`, without a newline.
pub fn print_line(tree: &Tree, line: &Line, out: &mut String) {
    match line.kind {
        LineKind::Blank => {}
        LineKind::Comment => {
            out.push('#');
            out.push_str(tree.text(line));
        }
        kind => {
            out.push_str(if line.typed { "ipset " } else { "" });
            out.push_str(kind.command());
            for part in [tree.set(line), tree.text(line)].into_iter().filter(|p| !p.is_empty()) {
                out.push(' ');
                out.push_str(part);
            }
        }
    }
}
