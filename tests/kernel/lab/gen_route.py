"""Routing that is more than a default route: policy rules by mark, source, device, port and user, several tables, metrics, rp_filter.

The node keeps its devices and addresses; a case brings `ip` commands (`world`), which are taken back behind it.
"""
import random

from .gen_packets import PORTS, gen_packet

MARKS = [0x1, 0x2, 0x10, 0x100]
GATEWAYS = {"ip": {"eth0": ["192.168.1.254", "192.168.1.50"], "eth1": ["172.16.5.2", "172.16.5.9"], "cni0": ["10.42.0.59", "10.42.0.60"]},
            "ip6": {"eth0": ["fd00:1::254", "fd00:1::50"], "eth1": ["fd00:5::2", "fd00:5::9"], "cni0": ["fd00:42::59", "fd00:42::60"]}}
NETS = {"ip": ["8.8.8.0/24", "8.8.8.8/32", "10.43.0.0/16", "10.43.12.0/24", "1.0.0.0/8", "10.99.0.0/16", "192.168.1.51/32", "10.42.0.0/25", "default", "default"],
        "ip6": ["2001:db8::/32", "2001:db8::8/128", "fd00:43::/64", "fd00:43::10/128", "fd00:1::51/128", "default", "default"]}
OWN = {"ip": {"eth0": ["192.168.1.201", "192.168.1.202"], "eth1": ["172.16.5.1"], "cni0": ["10.42.0.1"]},
       "ip6": {"eth0": ["fd00:1::201"], "eth1": ["fd00:5::1"], "cni0": ["fd00:42::1"]}}
SOURCES = {"ip": ["192.168.1.0/24", "192.168.1.50/32", "10.42.0.0/24", "10.42.0.59/32", "192.168.1.202/32", "172.16.5.0/24", "10.99.0.0/16"],
           "ip6": ["fd00:1::/64", "fd00:1::50/128", "fd00:42::/64", "fd00:5::/64", "fd00:42::59/128"]}


def route(r, family, table):
    net = r.choice(NETS[family])
    metric = " metric %d" % r.choice([50, 2000]) if r.random() < .3 else ""
    c = r.random()
    if c < .12:
        return "route add %s %s table %s%s" % (r.choice(["blackhole", "unreachable", "prohibit", "throw"]), net, table, metric)
    device = r.choice(["eth0", "eth1", "eth1", "cni0"])
    src = " src " + r.choice(OWN[family][device]) if r.random() < .2 else ""
    if c < .25 and net != "default":
        return "route add %s dev %s table %s%s%s" % (net, device, table, src, metric)
    tos = " tos 0x10" if family == "ip" and r.random() < .1 else ""
    return "route add %s via %s dev %s table %s%s%s%s" % (net, r.choice(GATEWAYS[family][device]), device, table, src, metric, tos)


def rule(r, family, priority, ports):
    """A policy rule; by port only where asked for: the raw socket of local packets does not tell the kernel its ports in time."""
    words = r.sample(["from", "to", "mark", "mark", "iif", "tos", "uid", "none"] + ["port"] * 2 * ports, r.choice([1, 1, 2]))
    mark = r.choice(MARKS)
    text = {"from": "from " + r.choice(SOURCES[family]), "to": "to " + r.choice([n for n in NETS[family] if n != "default"]),
            "mark": "fwmark 0x%x%s" % (mark, r.choice(["", "/0xff", "/0x%x" % mark])), "iif": "iif " + r.choice(["eth0", "eth1", "cni0", "lo"]),
            "port": "ipproto %s %s %d" % (r.choice(["tcp", "udp"]), r.choice(["dport", "dport", "sport"]), r.choice(PORTS)),
            "tos": "tos 0x10", "uid": "uidrange %s" % r.choice(["1000-1000", "0-0", "33-1000"]), "none": ""}
    negated = "not " if r.random() < .1 and words != ["none"] else ""
    action = r.choice(["lookup 101", "lookup 101", "lookup 102", "lookup 102", "lookup main suppress_prefixlength 0", "blackhole", "unreachable",
                       "prohibit", "goto %d" % (priority + r.choice([5, 15])), "lookup main"])
    if action.startswith(("blackhole", "unreach", "prohib")):
        return "rule add %s%s priority %d %s" % (negated, " ".join(text[w] for w in words), priority, action)
    return "rule add %s%s priority %d %s" % (negated, " ".join(text[w] for w in words), priority, action)


def world(r, family, ports):
    six = "-6 " if family == "ip6" else ""
    lines = []
    for table in ("101", "102", "main"):
        seen = set()
        for _ in range(r.randint(1, 4) if table != "main" else r.randint(0, 2)):
            x = route(r, family, table)
            net = [w for w in x.split()[2:] if w in NETS[family]][0]
            if net not in seen and not (table == "main" and net == "default"):
                seen.add(net)
                lines.append(six + x)
    for i in range(r.randint(1, 5)):
        lines.append(six + rule(r, family, 100 + 10 * i, ports))
    lines.append(six + "rule add priority 175 lookup 102")
    return lines


