"""Connections in zones (`CT --zone`, `ct zone set`): by device, source or mark, in one direction or both; NAT and state in them, answers and third packets.
"""
import random

from .gen_packets import gen_packet, pool


def iptables(r, family, packets):
    out = ["*raw"]
    for _ in range(r.randint(1, 4)):
        p = r.choice(packets)
        where = r.choice(["-i eth0", "-i cni0", "-i eth1", "-s " + p["saddr"], "-d " + p["daddr"], "-p udp", ""])
        out.append("-A PREROUTING %s -j CT --%s %d" % (where, r.choice(["zone", "zone", "zone-orig", "zone-reply"]), r.randint(0, 3)))
    out += ["-A OUTPUT -d %s -j CT --zone %d" % (r.choice(packets)["daddr"], r.randint(1, 3)) for _ in range(r.randint(0, 2))]
    if r.random() < .2:
        out.append("-A PREROUTING -m mark --mark 0x1 -j CT --zone mark")
    out += ["COMMIT", "*nat"]
    pods, node = pool(family)["pods"], pool(family)["node_src"]
    for _ in range(r.randint(0, 2)):
        out.append("-A PREROUTING -d %s -p tcp -j DNAT --to-destination %s" % (r.choice(packets)["daddr"], r.choice(pods)))
    if r.random() < .5:
        out.append(r.choice(["-A POSTROUTING -o eth0 -j MASQUERADE", "-A POSTROUTING -j SNAT --to-source " + node]))
    out += ["COMMIT", "*filter"]
    for chain in ("INPUT", "FORWARD", "OUTPUT"):
        for _ in range(r.randint(1, 3)):
            out.append("-A %s %s -j %s" % (chain, r.choice([
                "-m conntrack --ctstate NEW", "-m conntrack --ctstate ESTABLISHED", "-m conntrack --ctstate INVALID", "-m conntrack ! --ctstate NEW",
                "-m conntrack --ctstate DNAT", "-m conntrack --ctdir REPLY", "-m conntrack --ctstatus SEEN_REPLY", "-m conntrack --ctdir ORIGINAL"]),
                r.choice(["ACCEPT", "LOG", "LOG", "DROP"])))
    return "\n".join(out + ["COMMIT"]) + "\n"


def nft(r, family, packets):
    out = ["table inet zones {"]
    for name, hook in (("raw", "prerouting"), ("rawo", "output")):
        out += ["chain %s {" % name, "type filter hook %s priority -300;" % hook]
        for _ in range(r.randint(1, 3)):
            p = r.choice(packets)
            where = r.choice(['iifname "eth0"', 'iifname "cni0"', 'iifname { "eth1", "cni0" }'] * (hook == "prerouting") +
                             ["%s saddr %s" % (family, p["saddr"]), "%s daddr %s" % (family, p["daddr"]), "meta l4proto udp"])
            out.append("%s ct %szone set %s" % (where, r.choice(["", "", "original ", "reply "]), r.randint(0, 3)))
        if hook == "prerouting" and r.random() < .3:
            out.append('ct zone set iifname map { "eth0" : 1, "cni0" : 2 }')
        out.append("}")
    out += ["chain nat_d {", "type nat hook prerouting priority -100;"]
    pods = pool(family)["pods"]
    out += ["%s daddr %s meta l4proto tcp dnat %s to %s" % (family, r.choice(packets)["daddr"], family, r.choice(pods)) for _ in range(r.randint(0, 2))]
    out += ["}", "chain nat_s {", "type nat hook postrouting priority 100;"] + ['oifname "eth0" masquerade'] * (r.random() < .5) + ["}"]
    for hook in ("prerouting", "input", "forward", "output"):
        out += ["chain f%s {" % hook[:3], "type filter hook %s priority 0;" % hook]
        for _ in range(r.randint(1, 4)):
            out.append("%s %s" % (r.choice([
                "ct zone %d" % r.randint(0, 3), "ct zone != 0", "ct zone { 1, 2 }", "ct original zone %d" % r.randint(0, 3), "ct reply zone %d" % r.randint(0, 3),
                "ct state new", "ct state established", "ct state invalid", "ct direction reply", "ct status dnat", "ct status seen-reply"]),
                r.choice(["counter", "counter", "accept", "drop", "meta mark set 0x7"])))
        out.append("}")
    return "\n".join(out + ["}"]) + "\n"


def generate(seed):
    r = random.Random("zone-%d" % seed)
    family = r.choice(["ip", "ip", "ip6"])
    packets = [gen_packet(r, family, plain=r.random() < .8) for _ in range(r.randint(4, 7))]
    backend = r.choice(["nft", "nft", "iptables-nft", "iptables-legacy"])
    case = {"backend": backend, "packets": packets, "answers": .7}
    if backend == "nft":
        return dict(case, nft=nft(r, family, packets))
    return dict(case, **{"v6" if family == "ip6" else "v4": iptables(r, family, packets)})
