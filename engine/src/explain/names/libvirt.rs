//! libvirt's virtual networks.

use super::{Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "libvirt",
    tables: &["libvirt_network"],
    chains: &[
        ("LIBVIRT_INP", "DNS and DHCP from virtual machines"),
        ("LIBVIRT_OUT", "DNS and DHCP to virtual machines"),
        ("LIBVIRT_FWI", "forwarded to virtual machines"),
        ("LIBVIRT_FWO", "forwarded from virtual machines"),
        ("LIBVIRT_FWX", "between virtual machines"),
        ("LIBVIRT_PRT", "masquerades virtual machines"),
        ("guest_input", "forwarded to virtual machines"),
        ("guest_output", "forwarded from virtual machines"),
        ("guest_cross", "between virtual machines"),
        ("guest_nat", "masquerades virtual machines"),
    ],
    rewrites: "rewrites its chains when a network starts",
    ..PLAIN
};
