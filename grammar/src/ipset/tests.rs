//! Reading and printing, `ipset list`, diagnostics, generated trees.

use proptest::prelude::*;

use super::*;
use crate::source::Sources;

fn read(text: &str) -> (Tree<'static>, Vec<String>) {
    let mut sources = Sources::default();
    // A tree stands on its source: the test's stays.
    let source = Box::leak(Box::new(sources.add("f", text).unwrap().clone()));
    let (tree, diagnostics) = parse(source);
    let shown = diagnostics.iter().map(|d| format!("{}: {}", sources.locate(d.span).unwrap(), d.message)).collect();
    (tree, shown)
}

fn printed(tree: &Tree) -> String {
    let mut out = String::new();
    print(tree, &mut out);
    out
}

fn check(text: &str, expect: &str) {
    let (tree, diagnostics) = read(text);
    assert_eq!(diagnostics, [""; 0], "{text}");
    assert_eq!(printed(&tree), expect, "{text}");
    assert_eq!(printed(&read(expect).0), expect, "{text}");
}

#[test]
fn saves_print_as_they_were() {
    let save = "create S hash:ip family inet hashsize 1024 maxelem 65536 timeout 5 comment\n\
                add S 10.0.0.1 timeout 3 comment \"a  b\"\nadd S 10.0.0.2\n\n# end\n";
    check(save, save);
    let (tree, _) = read(save);
    assert_eq!(tree.words(&tree.lines[1]).collect::<Vec<_>>(), ["10.0.0.1", "timeout", "3", "comment", "a  b"]);
    assert_eq!((tree.set(&tree.lines[2]), tree.text(&tree.lines[2])), ("S", "10.0.0.2"));
    let span = tree.lines[2].span();
    assert_eq!(save.get(span.start as usize - 1..span.end as usize - 1), Some("add S 10.0.0.2"));
}

#[test]
fn other_spellings_reach_a_fixed_point() {
    check("ipset -! add  S\t1.1.1.1 comment 'x y'\r\n", "ipset add S 1.1.1.1 comment \"x y\" -exist\n");
    check("sudo ipset create S hash:ip", "ipset create S hash:ip\n");
    check("/ipset -N S hash:ip\n/usr/sbin/ipset -A S 1.1.1.1\n", "ipset create S hash:ip\nipset add S 1.1.1.1\n");
    check("#/usr/sbin/ipset \n", "#/usr/sbin/ipset \n");
    check("-N S hash:ip\n-A S 1.1.1.1\n-X\nCOMMIT\n", "create S hash:ip\nadd S 1.1.1.1\ndestroy\nCOMMIT\n");
    check("swap a b\nrename a b\nflush a\n", "swap a b\nrename a b\nflush a\n");
}

#[test]
fn listings_become_saves() {
    let list = "Name: S\nType: hash:net\nRevision: 7\nHeader: family inet hashsize 1024\nSize in memory: 500\n\
                References: 1\nNumber of entries: 1\nMembers:\n10.0.0.0/8 nomatch\n\nName: E\nType: list:set\n\
                Revision: 3\nHeader: size 8\nMembers:\n";
    check(list, "create S hash:net family inet hashsize 1024\nadd S 10.0.0.0/8 nomatch\ncreate E list:set size 8\n");
    // A name is one word; what stands behind it is no part of the line that is made of it.
    check("Name: a\tb \rc\nType: hash:ip x\nMembers:\n1.2.3.4\n", "create a hash:ip\nadd a 1.2.3.4\n");
}

#[test]
fn a_bad_line_costs_that_line() {
    let (tree, diagnostics) = read("add S\ncrate S hash:ip\nadd S 1\ncreate\n");
    assert_eq!(
        diagnostics,
        ["f:1:6: unexpected end of the line", "f:2:1: unexpected `crate`", "f:4:7: unexpected end of the line"]
    );
    assert_eq!(printed(&tree), "add S 1\n");
    // Found by fuzzing: a block without a name was printed as the lines of a set without one.
    let (tree, diagnostics) =
        read("Name: \nType: hash:ip\nHeader: family inet\nMembers:\n1.2.3.4\n\nName: S\nMembers:\n5.6.7.8\n");
    assert_eq!(diagnostics, ["f:5:1: the set of this entry has no name"]);
    assert_eq!(printed(&tree), "add S 5.6.7.8\n");
}

#[test]
fn lines_are_small() {
    assert!(size_of::<tree::Line>() <= 24);
}

proptest! {
    #[test]
    fn generated_lines_round_trip(
        lines in prop::collection::vec(("[a-z][a-z0-9_:.-]{0,9}", "[a-z0-9.:,/-]{1,12}", "[ -!#-&(-~\u{e9}]{0,9}"), 0..6),
    ) {
        let text: Vec<_> = lines.iter().map(|(s, e, c)| format!("add {s} {e} comment \"{c}\"\n")).collect();
        let text = text.concat();
        let (tree, diagnostics) = read(&text);
        prop_assert_eq!(diagnostics, [""; 0]);
        prop_assert_eq!(printed(&tree), text);
        for (line, (set, entry, comment)) in tree.lines.iter().zip(&lines) {
            prop_assert_eq!(tree.set(line), set);
            prop_assert_eq!(tree.words(line).collect::<Vec<_>>(), [entry, "comment", comment]);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "(?s)(add |create |ipset |Name: |[-! \"'\n\0a]|.){0,40}") {
        let once = printed(&read(&text).0);
        if !list::is_list(&text) {
            prop_assert_eq!(printed(&read(&once).0), once);
        }
    }
}
