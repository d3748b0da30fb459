//! Facts in words: under which answers an ending comes about, what was assumed, and the flags that say otherwise.
//!
//! "is 10.0.0.9 in set web", answered no, reads "10.0.0.9 is not in set web". Left out: the questions themselves
//! (`nettrace_engine::fact`).

use nettrace_engine::explain::answer::{Answer, Chosen, Ending};
use nettrace_engine::fact::pin;

use super::{Scene, wrap};

/// Under which answers an ending comes about: `if 10.0.0.9 is in set web`.
pub fn conditions(scene: &Scene, ending: &Ending) -> String {
    let open = |list: &Vec<Chosen>| -> String {
        let known = list.iter().filter(|c| !c.chance);
        let said: Vec<String> = known.map(|c| scene.paint.text(&statement(&c.question, &c.answer))).collect();
        said.join(" and ")
    };
    let mut all: Vec<String> = Vec::new();
    for said in ending.choices.iter().map(open).filter(|s| !s.is_empty()) {
        if !all.contains(&said) {
            all.push(said);
        }
    }
    all.sort_by_key(String::len);
    match all.as_slice() {
        [] => String::new(),
        [only] => format!("if {only}"),
        [first, second] if first.len() + second.len() < 120 => format!("if {first}, or {second}"),
        [first, rest @ ..] => format!("if {first}, or in {} more cases", rest.len()),
    }
}

/// The questions that are left open, each once, with the flag that settles it.
pub fn questions(scene: &Scene, answer: &Answer) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for chosen in answer.endings.iter().flat_map(|e| &e.choices).flatten() {
        let flag = if chosen.chance { "--choose N".to_string() } else { pin(&chosen.key, &chosen.answer) };
        let question = scene.paint.text(&chosen.question);
        if !out.iter().any(|(q, _)| *q == question) {
            out.push((question, scene.paint.text(&flag)));
        }
    }
    out
}

/// What is left open, with the flag that settles it.
pub fn open(scene: &Scene, answer: &Answer) -> String {
    let p = scene.paint;
    let mut items: Vec<String> = questions(scene, answer).iter().map(|(q, flag)| format!("{q} ({flag})")).collect();
    if items.is_empty() {
        return String::new();
    }
    let more = items.len().saturating_sub(8);
    items.truncate(8);
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    format!("\n{}\n{}", p.bold("Depends on"), wrap(&items, "  ", p.pick(" · ", "; ")))
}

/// A question with its answer as one statement.
pub fn statement(question: &str, answer: &str) -> String {
    let not = match answer {
        "yes" => "",
        "no" => "not ",
        _ if question.starts_with("the packet's ") => {
            return format!("{} is {answer}", &question["the packet's ".len()..]);
        }
        _ if question.starts_with("what ") || question.starts_with("which ") => return format!("{question}: {answer}"),
        _ if question.starts_with("the ") => return format!("{question}: {answer}"),
        _ => return format!("{question} {answer}"),
    };
    if let Some(rest) = question.strip_prefix("does ")
        && let Some((who, verb)) = rest.rsplit_once(' ')
    {
        let s = if verb.ends_with("ch") { "es" } else { "s" };
        return if not.is_empty() { format!("{who} {verb}{s}") } else { format!("{who} does not {verb}") };
    }
    if let Some(rest) = question.strip_prefix("is there ") {
        return format!("there is {}{rest}", if not.is_empty() { "" } else { "not " });
    }
    let Some(rest) = question.strip_prefix("is ") else { return format!("{question}: {answer}") };
    match [" in set ", " in the multicast ", " an address ", " one of ", " right"].iter().find_map(|w| rest.find(w)) {
        Some(at) => format!("{} is {not}{}", &rest[..at], &rest[at + 1..]),
        None => format!("{question}: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[test]
    fn answers_become_statements() {
        let check = |question, answer, expect| assert_eq!(statement(question, answer), expect);
        check("is 10.0.0.9 in set web", "no", "10.0.0.9 is not in set web");
        check("is 10.0.0.9 an address of this host", "yes", "10.0.0.9 is an address of this host");
        check("does `-m geoip --src-cc DE` hold", "no", "`-m geoip --src-cc DE` does not hold");
        check("does the limit of INPUT rule 2 match", "yes", "the limit of INPUT rule 2 matches");
        check("is this host in the multicast group", "no", "this host is not in the multicast group");
        check("is there a route to 10.0.0.9", "no", "there is not a route to 10.0.0.9");
        check("the packet's incoming device", "eth0", "incoming device is eth0");
        check("what does `-j FOO` do", "drop", "what does `-j FOO` do: drop");
        check("the address that masquerading takes", "unknown", "the address that masquerading takes: unknown");
        check("protocol", "tcp", "protocol tcp");
    }
}
