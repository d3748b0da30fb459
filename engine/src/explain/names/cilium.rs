//! Cilium: its iptables rules only prepare; policy, services and the host firewall are eBPF programs.

use super::{Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "Cilium",
    chains: &[
        ("CILIUM_INPUT", "Cilium, inbound: proxied traffic"),
        ("CILIUM_OUTPUT", "Cilium, outbound: marks as from this host"),
        ("CILIUM_FORWARD", "Cilium, forwarded: accepts the cluster's traffic"),
        ("CILIUM_PRE_*", "Cilium, before routing"),
        ("CILIUM_POST_*", "Cilium, after routing: masquerading"),
        ("CILIUM_OUTPUT_*", "Cilium, outbound"),
        ("OLD_CILIUM_*", "Cilium, left over from an upgrade"),
    ],
    marks: &[
        (0xf00, 0x200, "goes to Cilium's proxy"),
        (0xf00, 0xa00, "from Cilium's ingress proxy"),
        (0xf00, 0xb00, "from Cilium's egress proxy"),
        (0xf00, 0xc00, "from this host"),
        (0xf00, 0xd00, "to be decrypted"),
        (0xf00, 0xe00, "to be encrypted"),
        (0xf00, 0xf00, "carries an identity"),
        (0xf00, 0x400, "overlay traffic"),
    ],
    programs: &["cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_wg"],
    rewrites: "reinstalls its chains when the agent starts",
    unseen: "its policies, services and host firewall are eBPF programs at the devices; rules in these dumps do not show them, and cannot explain what they drop",
    ..PLAIN
};
