//! Istio's sidecar: redirection of a pod's traffic to its proxy.

use super::{Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "Istio",
    chains: &[
        ("ISTIO_INBOUND", "which inbound ports go to the proxy"),
        ("ISTIO_IN_REDIRECT", "inbound to the proxy"),
        ("ISTIO_OUTPUT", "which outbound traffic goes to the proxy"),
        ("ISTIO_REDIRECT", "outbound to the proxy"),
        ("ISTIO_DIVERT", "traffic that the proxy already has"),
        ("ISTIO_TPROXY", "inbound to the proxy, transparently"),
        ("ISTIO_PRERT", "ambient mode, inbound"),
        ("ISTIO_POSTRT", "ambient mode, health probes"),
        ("ISTIO_DROP", "dropped by the sidecar"),
    ],
    marks: &[(0xfff, 0x539, "belongs to Istio's proxy (0x539)"), (0xfff, 0x111, "goes through Istio's tunnel")],
    rewrites: "sets its chains up when the pod starts",
    ..PLAIN
};