def ruleset(r, family, packets):
    """Marks at PREROUTING and OUTPUT, DNAT, and rules that ask for the route."""
    out = ["table inet route {"]
    for name, head in (("pre", "type filter hook prerouting priority -150;"), ("out", "type route hook output priority -150;")):
        out += ["chain %s {" % name, head]
        for _ in range(r.randint(0, 3)):
            p = r.choice(packets)
            out.append("%s %s meta mark set 0x%x" % (r.choice(["%s daddr %s" % (family, p["daddr"]), "meta l4proto %s" % r.choice(["tcp", "udp"]), ""]),
                                                      r.choice(["", 'iifname "eth0"' if name == "pre" else 'oifname "eth0"']), r.choice(MARKS)))
        out.append("}")
    out += ["chain nat {", "type nat hook %s priority -100;" % r.choice(["prerouting", "output"])]
    if r.random() < .4:
        out.append("meta l4proto { tcp, udp } %s daddr %s dnat %s to %s" % (family, r.choice(packets)["daddr"], family, r.choice(
            sum(GATEWAYS[family].values(), []))))
    out.append("}")
    fib = ["fib daddr type unicast", "fib daddr type local", "fib saddr . iif oif missing", "fib saddr . iif oif exists", "fib saddr . mark . iif oif missing",
           "fib saddr type unicast", 'fib daddr . mark oifname "eth1"', 'fib saddr oifname "eth0"', "fib daddr . mark type unreachable",
           "fib daddr . mark type != unicast", 'fib daddr oifname "eth1"', "fib daddr . mark type prohibit"]
    late = ['oifname "eth1"', 'oifname "cni0"', "rt %s nexthop %s" % (family, r.choice(sum(GATEWAYS[family].values(), [])))]
    for hook in ("prerouting", "forward", "postrouting"):
        out += ["chain f%s {" % hook[:3], "type filter hook %s priority 10;" % hook]
        for _ in range(r.randint(0, 3)):
            ask = r.choice(fib if hook == "prerouting" else late + [x for x in fib if "type" in x] * (hook == "forward"))
            out.append(ask + " " + r.choice(["counter", "counter", "meta mark set 0x8", "accept", "drop"]))
        out.append("}")
    out += ["chain masq {", "type nat hook postrouting priority srcnat;"] + ["masquerade"] * (r.random() < .4) + ["}", "}"]
    return "\n".join(out) + "\n"


def iptables(r, family, packets):
    rule = lambda chain: "-A %s %s -j %s" % (chain, r.choice([  # noqa: E731
        "-m rpfilter", "-m rpfilter --loose", "-m rpfilter --validmark", "-m rpfilter --invert", "-m rpfilter --validmark --invert", "-p tcp",
        "-d " + r.choice(packets)["daddr"], "-m addrtype --dst-type UNICAST", "-m addrtype --src-type LOCAL"]), r.choice([
            "MARK --set-mark 0x%x" % r.choice(MARKS), "MARK --set-mark 0x%x" % r.choice(MARKS), "LOG", "CONNMARK --save-mark", "CONNMARK --restore-mark"]))
    out = ["*mangle"] + [rule("PREROUTING") for _ in range(r.randint(1, 5))]
    out += [rule("OUTPUT") for _ in range(r.randint(0, 3))]
    out = [x for x in out if not ("rpfilter" in x and "OUTPUT" in x)]
    return "\n".join(out + ["COMMIT", "*nat"] + ["-A POSTROUTING -j MASQUERADE"] * (r.random() < .4) + ["COMMIT"]) + "\n"


def generate(seed):
    r = random.Random("route-%d" % seed)
    family = r.choice(["ip", "ip", "ip6"])
    packets, ports = [], r.random() < .5
    for _ in range(r.randint(5, 8)):
        p = gen_packet(r, family, origin=r.choice(["client", "ext", "pod1"]) if ports else None, plain=True)
        if r.random() < .3:
            p["tos"] = r.choice([0x10, 0x08])
        if p["origin"] == "node" and r.random() < .4:
            p["mark"] = r.choice(MARKS)
        packets.append(p)
    backend = r.choice(["nft", "nft", "iptables-nft", "iptables-legacy"])
    knobs = {"rp_filter": r.choice([0, 1, 2]) if family == "ip" else 0, "src_valid_mark": r.choice([0, 0, 1])}
    case = {"backend": backend, "packets": packets, "world": world(r, family, ports), "knobs": knobs}
    if backend == "nft":
        return dict(case, nft=ruleset(r, family, packets))
    return dict(case, **{"v6" if family == "ip6" else "v4": iptables(r, family, packets)})
