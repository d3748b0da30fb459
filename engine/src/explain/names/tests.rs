//! Labels on small models built by hand: each row is a chain, its rules' comments and targets, and the label.

use nettrace_grammar::Span;

use super::Labels;
use crate::field::Field;
use crate::model::{
    ChainId, Dialect, Draft, Effect, Family, Model, Nat, NatKind, Op, RuleId, TableId, Values, Verdict,
};

/// A model in one table; chains are made when first named.
struct Build {
    model: Model,
    table: TableId,
}

impl Build {
    fn new(table: &str) -> Self {
        let mut model = Model::default();
        let table = model.add_table(Family::Ip, table, Dialect::Legacy, Span::default());
        Build { model, table }
    }

    fn chain(&mut self, name: &str) -> ChainId {
        let known = self.model.find_chain(self.table, name);
        known.unwrap_or_else(|| self.model.add_chain(self.table, name, None, Span::default()))
    }

    /// `target` is `dnat A:P`, `mark N`, a chain's name or empty; `dport` 0 asks for none.
    fn rule(&mut self, chain: &str, comment: &str, dport: u128, target: &str) -> RuleId {
        let chain = self.chain(chain);
        let comment = (!comment.is_empty()).then(|| self.model.names.intern(comment));
        let mut draft = Draft { comment, ..Draft::default() };
        if dport != 0 {
            let test = self.model.field_test(Field::Dport, false, Values::one(dport));
            draft.test(test);
        }
        let op = self.op(target);
        draft.ops.extend(op);
        self.model.append_rule(chain, &draft, Span::default())
    }

    fn op(&mut self, target: &str) -> Option<Op> {
        if let Some(to) = target.strip_prefix("dnat ") {
            let to: std::net::SocketAddrV4 = to.parse().unwrap();
            let addr = self.model.const_expr(to.ip().to_bits().into());
            let port = self.model.const_expr(to.port().into());
            let nat = Nat {
                kind: NatKind::Dnat,
                addr: Some((addr, addr)),
                port: Some((port, port)),
                port_base: None,
                prefix: false,
                random: false,
                fully_random: false,
                persistent: false,
                family: 0,
            };
            return Some(self.model.effect_op(Effect::Nat(nat)));
        }
        if let Some(bits) = target.strip_prefix("mark ") {
            let bits = u128::from(u32::from_str_radix(bits, 16).unwrap());
            let expr = self.model.and_xor_expr(Field::Mark, bits, bits);
            return Some(Op::Set { field: Field::Mark, expr, miss: false });
        }
        (!target.is_empty()).then(|| Op::Verdict(Verdict::Jump(self.chain(target))))
    }

    fn label(&self, chain: &str) -> Option<String> {
        Labels::build(&self.model).chain(self.model.find_chain(self.table, chain).unwrap())
    }

    fn rule_label(&self, rule: RuleId) -> Option<String> {
        Labels::build(&self.model).rule(rule)
    }
}

fn kube(commented: bool) -> (Build, RuleId, RuleId) {
    let mut b = Build::new("nat");
    let said = |t: &'static str| if commented { t } else { "" };
    let masq = b.rule("KUBE-MARK-MASQ", "", 0, "mark 4000");
    b.rule("KUBE-SERVICES", said("default/kubernetes:https cluster IP"), 443, "KUBE-SVC-NPX46M4PTMTKRN6Y");
    let node_port = b.rule("KUBE-NODEPORTS", said("default/kubernetes:https"), 31002, "KUBE-SVC-NPX46M4PTMTKRN6Y");
    b.rule("KUBE-SVC-NPX46M4PTMTKRN6Y", "", 31002, "KUBE-MARK-MASQ");
    b.rule("KUBE-SVC-NPX46M4PTMTKRN6Y", "", 0, "KUBE-SEP-VKIPXDQHDOL5KL3V");
    b.rule("KUBE-SEP-VKIPXDQHDOL5KL3V", "", 0, "dnat 10.244.166.136:8200");
    (b, node_port, masq)
}

#[test]
fn kube_proxy_chains_are_named_by_comments_or_by_their_hash() {
    for commented in [true, false] {
        let (b, node_port, masq) = kube(commented);
        let check = |chain: &str, expect: &str| assert_eq!(b.label(chain).as_deref(), Some(expect), "{commented}");
        check("KUBE-SVC-NPX46M4PTMTKRN6Y", "service default/kubernetes:https");
        check("KUBE-SEP-VKIPXDQHDOL5KL3V", "endpoint 10.244.166.136:8200 of default/kubernetes:https");
        check("KUBE-NODEPORTS", "NodePorts");
        assert_eq!(b.rule_label(node_port).as_deref(), Some("NodePort of default/kubernetes:https"));
        assert_eq!(b.rule_label(masq).as_deref(), Some("will be masqueraded (0x4000)"));
        assert_eq!(Labels::build(&b.model).mark(0x4001), ["will be masqueraded (0x4000)"]);
    }
}

#[test]
fn a_service_without_comment_does_not_borrow_anothers() {
    let mut b = Build::new("nat");
    b.rule("KUBE-SERVICES", "shop/web:http cluster IP", 80, "KUBE-SVC-AAAAAAAAAAAAAAAA");
    b.rule("KUBE-SERVICES", "", 81, "KUBE-SVC-BBBBBBBBBBBBBBBB");
    b.rule("KUBE-SVC-BBBBBBBBBBBBBBBB", "", 0, "KUBE-SEP-CCCCCCCCCCCCCCCC");
    b.rule("KUBE-SEP-CCCCCCCCCCCCCCCC", "", 0, "dnat 10.0.0.1:80");
    assert_eq!(b.label("KUBE-SVC-AAAAAAAAAAAAAAAA").as_deref(), Some("service shop/web:http"));
    assert_eq!(b.label("KUBE-SVC-BBBBBBBBBBBBBBBB"), None);
    assert_eq!(b.label("KUBE-SEP-CCCCCCCCCCCCCCCC").as_deref(), Some("endpoint 10.0.0.1:80"));
}

