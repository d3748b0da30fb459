//! `REJECT`, `NFQUEUE`, `SET`, `TEE`, `TPROXY`: targets that decide, or reach outside of the packet.

use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::matches::set::{dims, set_name};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt, pair};
use crate::lower::iptables::values;
use crate::model::{Effect, Hook, Lookup, LookupKey, RejectWith, SetUpdate, UpdateOp, Verdict};

const REJECT4_TYPES: &[(&str, &str, RejectWith)] = &[
    ("icmp-net-unreachable", "net-unreach", RejectWith::Icmp(0)),
    ("icmp-host-unreachable", "host-unreach", RejectWith::Icmp(1)),
    ("icmp-proto-unreachable", "proto-unreach", RejectWith::Icmp(2)),
    ("icmp-port-unreachable", "port-unreach", RejectWith::Icmp(3)),
    ("icmp-net-prohibited", "net-prohib", RejectWith::Icmp(9)),
    ("icmp-host-prohibited", "host-prohib", RejectWith::Icmp(10)),
    ("tcp-reset", "tcp-rst", RejectWith::TcpReset),
    ("icmp-admin-prohibited", "admin-prohib", RejectWith::Icmp(13)),
];

const REJECT6_TYPES: &[(&str, &str, RejectWith)] = &[
    ("icmp6-no-route", "no-route", RejectWith::Icmp6(0)),
    ("icmp6-adm-prohibited", "adm-prohibited", RejectWith::Icmp6(1)),
    ("icmp6-addr-unreachable", "addr-unreach", RejectWith::Icmp6(3)),
    ("icmp6-port-unreachable", "port-unreach", RejectWith::Icmp6(4)),
    ("tcp-reset", "tcp-rst", RejectWith::TcpReset),
    ("icmp6-policy-fail", "policy-fail", RejectWith::Icmp6(5)),
    ("icmp6-reject-route", "reject-route", RejectWith::Icmp6(6)),
];

/// `-j REJECT` of iptables.
pub const REJECT4: Extension = Extension::of_target("REJECT", &[opt("--reject-with")], |cx, given| {
    reject(cx, given, REJECT4_TYPES, RejectWith::Icmp(3))
})
.v4()
.tables(&["filter"]);

/// `-j REJECT` of ip6tables.
pub const REJECT6: Extension = Extension::of_target("REJECT", &[opt("--reject-with")], |cx, given| {
    reject(cx, given, REJECT6_TYPES, RejectWith::Icmp6(4))
})
.v6()
.tables(&["filter"]);

fn reject(cx: &mut Cx<'_>, given: &Given<'_, '_>, types: &[(&str, &str, RejectWith)], default: RejectWith) -> Lowered {
    let fits = |name: &str, text: &str| name.get(..text.len()).is_some_and(|n| n.eq_ignore_ascii_case(text));
    let find = |t: &str| types.iter().find(|r| fits(r.0, t) || fits(r.1, t)).map(|r| r.2);
    let with = given.read("--reject-with", find)?.unwrap_or(default);
    if with == RejectWith::TcpReset && cx.proto != Some((6, false)) {
        return Err(given.bad("a TCP reset needs `-p tcp`"));
    }
    cx.effect(Effect::Reject(with));
    Ok(())
}

/// `-j NFQUEUE`.
pub const NFQUEUE: Extension = Extension::of_target(
    "NFQUEUE",
    &[opt("--queue-num"), opt("--queue-balance"), flag("--queue-bypass"), flag("--queue-cpu-fanout")],
    |cx, given| {
        let num = given.read("--queue-num", |t| values::number_to(t, 0xffff))?;
        let balance =
            given.read("--queue-balance", |t| values::range(t, 0xffff).filter(|(lo, hi)| lo < hi))?.map(|b| b.0);
        if let (Some(_), Some(arg)) = (num, given.get("--queue-balance")) {
            return Err(arg.bad("`--queue-num` was given already"));
        }
        let num = num.or(balance).unwrap_or(0) as u16;
        cx.verdict(Verdict::Queue { num, bypass: given.has("--queue-bypass") });
        Ok(())
    },
)
.note(Status::Assumed, "what the program behind the queue says is a fact");

