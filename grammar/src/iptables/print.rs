//! A tree as text: what `iptables-save` would print, or the command as typed; the source is not needed.
//!
//! `--comment "it\'s"`: a word that was quoted is quoted again, with `"`, `\` and `'` escaped as `iptables-save` does.

use std::fmt::Write as _;

use super::tree::{ChainOp, Counters, Item, RuleLine, RuleOp, Tree, Word, WordKind};
use crate::names::Name;

/// Appends the whole tree to `out`, one line per item.
pub fn print(tree: &Tree, out: &mut String) {
    for item in &tree.items {
        print_item(tree, item, out);
        out.push('\n');
    }
}

/// Appends one item to `out`, without a newline.
pub fn print_item(tree: &Tree, item: &Item, out: &mut String) {
    match *item {
        Item::Blank => {}
        Item::Comment(text) => {
            out.push('#');
            out.push_str(tree.text(text));
        }
        Item::Table(name) => {
            out.push('*');
            name_word(tree, name, false, out);
        }
        Item::Chain { name, policy, counters } => {
            out.push(':');
            name_word(tree, name, false, out);
            out.push(' ');
            match policy {
                Some(policy) => name_word(tree, policy, false, out),
                None => out.push('-'),
            }
            if let Some(c) = counters {
                out.push(' ');
                print_counters(c, out);
            }
        }
        Item::Policy { program, chain, policy, first, end } => {
            head(tree, program, "-P", out);
            operand(tree, chain, program.is_some(), out);
            operand(tree, policy, program.is_some(), out);
            words(tree, first, end, program.is_some(), out);
        }
        Item::NewChain { program, chain, first, end } => {
            head(tree, program, "-N", out);
            operand(tree, chain, program.is_some(), out);
            words(tree, first, end, program.is_some(), out);
        }
        Item::Command { program, op, first, end } => {
            head(tree, program, command(op), out);
            words(tree, first, end, program.is_some(), out);
        }
        Item::Rule(rule) => print_rule(tree, &rule, out),
        Item::Commit => out.push_str("COMMIT"),
    }
}

/// Appends a rule's words to `out`, separated by blanks: `-p tcp -j DROP`.
pub fn print_words(tree: &Tree, rule: &RuleLine, out: &mut String) {
    let start = out.len();
    words(tree, rule.first, rule.end, rule.program.is_some(), out);
    if out.len() > start {
        out.remove(start);
    }
}

fn print_rule(tree: &Tree, rule: &RuleLine, out: &mut String) {
    if let Some(counters) = rule.counters {
        print_counters(counters, out);
        out.push(' ');
    }
    let (op, number) = match rule.op {
        RuleOp::Append => ("-A", None),
        RuleOp::Insert(n) => ("-I", (n != 1).then_some(n)),
        RuleOp::Replace(n) => ("-R", Some(n)),
        RuleOp::DeleteNumber(n) => ("-D", Some(n)),
        RuleOp::Delete => ("-D", None),
        RuleOp::Check => ("-C", None),
    };
    let shell = rule.program.is_some();
    head(tree, rule.program, op, out);
    operand(tree, rule.chain, shell, out);
    if let Some(n) = number {
        out.push(' ');
        out.push_str(&n.to_string());
    }
    words(tree, rule.first, rule.end, shell, out);
}

fn print_counters(c: Counters, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "[{}:{}]", c.packets, c.bytes);
}

fn command(op: ChainOp) -> &'static str {
    match op {
        ChainOp::Flush => "-F",
        ChainOp::DeleteChain => "-X",
        ChainOp::Zero => "-Z",
        ChainOp::Rename => "-E",
        ChainOp::List => "-L",
        ChainOp::ListRules => "-S",
    }
}

fn head(tree: &Tree, program: Option<Name>, op: &str, out: &mut String) {
    if let Some(program) = program {
        out.push_str(tree.text(program));
        out.push(' ');
    }
    out.push_str(op);
}

fn operand(tree: &Tree, name: Name, shell: bool, out: &mut String) {
    out.push(' ');
    name_word(tree, name, shell, out);
}

/// A name: bare unless it would not be read back so.
fn name_word(tree: &Tree, name: Name, shell: bool, out: &mut String) {
    let text = tree.text(name);
    let bare = !text.is_empty() && !text.starts_with('-') && !text.contains([' ', '\t', '\r', '"']);
    if shell {
        shell_word(text, !bare, out);
    } else if bare {
        out.push_str(text);
    } else {
        quoted(text, &['"', '\\', '\''], out);
    }
}

fn words(tree: &Tree, first: u32, end: u32, shell: bool, out: &mut String) {
    for word in tree.words.get(first as usize..end as usize).unwrap_or(&[]) {
        out.push(' ');
        print_word(tree, word, shell, out);
    }
}

fn print_word(tree: &Tree, word: &Word, shell: bool, out: &mut String) {
    let text = tree.text(word.text);
    match word.kind {
        WordKind::Bang => out.push('!'),
        _ if shell => shell_word(text, false, out),
        WordKind::Quoted => quoted(text, &['"', '\\', '\''], out),
        WordKind::Option | WordKind::Plain => out.push_str(text),
    }
}

fn shell_word(text: &str, force: bool, out: &mut String) {
    let plain = |c: char| c.is_alphanumeric() || "_-+=:,./%@!".contains(c);
    if !force && !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
    } else {
        quoted(text, &['"', '\\', '$', '`'], out);
    }
}

fn quoted(text: &str, escape: &[char], out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if escape.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
