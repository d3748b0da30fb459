//! Compares what nettrace says with what a kernel did: path, fate, headers at every base chain, and the packet that arrives.
//!
//! Not compared: a pass that is nothing but "policy accept" (a tool may leave it out), the source port behind MASQUERADE (the kernel
//! picks it), the mark where the kernel's header could only be read behind the first rule.

use serde_json::Value;

/// The difference to the closest outcome; `None` when one of them is what the kernel did.
pub fn best(kernel: &Value, line: &Value) -> Option<String> {
    let outcomes = line["outcomes"].as_array().map_or(&[][..], Vec::as_slice);
    let differences: Vec<_> = outcomes.iter().map(|o| difference(kernel, o)).collect();
    if differences.iter().any(Option::is_none) {
        return None;
    }
    differences.into_iter().next().unwrap_or_else(|| Some("no outcome".to_owned()))
}

fn difference(kernel: &Value, outcome: &Value) -> Option<String> {
    let (want, have) = (steps(kernel), steps(outcome));
    if let Some(at) = (0..want.len().max(have.len())).find(|&i| want.get(i) != have.get(i)) {
        let show = |steps: &[String]| steps.get(at).cloned().unwrap_or_else(|| "(end)".to_owned());
        return Some(format!("step {at}: the kernel {}, nettrace {}", show(&want), show(&have)));
    }
    let (want, have) = (fate(&kernel["fate"]), fate(&outcome["fate"]));
    if want != have {
        return Some(format!("fate: the kernel {want}, nettrace {have}"));
    }
    headers(kernel, outcome).or_else(|| far(kernel, outcome))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The passes through base chains in which something happened.
fn passes(of: &Value) -> impl Iterator<Item = &Value> {
    list(&of["path"]).iter().filter(|pass| {
        let steps = list(&pass["steps"]);
        !(steps.len() == 1 && steps[0]["kind"] == "policy" && steps[0]["verdict"] == "accept")
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn fields(value: &Value, names: &[&str]) -> String {
    names.iter().map(|n| text(&value[*n])).collect::<Vec<_>>().join(" ")
}

/// Every step of a path, one line each.
fn steps(of: &Value) -> Vec<String> {
    let step = |pass: &Value, s: &Value| {
        let base = fields(pass, &["hook", "family", "table", "chain"]);
        format!("{base} / {}", fields(s, &["chain", "kind", "rule", "verdict"]))
    };
    passes(of).flat_map(|pass| list(&pass["steps"]).iter().map(move |s| step(pass, s))).collect()
}

fn fate(of: &Value) -> String {
    let kind = text(&of["kind"]);
    let more: &[&str] = match kind.as_str() {
        "drop" => &["hook", "family", "table", "chain", "rule", "by"],
        "out" => &["oif"],
        "local" => &["iif"],
        "stack_drop" => &["after"],
        "drop_in_hook" => &["hook"],
        _ => &[],
    };
    format!("{kind} {}", fields(of, more))
}

fn headers(kernel: &Value, outcome: &Value) -> Option<String> {
    for (want, have) in passes(kernel).zip(passes(outcome)) {
        for name in ["saddr", "daddr", "sport", "dport", "mark"] {
            if name == "mark" && want["entry_after_first_rule"] == true {
                continue;
            }
            let (w, h) = (&want["entry"][name], &have["entry"][name]);
            if w != h {
                let base = fields(want, &["hook", "table", "chain"]);
                return Some(format!("{name} at {base}: the kernel {w}, nettrace {h}"));
            }
        }
    }
    None
}

fn far(kernel: &Value, outcome: &Value) -> Option<String> {
    let want = list(&kernel["far_end"]).first()?;
    let names = ["saddr", "daddr", "dport"];
    let (want, have) = (fields(want, &names), fields(&outcome["far"], &names));
    (want != have).then(|| format!("at the far end: the kernel {want}, nettrace {have}"))
}

#[test]
fn a_difference_is_seen() {
    let pass = |rule: u32, port: u32| {
        serde_json::json!({"hook": "input", "family": "ip", "table": "filter", "chain": "INPUT", "entry": {"dport": port},
            "steps": [{"chain": "INPUT", "kind": "rule", "rule": rule, "verdict": "drop"}]})
    };
    let whole =
        |rule, port, kind: &str| serde_json::json!({"path": [pass(rule, port)], "fate": {"kind": kind}, "far_end": []});
    let check = |kernel: &Value, outcome: Value| best(kernel, &serde_json::json!({"outcomes": [outcome]}));
    let kernel = whole(1, 80, "drop");
    assert_eq!(check(&kernel, whole(1, 80, "drop")), None);
    for other in [whole(2, 80, "drop"), whole(1, 81, "drop"), whole(1, 80, "local")] {
        assert!(check(&kernel, other.clone()).is_some(), "{other}");
    }
    assert!(best(&kernel, &serde_json::json!({"outcomes": []})).is_some());
}
