//! What was copied from a terminal, or put into one file with headings: several outputs, each below the command that printed it.
//!
//! ```text
//! [root@node ~]# iptables -t nat -S         # iptables-save         ==> ip-addr <==
//! -P PREROUTING ACCEPT                      *filter                 1: lo: <LOOPBACK,UP>
//! ```
//!
//! Each kind of output becomes a text of its own in which the lines of all others are empty, so that every line keeps its number.
//! Left out: what commands print that nettrace does not read, and outputs without a command above them.

use std::collections::BTreeMap;

use super::kinds::{self, Kind};

/// How far into its line a prompt ends at most.
const PROMPT: usize = 82;

/// The texts of a session by their kinds; none if it is no session.
pub fn split(text: &str) -> Vec<(Kind, String)> {
    if !text.lines().any(|line| commanded(line).is_some()) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut found: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    let mut open: Option<Output> = None;
    let mut prompt = None;
    for (number, line) in lines.iter().enumerate() {
        if let Some((own, command)) = commanded(line) {
            prompt = user(own).or(prompt);
            open = Output::of(command);
        } else if prompt.is_some_and(|p| line.starts_with(p)) {
            open = None;
        } else if let Some(output) = &open {
            let text = found.entry(output.kind).or_insert_with(|| vec![String::new(); lines.len()]);
            let more = if line.trim().is_empty() { "" } else { &output.more };
            text[number] = format!("{line}{more}");
        }
    }
    found.into_iter().map(|(kind, lines)| (kind, lines.join("\n") + "\n")).collect()
}

/// What a command prints.
struct Output {
    kind: Kind,
    /// What each of its lines leaves out, for the command says it: the table.
    more: String,
}

impl Output {
    /// Of a command line, or of a file that has a name of a folder's.
    fn of(command: &str) -> Option<Output> {
        let base = command.rsplit('/').next().unwrap_or(command);
        if let Some((_, kind)) = kinds::NAMES.iter().find(|(name, _)| *name == base) {
            return Some(Output { kind: *kind, more: String::new() });
        }
        let all: Vec<&str> = command.split_whitespace().collect();
        let (program, words) = all.split_first()?;
        let program = program.rsplit('/').next().unwrap_or(program);
        let table = words.iter().skip_while(|w| !matches!(**w, "-t" | "table")).nth(1);
        let six = words.contains(&"-6") || program.starts_with("ip6");
        let object = words.iter().find(|w| !w.starts_with('-')).copied().unwrap_or("");
        let lists = words.iter().any(|w| w.starts_with("-S") || *w == "--list-rules");
        let xtables = if six { Kind::Ip6tables } else { Kind::Iptables };
        let (kind, more) = match program {
            p if (p.starts_with("iptables") || p.starts_with("ip6tables")) && p.ends_with("-save") => (xtables, None),
            p if (p.starts_with("iptables") || p.starts_with("ip6tables")) && lists => {
                (xtables, table.map(|t| ("-t", *t)))
            }
            "nft" if words.contains(&"ruleset") && words.contains(&"-j") => (Kind::NftJson, None),
            "nft" if words.contains(&"ruleset") => (Kind::Nft, None),
            "ipset" if matches!(object, "save" | "list" | "") => (Kind::Ipset, None),
            "sysctl" => (Kind::Sysctls, None),
            "conntrack" if words.contains(&"-L") && words.contains(&"expect") => (Kind::Expectations, None),
            "conntrack" if words.contains(&"-L") => (Kind::Conntrack, None),
            "ip" | "bridge" => {
                let other = |t: &&&str| !matches!(**t, "all" | "main");
                (of_iproute(program, object, six)?, table.filter(other).map(|t| ("table", *t)))
            }
            _ => return None,
        };
        Some(Output { kind, more: more.map_or_else(String::new, |(option, table)| format!(" {option} {table}")) })
    }
}

/// `ip a`, `ip -6 route`, `bridge fdb`.
fn of_iproute(program: &str, object: &str, six: bool) -> Option<Kind> {
    Some(match (program, object) {
        ("ip", "a" | "ad" | "addr" | "address") => Kind::Addresses,
        ("ip", "l" | "link") => Kind::Links,
        ("ip", "r" | "ro" | "route") => [Kind::Routes4, Kind::Routes6][usize::from(six)],
        ("ip", "ru" | "rule") => [Kind::Rules4, Kind::Rules6][usize::from(six)],
        ("ip", "n" | "neigh" | "neighbour" | "neighbor") => Kind::Neighbours,
        ("bridge", "link") => Kind::BridgeLinks,
        ("bridge", "fdb") => Kind::Fdb,
        _ => return None,
    })
}

