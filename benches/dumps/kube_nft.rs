//! kube-proxy in nftables mode, as `nft list ruleset` prints it: verdict maps over services, a chain a service and an endpoint.

use std::fmt::Write;

use super::{Service, Size, hash, services};

const CHAINS: &str = "\tchain filter-forward {\n\t\ttype filter hook forward priority -110; policy accept;\n\t\tct state new jump service-endpoints-check\n\t}\n
\tchain nat-prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tjump services\n\t}\n
\tchain nat-output {\n\t\ttype nat hook output priority -100; policy accept;\n\t\tjump services\n\t}\n
\tchain nat-postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t\tjump masquerading\n\t}\n
\tchain mark-for-masquerade {\n\t\tmeta mark set meta mark | 0x00004000\n\t}\n
\tchain masquerading {\n\t\tmeta mark & 0x00004000 == 0x00000000 return\n\t\tmeta mark set meta mark ^ 0x00004000\n\t\tmasquerade fully-random\n\t}\n
\tchain reject-chain {\n\t\treject\n\t}\n
\tchain service-endpoints-check {\n\t\tip daddr . meta l4proto . th dport vmap @no-endpoint-services\n\t}\n
\tchain services {\n\t\tip daddr . meta l4proto . th dport vmap @service-ips\n\t\tip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports\n\t}\n";

fn map(out: &mut String, head: &str, items: &[String]) {
    let _ = writeln!(out, "\t{head}");
    if !items.is_empty() {
        let _ = writeln!(out, "\t\telements = {{ {} }}", items.join(",\n\t\t\t     "));
    }
    out.push_str("\t}\n\n");
}

fn id(s: &Service) -> String {
    format!("{}-{}", hash(&s.name, 8), s.path)
}

fn endpoint_chain(s: &Service, endpoint: &str) -> String {
    format!("endpoint-{}-{}__{}", hash(&format!("{}{endpoint}", s.name), 8), s.path, endpoint.replace(':', "/"))
}

/// A node of a cluster of this size.
pub fn kube_nft(size: Size) -> String {
    let all = services(size);
    let key = |s: &Service| format!("{} . {} . {}", s.ip, s.proto, s.port);
    let live = || all.iter().filter(|s| !s.endpoints.is_empty());
    let typed = "type ipv4_addr . inet_proto . inet_service : verdict";
    let mut out = String::from("table ip kube-proxy {\n");
    let ips: Vec<_> = all.iter().map(|s| s.ip.clone()).collect();
    map(&mut out, "set cluster-ips {\n\t\ttype ipv4_addr", &ips);
    map(&mut out, "set nodeport-ips {\n\t\ttype ipv4_addr", &["172.18.0.2".to_owned()]);
    let empty: Vec<_> =
        all.iter().filter(|s| s.endpoints.is_empty()).map(|s| format!("{} : goto reject-chain", key(s))).collect();
    map(&mut out, &format!("map no-endpoint-services {{\n\t\t{typed}"), &empty);
    let services: Vec<_> = live().map(|s| format!("{} : goto service-{}", key(s), id(s))).collect();
    map(&mut out, &format!("map service-ips {{\n\t\t{typed}"), &services);
    let node = |s: &Service| s.node_port.map(|p| format!("{} . {p} : goto external-{}", s.proto, id(s)));
    let ports: Vec<_> = live().filter_map(node).collect();
    map(&mut out, "map service-nodeports {\n\t\ttype inet_proto . inet_service : verdict", &ports);
    out.push_str(CHAINS);
    for s in live() {
        service(&mut out, s);
    }
    out.push_str("}\n");
    out
}

fn service(out: &mut String, s: &Service) {
    let Service { proto, ip, port, .. } = s;
    for e in &s.endpoints {
        let address = e.split(':').next().unwrap_or_default();
        let _ = writeln!(
            out,
            "\n\tchain {} {{\n\t\tip saddr {address} jump mark-for-masquerade\n\t\tmeta l4proto {proto} dnat to {e}\n\t}}",
            endpoint_chain(s, e)
        );
    }
    let picks: Vec<_> =
        s.endpoints.iter().enumerate().map(|(k, e)| format!("{k} : goto {}", endpoint_chain(s, e))).collect();
    let (count, picks, id) = (picks.len(), picks.join(", "), id(s));
    let _ = writeln!(
        out,
        "\n\tchain service-{id} {{\n\t\tip daddr {ip} {proto} dport {port} ip saddr != 10.128.0.0/9 jump mark-for-masquerade\n\t\tnumgen random mod {count} vmap {{ {picks} }}\n\t}}"
    );
    if s.node_port.is_some() {
        let _ = writeln!(out, "\n\tchain external-{id} {{\n\t\tjump mark-for-masquerade\n\t\tgoto service-{id}\n\t}}");
    }
}
