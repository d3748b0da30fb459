//! ufw: `ufw-user-input` holds the user's own rules, the others what ufw does around them.

use super::{Owner, PLAIN};

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
    ..PLAIN
};
