//! The CNI plugin portmap: `CNI-DN-…` chains, whose jump's comment is `dnat name: "NET" id: "CONTAINER"`.

use crate::model::ChainId;

use super::read::between;
use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "portmap",
    tables: &["cni_hostport"],
    chains: &[
        ("CNI-HOSTPORT-DNAT", "host ports of containers"),
        ("CNI-HOSTPORT-SETMARK", "marks for masquerading"),
        ("CNI-HOSTPORT-MASQ", "masquerades what is marked"),
        ("CNI-DN-*", ""),
        ("CNI-SN-*", ""),
        ("hostports", "host ports of containers"),
        ("hostip_hostports", "host ports of containers on one address"),
        ("hostports_all", "host ports of containers"),
    ],
    marks: &[(0x2000, 0x2000, "will be masqueraded")],
    rewrites: "changes its chains when containers come and go",
    chain,
    ..PLAIN
};

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let id = labels.comments(chain).find_map(|c| between(c, "id: \"", "\""));
    let to = labels.endpoint(chain);
    match (id, to) {
        (Some(id), Some(to)) => Some(format!("host ports of container {} at {to}", id.get(..12).unwrap_or(id))),
        (None, Some(to)) => Some(format!("host ports of a container at {to}")),
        (id, None) => id.map(|id| format!("host ports of container {}", id.get(..12).unwrap_or(id))),
    }
}
