//! flannel: masquerading of pods, forwarding to and from them.

use super::{Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "flannel",
    tables: &["flannel-ipv4", "flannel-ipv6"],
    chains: &[
        ("FLANNEL-POSTRTG", "masquerades pods that leave the cluster"),
        ("FLANNEL-FWD", "accepts forwarded pod traffic"),
        ("postrtg", "masquerades pods that leave the cluster"),
    ],
    rewrites: "restores its chains every few seconds",
    ..PLAIN
};