#[test]
fn nftables_mode_spells_its_names() {
    let mut b = Build::new("kube-proxy");
    let check = |b: &mut Build, chain: &str, expect: &str| {
        b.chain(chain);
        assert_eq!(b.label(chain).as_deref(), Some(expect));
    };
    check(&mut b, "service-ZGZYMXMC-web/shop/tcp/http", "service web/shop:http");
    check(&mut b, "external-27HEZDXB-web/local-only/tcp/", "outside traffic to web/local-only");
    check(&mut b, "firewall-QOMJHSJJ-web/fenced/tcp/http", "source ranges of web/fenced:http");
    check(&mut b, "endpoint-IPUL5ARL-web/shop/tcp/http__10.244.1.5/8080", "endpoint 10.244.1.5:8080 of web/shop:http");
}

#[test]
fn kube_router_policies_pods_and_sets() {
    let mut b = Build::new("filter");
    let said = "rule to ACCEPT traffic from source pods to dest pods selected by policy name allow-same-namespace \
                namespace sample1";
    let mark = b.rule("KUBE-NWPLCY-C2FYJMLX3KBM3TXL", said, 0, "mark 10000");
    b.rule("KUBE-POD-FW-H", "run through nw policy deny-by-default", 0, "KUBE-NWPLCY-HONC64AYYTPOFXKV");
    b.rule("KUBE-POD-FW-H", "rule to REJECT traffic destined for POD name:toolbox-1 namespace: sample1", 0, "");
    b.rule("KUBE-POD-FW-I", "sample2/nginx-1 reject", 0, "");
    let check = |chain: &str, expect: &str| assert_eq!(b.label(chain).as_deref(), Some(expect));
    check("KUBE-NWPLCY-C2FYJMLX3KBM3TXL", "policy allow-same-namespace of sample1");
    check("KUBE-NWPLCY-HONC64AYYTPOFXKV", "policy deny-by-default of sample1");
    check("KUBE-POD-FW-H", "firewall of pod sample1/toolbox-1");
    check("KUBE-POD-FW-I", "firewall of pod sample2/nginx-1");
    let said = b.rule_label(mark);
    assert_eq!(said.as_deref(), Some("accepted by policy allow-same-namespace of sample1 (0x10000)"));
    for (set, expect) in [
        ("KUBE-DST-5TPLTTXGTPDHQ2AH", "pods selected by policy allow-same-namespace of sample1"),
        ("KUBE-SRC-OPGXQ4TCHJJUUOWB", "source pods of ingress rule 1 of policy allow-same-namespace of sample1"),
        (
            "KUBE-SRC-DSEC5V52VOYVVZ4H",
            "source address blocks of ingress rule 1 of policy allow-same-namespace of sample1",
        ),
    ] {
        let id = b.model.ipset(set);
        assert_eq!(Labels::build(&b.model).set(id).as_deref(), Some(expect));
    }
}

#[test]
fn the_other_owners() {
    let check = |table: &str, chain: &str, comment: &str, target: &str, expect: &str| {
        let mut b = Build::new(table);
        b.rule(chain, comment, 443, target);
        assert_eq!(b.label(chain).as_deref(), Some(expect), "{chain}");
    };
    check("filter", "cali-tw-cali7d3f1b2a9c4", "cali:x", "", "to workload cali7d3f1b2a9c4");
    check("filter", "cali-pri-kns.paas", "", "", "inbound profile of namespace paas");
    check("filter", "cali-pro-ksa.paas.default", "", "", "outbound profile of service account paas/default");
    check("nat", "KUBE-HP-X", "router_ns-1 hostport 443", "dnat 10.42.0.9:443", "host port 443 of pod ns-1/router");
    check(
        "nat",
        "CNI-DN-0123",
        "dnat name: \"n\" id: \"0123456789abcdef\"",
        "dnat 10.4.0.2:80",
        "host ports of container 0123456789ab at 10.4.0.2:80",
    );
    check("firewalld", "filter_IN_public_allow", "", "", "zone public, inbound: allowed services and ports");
    check("filter", "FWDI_internal", "", "", "zone internal, forwarded from it");
    check("firewalld", "nat_PREROUTING_ZONES", "", "", "which zone, before routing");
    check("firewalld", "mangle_PREROUTING_POLICIES_pre", "", "", "which policies, before routing");
    check("filter", "DOCKER-USER", "", "", "your own rules before Docker's");
    check("docker-bridges", "filter-forward-in__br-1f0c", "", "", "to containers on br-1f0c");
    check("docker-bridges", "nat-prerouting-and-output", "", "", "published ports");
    check("nat", "ISTIO_OUTPUT", "", "", "which outbound traffic goes to the proxy");
    check("nat", "CILIUM_POST_nat", "", "", "Cilium, after routing: masquerading");
    check("filter", "ufw-user-input", "", "", "your ufw rules, inbound");
    let mut b = Build::new("nat");
    let rule = b.rule("OVN-KUBE-NODEPORT", "", 32718, "dnat 10.96.178.142:8081");
    assert_eq!(b.rule_label(rule).as_deref(), Some("NodePort 32718 of the service at 10.96.178.142:8081"));
    let owner = Labels::build(&b.model).rewrites(ChainId(0));
    assert_eq!(owner.as_deref(), Some("OVN-Kubernetes restores its chains when services change"));
}
