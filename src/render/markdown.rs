//! An answer in Markdown, for tickets and postmortems: the verdict as a heading, the way as a table.
//!
//! Left out: rules without effect, except as a count.

use nettrace_engine::explain::answer::{Answer, Ending, Row, Stage};

use super::text::{Scene, base_name, conditions, hook_name, off, one_line, packet_line, parts, route};

/// The whole answer.
pub fn render(scene: &Scene, answer: &Answer) -> String {
    let mut out = String::new();
    for ending in &answer.endings {
        out.push_str(&format!("## {}\n\n", escape(&one_line(scene, answer, ending))));
        if let Some(odds) = ending.odds.filter(|_| answer.endings.len() > 1) {
            out.push_str(&format!("- odds: {:.1} %\n", odds * 100.0));
        }
        let how = conditions(scene, ending);
        if !how.is_empty() {
            out.push_str(&format!("- {}\n", escape(&how)));
        }
        let (before, after) = (packet_line(scene, &ending.start), packet_line(scene, &ending.last));
        out.push_str(&format!("- packet: {}\n", code(&before)));
        if before != after {
            out.push_str(&format!("- at the end: {}\n", code(&after)));
        }
        out.push_str(&table(scene, ending));
    }
    let off = off(scene, answer);
    if !off.is_empty() {
        let said: Vec<&str> = off.lines().skip_while(|l| l.is_empty()).skip(1).map(str::trim).collect();
        out.push_str(&format!("**Not on the way.** {}\n\n", escape(&said.join(" "))));
    }
    if !answer.assumptions.is_empty() {
        out.push_str("**Assumed**\n\n");
        for a in &answer.assumptions {
            let flag =
                if a.flag.is_empty() { String::new() } else { format!(" ({})", code(&scene.paint.text(&a.flag))) };
            let (fact, value) = (scene.paint.text(&a.fact), scene.paint.text(&a.value));
            out.push_str(&format!("- {}: {}{flag}\n", escape(&fact), escape(&value)));
        }
    }
    out
}

fn table(scene: &Scene, ending: &Ending) -> String {
    let mut out = "\n| hook | table | rule | what | changes | where |\n|---|---|---|---|---|---|\n".to_string();
    for stage in &ending.stages {
        match stage {
            Stage::Hook { hook, rows, .. } => {
                for row in rows {
                    let Row::Pass { base, steps, .. } = row else { continue };
                    let table = scene.paint.text(scene.model.name(scene.model.table_of(*base).name));
                    for step in steps {
                        let p = parts(scene, step, ending.start.family());
                        let place = p
                            .place
                            .as_ref()
                            .map(|(file, line)| format!("{}:{line}", base_name(file)))
                            .unwrap_or_default();
                        let changes: Vec<String> = p.rewrites.iter().map(|r| code(r)).collect();
                        let cells = [
                            hook_name(*hook),
                            escape(&table),
                            code(&p.rule),
                            escape(&p.told()),
                            changes.join("<br>"),
                            escape(&place),
                        ];
                        out.push_str(&format!("| {} |\n", cells.join(" | ")));
                    }
                }
            }
            Stage::Route(routed) => {
                out.push_str(&format!("| | | *routing* | {} | | |\n", escape(&route(scene, routed))));
            }
            Stage::Built(_) => {}
        }
    }
    out + "\n"
}

/// Text that Markdown and HTML do not read as their own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Text as code, in a table too.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    let runs = text.split(|c| c != '`').map(str::len);
    match runs.max().unwrap_or(0) {
        0 => format!("`{text}`"),
        longest => {
            let fence = "`".repeat(longest + 1);
            format!("{fence} {text} {fence}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("a|b <script> *x*"), "a\\|b &lt;script&gt; \\*x\\*");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a``b` <i>"), "``` a``b` <i> ```");
    }
}
