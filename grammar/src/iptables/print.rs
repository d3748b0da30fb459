//! A tree as text: what `iptables-save` would print, or the command as typed.
//!
//! `--comment "it\'s"`: a word that was quoted is quoted again, with `"`, `\` and `'` escaped as `iptables-save` does.

use std::fmt::Write as _;

use super::tree::{ChainOp, Counters, Item, Program, RuleLine, RuleOp, Tree, Word, WordKind, Words};
use crate::source::Span;

/// Appends the whole tree to `out`, one line per item.
pub fn print(tree: &Tree, out: &mut String) {
    for (item, line) in tree.items.iter() {
        print_item(tree, &item, line, out);
        out.push('\n');
    }
}

/// Appends one item, which stands on `line`, to `out`, without a newline.
pub fn print_item(tree: &Tree, item: &Item, line: Span, out: &mut String) {
    match *item {
        Item::Blank => {}
        Item::Comment => {
            out.push('#');
            out.push_str(tree.comment(line));
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
            if let Some(c) = counters.and_then(|c| tree.counters(c)) {
                out.push(' ');
                print_counters(c, out);
            }
        }
        Item::Policy { program, chain, policy, words: rest } => {
            head(program, "-P", out);
            operand(tree, chain, program.is_some(), out);
            operand(tree, policy, program.is_some(), out);
            words(tree, rest, program.is_some(), out);
        }
        Item::NewChain { program, chain, words: rest } => {
            head(program, "-N", out);
            operand(tree, chain, program.is_some(), out);
            words(tree, rest, program.is_some(), out);
        }
        Item::Command { program, op, words: rest } => {
            head(program, command(op), out);
            words(tree, rest, program.is_some(), out);
        }
        Item::Rule(rule) => print_rule(tree, &rule, out),
        Item::Commit => out.push_str("COMMIT"),
    }
}

fn print_rule(tree: &Tree, rule: &RuleLine, out: &mut String) {
    if let Some(counters) = rule.counters.and_then(|c| tree.counters(c)) {
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
    head(rule.program, op, out);
    operand(tree, rule.chain, shell, out);
    if let Some(n) = number {
        out.push(' ');
        out.push_str(&n.to_string());
    }
    // A first word of digits would be read as the rule number that may stand there.
    let numbered = number.is_none() && matches!(rule.op, RuleOp::Insert(_) | RuleOp::Delete);
    let mut rest = tree.words(rule.words).peekable();
    let digits = |w: &Word| w.kind == WordKind::Plain && w.text.bytes().all(|b| b.is_ascii_digit());
    if let Some(word) = rest.next_if(|w| numbered && digits(w)) {
        out.push(' ');
        quoted(word.text, &[], out);
    }
    for word in rest {
        out.push(' ');
        print_word(&word, shell, out);
    }
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

fn head(program: Option<Program>, op: &str, out: &mut String) {
    if let Some(program) = program {
        out.push_str(program.name());
        out.push(' ');
    }
    out.push_str(op);
}

fn operand(tree: &Tree, name: Span, shell: bool, out: &mut String) {
    out.push(' ');
    name_word(tree, name, shell, out);
}

/// A name: bare unless it would not be read back so.
fn name_word(tree: &Tree, name: Span, shell: bool, out: &mut String) {
    let text = tree.text(name);
    // A word that begins with `[` would be counters where a policy is due.
    let bare = !text.is_empty() && !text.starts_with(['-', '[']) && !text.contains([' ', '\t', '\r', '"']);
    if shell {
        shell_word(text, !bare, out);
    } else if bare {
        out.push_str(text);
    } else {
        quoted(text, &['"', '\\', '\''], out);
    }
}

fn words(tree: &Tree, words: Words, shell: bool, out: &mut String) {
    for word in tree.words(words) {
        out.push(' ');
        print_word(&word, shell, out);
    }
}

/// Appends a word as it would be read back, in a dump or as in a shell.
pub fn print_word(word: &Word, shell: bool, out: &mut String) {
    match word.kind {
        WordKind::Bang => out.push('!'),
        _ if shell => shell_word(word.text, false, out),
        WordKind::Quoted => quoted(word.text, &['"', '\\', '\''], out),
        WordKind::Option | WordKind::Plain => out.push_str(word.text),
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
