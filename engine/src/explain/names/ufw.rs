//! ufw: `ufw-user-input` holds the user's own rules, the others what ufw does around them.

use crate::model::Hook;

use super::opens::{Opening, Wish};
use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "ufw",
    chains: &[
        ("ufw-user-input", "your ufw rules, inbound"),
        ("ufw-user-output", "your ufw rules, outbound"),
        ("ufw-user-forward", "your ufw rules, forwarded"),
        ("ufw-user-limit", "rate limit exceeded"),
        ("ufw-user-limit-accept", "rate limit kept"),
        ("ufw-user-logging-*", "logging of your ufw rules"),
        ("ufw-before-*", "before your ufw rules: state, loopback, ICMP (before.rules)"),
        ("ufw-after-*", "after your ufw rules (after.rules)"),
        ("ufw-reject-*", "ufw's default: reject"),
        ("ufw-track-*", "ufw's default: accept and track"),
        ("ufw-logging-*", "logging"),
        ("ufw-skip-to-policy-*", "straight to the policy"),
        ("ufw-not-local", "packets that are not for this host"),
        ("ufw6-*", "ufw, IPv6"),
        ("ufw-*", "ufw"),
    ],
    rewrites: "reloads its chains with every `ufw` command; add the rule with ufw",
    opens,
    ..PLAIN
};

/// `ufw allow`, in front of the user's other rules when one of those dropped it.
fn opens(labels: &Labels, wish: &Wish) -> Vec<Opening> {
    let Some(port) = wish.port else { return Vec::new() };
    let (program, ufw) = if wish.saddr.is_ipv6() { ("ip6tables", "ufw6") } else { ("iptables", "ufw") };
    let (words, direction) = match wish.hook {
        Hook::Input => ("allow", "input"),
        Hook::Forward => ("route allow", "forward"),
        _ => ("allow out", "output"),
    };
    let mine = wish.dropper.is_some_and(|r| labels.name(labels.model().rule(r).chain).contains("-user-"));
    let (first, flag) = if mine { ("insert 1 ", "-I") } else { ("", "-A") };
    let (proto, any) =
        (&wish.proto, if wish.hook == Hook::Forward { wish.daddr.to_string() } else { "any".to_string() });
    let words = words.strip_prefix("route ").map_or(format!("{first}{words}"), |w| format!("route {first}{w}"));
    let to = if any == "any" { String::new() } else { format!("-d {any} ") };
    let rule = format!("{program} {flag} {ufw}-user-{direction} {to}-p {proto} --dport {port} -j ACCEPT");
    vec![Opening::new(format!("ufw {words} proto {proto} from any to {any} port {port}"), rule)]
}
