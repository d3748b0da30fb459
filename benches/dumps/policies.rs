//! kube-router's network policies: a chain a pod, two sets a policy. Gives the `iptables-save` and the `ipset save` half.

use std::fmt::Write;

use super::{POD_BASE, Rng, WORDS, hash, ip};

struct Policy {
    name: String,
    hash: String,
    port: u64,
}

/// A node with 1000 pods and 500 policies whose sets have `entries` members in all.
pub fn policies(entries: usize) -> (String, String) {
    let mut rng = Rng(3);
    let policies: Vec<_> = (0..500)
        .map(|k| {
            let name = format!("allow-{}-{k}", rng.pick(WORDS));
            Policy { hash: hash(&name, 16), name, port: 1 + rng.below(9999) }
        })
        .collect();
    (rules(&mut rng, &policies), sets(&policies, entries))
}

fn sets(policies: &[Policy], entries: usize) -> String {
    let each = (entries / (2 * policies.len())).max(1) as u32;
    let mut out = String::new();
    for (p, policy) in policies.iter().enumerate() {
        for which in ["SRC", "DST"] {
            let set = format!("KUBE-{which}-{}", policy.hash);
            let _ = writeln!(
                out,
                "create {set} hash:ip family inet hashsize 1024 maxelem 65536 timeout 0 bucketsize 12 initval 0x00000001"
            );
            for k in 0..each {
                let _ = writeln!(out, "add {set} {} timeout 0", ip(POD_BASE + (p as u32 * each + k) % (1 << 22)));
            }
        }
    }
    out
}

fn rules(rng: &mut Rng, policies: &[Policy]) -> String {
    let pods: Vec<_> = (1..=1000).map(|k| (format!("{}-{k}", rng.pick(WORDS)), ip(POD_BASE + k))).collect();
    let mut out = String::from(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-ROUTER-FORWARD - [0:0]\n",
    );
    let mut body = String::from("-A FORWARD -m comment --comment \"kube-router netpol\" -j KUBE-ROUTER-FORWARD\n");
    for Policy { name, hash, port } in policies {
        let _ = writeln!(out, ":KUBE-NWPLCY-{hash} - [0:0]");
        let rule = format!(
            "-A KUBE-NWPLCY-{hash} -p tcp -m comment --comment \"rule to ACCEPT traffic from source pods to dest pods selected by policy name {name}\" -m set --match-set KUBE-SRC-{hash} src -m set --match-set KUBE-DST-{hash} dst -m tcp --dport {port}"
        );
        let _ = writeln!(
            body,
            "{rule} -j MARK --set-xmark 0x10000/0x10000\n{rule} -m mark --mark 0x10000/0x10000 -j RETURN"
        );
    }
    for (name, address) in &pods {
        let chain = format!("KUBE-POD-FW-{}", hash(name, 16));
        let _ = writeln!(out, ":{chain} - [0:0]");
        let _ = writeln!(
            body,
            "-A KUBE-ROUTER-FORWARD -d {address}/32 -m comment --comment \"rule to jump traffic destined to POD name:{name} to chain {chain}\" -j {chain}"
        );
        let _ = writeln!(
            body,
            "-A {chain} -m comment --comment \"rule for stateful firewall for pod\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        );
        for _ in 0..=rng.below(3) {
            let policy = &policies[rng.below(policies.len() as u64) as usize];
            let _ = writeln!(
                body,
                "-A {chain} -d {address}/32 -m comment --comment \"run through nw policy {}\" -j KUBE-NWPLCY-{}",
                policy.name, policy.hash
            );
        }
        let _ = writeln!(
            body,
            "-A {chain} -m comment --comment \"rule to REJECT traffic destined for POD name:{name}\" -m mark ! --mark 0x10000/0x10000 -j REJECT --reject-with icmp-port-unreachable"
        );
        let _ = writeln!(body, "-A {chain} -j MARK --set-xmark 0x0/0x10000");
    }
    out.push_str(&body);
    out.push_str("COMMIT\n");
    out
}