const SET_OPTIONS: [Opt; 9] = [
    pair("--add-set"),
    pair("--del-set"),
    pair("--map-set"),
    flag("--exist"),
    opt("--timeout"),
    flag("--map-mark"),
    flag("--map-prio"),
    flag("--map-queue"),
    flag("--return-nomatch"),
];

/// `-j SET`.
pub const SET: Extension = Extension::of_target("SET", &SET_OPTIONS, lower_set).some();

fn lower_set(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let timeout = given.read("--timeout", |t| values::number_to(t, 2_147_483))?;
    for arg in given.args() {
        let op = match arg.opt.name {
            "--add-set" if given.has("--exist") => UpdateOp::Update,
            "--add-set" => UpdateOp::Add,
            "--del-set" => UpdateOp::Delete,
            "--map-set" => {
                map_set(cx, given)?;
                continue;
            }
            _ => continue,
        };
        let set = cx.model.ipset(set_name(arg)?);
        let key = LookupKey::Dims {
            dims: dims(arg)?,
            return_nomatch: false,
            counters: Vec::new(),
            update: false,
            below: false,
        };
        let timeout = timeout.filter(|_| op != UpdateOp::Delete).map(|s| s * 1000);
        let update = SetUpdate { set, op, key, data: Vec::new(), timeout, stateful: Vec::new(), miss: false };
        cx.effect(Effect::SetUpdate(Box::new(update)));
    }
    Ok(())
}

fn map_set(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Result<(), Bad> {
    let Some(arg) = given.get("--map-set") else { return Ok(()) };
    let (mark, prio, queue) = (given.has("--map-mark"), given.has("--map-prio"), given.has("--map-queue"));
    if !(mark || prio || queue) {
        return Err(arg.bad("`--map-set` needs `--map-mark`, `--map-prio` or `--map-queue`"));
    }
    let set = cx.model.ipset(set_name(arg)?);
    let key =
        LookupKey::Dims { dims: dims(arg)?, return_nomatch: false, counters: Vec::new(), update: true, below: true };
    let lookup = cx.model.push_lookup(Lookup { set, key });
    cx.effect(Effect::SetMap { lookup, mark, prio, queue });
    Ok(())
}

/// `-j TEE`.
pub const TEE: Extension = Extension::of_target("TEE", &[opt("--gateway").must(), opt("--oif")], |cx, given| {
    let family = cx.family;
    let to = given.read("--gateway", |t| values::addr(t, family))?.map(|a| cx.model.const_expr(a));
    let device = given.get("--oif").map(|a| cx.model.const_expr(crate::field::device(a.text())));
    cx.effect(Effect::Dup { to, device });
    Ok(())
});

/// `-j TPROXY`.
pub const TPROXY: Extension =
    Extension::of_target("TPROXY", &[opt("--on-port").must(), opt("--on-ip"), opt("--tproxy-mark")], |cx, given| {
        cx.need_defrag();
        let family = cx.family;
        let port = given.read("--on-port", |t| values::number_to(t, 0xffff))?.filter(|p| *p != 0);
        let addr = given.read("--on-ip", |t| values::addr(t, family))?.filter(|a| *a != 0);
        let (value, mask) = given.read("--tproxy-mark", |t| values::masked(t, 0xffff_ffff))?.unwrap_or((0, 0));
        let port = port.map(|p| cx.model.const_expr(p.into()));
        let addr = addr.map(|a| cx.model.const_expr(a));
        cx.effect(Effect::Tproxy { addr, port, mark: Some((mask, value)), drops: true });
        Ok(())
    })
    .protos(&[6, 17])
    .note(Status::Assumed, "whether a proxy listens is a fact")
    .tables(&["mangle"])
    .hooks(&[Hook::Prerouting]);