/// The prompt (or what stands for one) and the command of a line that has a command whose output is read, or that names a file.
fn commanded(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    let framed = |c: char| matches!(c, '=' | '-' | '#' | '*' | '+' | '<' | '>' | '$' | '%' | ':' | ' ');
    let heading = line.trim_start_matches(framed);
    let start = line.len() - heading.len();
    if start > 0 && is_program(heading) {
        let whole = heading.trim_end_matches(framed);
        if is_command(whole) {
            return Some((&line[..start], bare(whole)));
        }
    }
    let head = line.as_bytes().get(..line.len().min(PROMPT))?;
    let marks = memchr::memchr3_iter(b'#', b'$', b'%', head).chain(memchr::memchr_iter(b'>', head));
    let at = marks.filter(|at| head.get(at + 1) == Some(&b' ')).min()?;
    let rest = line[at + 2..].trim();
    (is_program(rest) && is_command(rest)).then(|| (&line[..=at], bare(rest)))
}

/// Whether a text begins as a command or a file's name does, before it is looked at more closely: most lines of a dump do not.
fn is_program(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_lowercase() || c == '/') {
        return false;
    }
    let word = text.strip_prefix("sudo ").unwrap_or(text).split([' ', '\t']).next().unwrap_or("");
    let base = word.rsplit('/').next().unwrap_or(word);
    let programs = ["ip", "nft", "sysctl", "conntrack", "bridge"];
    programs.iter().any(|p| base.starts_with(p)) || kinds::NAMES.iter().any(|(name, _)| *name == base)
}

/// A command line without what does not matter to what it prints: `sudo`, and a pipe to a pager or file.
fn bare(command: &str) -> &str {
    let command = command.strip_prefix("sudo ").unwrap_or(command).trim_start();
    command.split(['|', '>']).next().unwrap_or(command).trim_end()
}

/// Whether a text is such a command and no sentence: its words are options, names of objects and tables.
fn is_command(text: &str) -> bool {
    let bare = bare(text);
    let plain = |w: &str| w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'));
    let few = bare.split_whitespace().count() <= 8;
    few && bare.split_whitespace().all(plain) && Output::of(bare).is_some()
}

/// What every prompt of a session begins with: `[root@node`, `root@host`, `$`; nothing for headings, which may be comments.
fn user(prompt: &str) -> Option<&str> {
    let prompt = prompt.trim();
    let word = prompt.split([' ', ':']).next().unwrap_or(prompt);
    (word.contains('@') || prompt == "$" || prompt == "%").then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(Kind, &str)]) {
        let found = split(text);
        let found: Vec<_> = found.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn outputs_below_their_commands_keep_their_lines() {
        check(
            "root@h:~# iptables-save\n*filter\nCOMMIT\nroot@h:~# ls\nx\nroot@h:/tmp# ip a\n1: lo: <UP>\nroot@h:/tmp# \n",
            &[(Kind::Iptables, "\n*filter\nCOMMIT\n\n\n\n\n\n"), (Kind::Addresses, "\n\n\n\n\n\n1: lo: <UP>\n\n")],
        );
        check("$ sudo nft list ruleset | cat\ntable ip t {\n}\n$ exit\n", &[(Kind::Nft, "\ntable ip t {\n}\n\n")]);
        check("==> a/ip-route <==\ndefault dev e\n", &[(Kind::Routes4, "\ndefault dev e\n")]);
        check("### ip -6 rule ###\n0: from all\n", &[(Kind::Rules6, "\n0: from all\n")]);
        check(
            "$ conntrack -L expect\n1 proto=6\n$ conntrack -L\ntcp 6\n",
            &[(Kind::Conntrack, "\n\n\ntcp 6\n"), (Kind::Expectations, "\n1 proto=6\n\n\n")],
        );
    }

    #[test]
    fn a_table_that_the_command_names_is_said_in_each_line() {
        check("# iptables -t nat -S\n-P INPUT ACCEPT\n\n", &[(Kind::Iptables, "\n-P INPUT ACCEPT -t nat\n\n")]);
        check(
            "# ip route show table 7\ndefault dev e\n# ip route show table all\nlocal 1.1.1.1 dev e table local\n",
            &[(Kind::Routes4, "\ndefault dev e table 7\n\nlocal 1.1.1.1 dev e table local\n")],
        );
    }

    #[test]
    fn what_dumps_say_is_no_command() {
        for text in [
            "# Generated by iptables-save v1.8.9 on Mon\n*filter\nCOMMIT\n",
            "# iptables-save prints, and then we edit\n*filter\nCOMMIT\n",
            "iptables -S\niptables -A INPUT -j DROP\n",
            "-A INPUT -j DROP\n-N ip\n",
            "#!/sbin/nft -f\nflush ruleset\n",
            "",
        ] {
            check(text, &[]);
        }
    }
}
