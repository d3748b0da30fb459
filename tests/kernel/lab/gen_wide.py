"""Random nft rulesets beyond gen_nft: chains of the bridge family, of devices' ingress and egress, and odd packets.

  bridge   a bridge table (and an inet one) around the two pods; with and without br_netfilter
  egress   netdev tables at ingress and egress of devices, bridge ports, the bridge and lo
  wide     fragments, IP and TCP options, wrong checksums; deep chains, large sets and maps, sets of intervals and concatenations, the clock
"""
import ipaddress

from .gen_nft import Gen
from .gen_packets import gen_packet

MACS = ["02:00:00:00:03:59", "02:00:00:00:03:60", "02:00:00:00:03:01", "02:00:00:00:01:02", "02:00:00:00:02:02", "02:00:00:00:01:01"]
IP_OPTIONS = ["07070400000000" + "01", "94040000", "01010101", "8307040a2a003b" + "00"]
TCP_OPTIONS = ["020405b4", "020405b40402080a000000010000000001030307", "0101080a0000000100000002", "01030307", "02040218" + "01010101"]


def odd(r, p):
    """A packet with one unusual thing about it."""
    c = r.random()
    if c < .3 and p["origin"] != "node":
        # Either end of a packet that was cut; the offset counts eight bytes.
        p.update(r.choice([{"more_fragments": True}, {"frag_offset": r.choice([1, 3, 100])},
                           {"frag_offset": 10, "more_fragments": True}]))
        p["length"] = r.choice([44, 60, 100])
    elif c < .5 and p["origin"] != "node" and p["family"] == "ip":
        p["ip_options_hex"] = r.choice(IP_OPTIONS)
    elif c < .65 and p["proto"] == "tcp":
        p["tcp_options_hex"] = r.choice(TCP_OPTIONS)
    elif c < .85 and p["origin"] != "node" and p["proto"] in ("tcp", "udp", "icmp", "icmpv6"):
        p["bad_checksum"] = True
    if p["family"] == "ip6":
        for key in ("more_fragments", "frag_offset"):
            p.pop(key, None)
    return p


class Wide(Gen):
    kind = "wide"

    def match(self, t, hook, p):
        r = self.r
        link = t["family"] in ("bridge", "netdev")
        c = r.random()
        if self.kind == "wide" and c < .35:
            return self.odd_match(p)
        if link and c < .4:
            return self.link_match(t, hook)
        for _ in range(20):
            x = super().match(t, hook, p)
            words = x.split()
            if not link or x and "option" not in x and not {"ct", "fib", "rt", "socket", "skuid", "skgid", "quota", "iif", "oif"} & set(words[:2]):
                return x
        return ""

    def link_match(self, t, hook):
        r = self.r
        mac = r.choice(MACS)
        own = ["ether saddr %s%s" % (self.op(), mac), "ether daddr %s%s" % (self.op(), mac), "ether daddr { %s, %s }" % (mac, r.choice(MACS)),
               "ether type ip", "ether type != ip6", "ether type { ip, arp }", "meta protocol ip", "vlan id 5", "ether type vlan",
               "meta pkttype %s%s" % (self.op(), r.choice(["host", "other", "broadcast", "multicast"])), "arp operation request",
               "ether saddr . ip saddr { %s . 10.42.0.59, %s . 192.168.1.50 }" % (MACS[0], MACS[3]),
               "ether daddr & ff:ff:ff:00:00:00 == 02:00:00:00:00:00", "@ll,0,8 2"]
        if t["family"] == "bridge":
            d = "iif" if hook in ("prerouting", "input") else "oif" if hook in ("output", "postrouting") else r.choice(["iif", "oif"])
            own += ["%sname %s%s" % (d, self.op(), r.choice(['"vethp1"', '"vethp2"', '"veth*"', '"cni0"', '{ "vethp1", "eth0" }']))] * 6
            own += ["meta ibrname %s\"cni0\"" % self.op(), "meta obrname \"cni0\"", "meta iifkind \"veth\"", "iifname . ether saddr { \"vethp1\" . %s }" % MACS[0]]
        return r.choice(own)

    def odd_match(self, p):
        r = self.r
        four = ["ip frag-off & 0x1fff != 0", "ip frag-off & 0x2000 != 0", "ip frag-off & 0x3fff == 0", "ip hdrlength %s" % r.choice(["5", "> 5", "6", "!= 5"]),
                "ip option rr exists", "ip option lsrr missing", "ip option ra exists", "ip option rr length 7", "ip option ra value 0", "ip id != 0"]
        six = ["exthdr frag exists", "exthdr frag missing", "ip6 nexthdr %stcp" % self.op(), "frag more-fragments 1", "exthdr hbh missing"]
        any_ = ["tcp option maxseg size %s" % r.choice(["1460", "> 1000", "< 1000", "536-1500"]), "tcp option maxseg exists", "tcp option timestamp exists",
                "tcp option window count 7", "tcp option sack-perm missing", "tcp option nop exists", "tcp doff > 5", "tcp option timestamp tsval 1",
                "meta length > 60", "@th,0,16 %d" % p.get("sport", 1), "@th,104,8 & 0x12 == 0x2", "udp length > 20", "udp length 8",
                "ct state invalid", "ct state new", "meta l4proto . th dport { tcp . 80, tcp . %d, udp . 53 }" % p.get("dport", 80),
                "meta day != \"Friday\" meta day != \"Saturday\" meta day != \"Sunday\" meta time > \"2001-01-01 00:00:00\"",
                "ip saddr . ip daddr . tcp sport . tcp dport { 10.0.0.0/8 . 192.168.0.0/16 . 1-65535 . 80, %s . 0.0.0.0/0 . 0-65535 . %d }" % (
                    p["saddr"] if p["family"] == "ip" else "10.1.1.1", p.get("dport", 443)),
                "socket transparent 0", "meta cpu < 64", "meta time > \"2010-01-01 00:00:00\""]
        return r.choice((four if p["family"] == "ip" else six) + any_)

    def large_sets(self, t):
        """Thousands of elements: single ones, intervals, concatenations; the packets' own among them or in a hole."""
        r, out = self.r, []
        for name, family in (("big0", "ip"), ("big1", "ip"), ("bigc", "ip")):
            own = [p for p in self.pkts if p["family"] == family]
            base = int(ipaddress.ip_address("11.0.0.0"))
            if name == "big0":
                el = {str(ipaddress.ip_address(base + 7 * i)) for i in range(r.choice([500, 3000]))}
                el |= {p["saddr"] for p in own if r.random() < .6}
                kind, flags = "ipv4_addr", ""
            elif name == "big1":
                el = {"%s-%s" % (ipaddress.ip_address(base + 64 * i), ipaddress.ip_address(base + 64 * i + r.randint(1, 40)))
                      for i in range(r.choice([300, 1500]))}
                el |= {p["daddr"] + "/32" for p in own if r.random() < .6}
                kind, flags = "ipv4_addr", " flags interval; auto-merge;"
            else:
                el = {"%s . %d" % (ipaddress.ip_address(base + 5 * i), 1 + i % 60000) for i in range(r.choice([200, 1200]))}
                el |= {"%s . %d" % (p["daddr"], p["dport"]) for p in own if "dport" in p and r.random() < .7}
                kind, flags = "ipv4_addr . inet_service", ""
            out.append("set %s { type %s;%s elements = { %s }; }" % (name, kind, flags, ", ".join(sorted(el))))
        t["sets"] += [("big0", "addr", "ip"), ("big1", "addr", "ip"), ("bigc", "addr_port", "ip")]
        return out

    def bases(self):
        r = self.r
        if self.kind == "bridge":
            hooks = ["prerouting", "prerouting", "forward", "forward", "forward", "postrouting", "input", "output"]
            return [{"name": "b_%s%d" % (h[:4], i), "hook": h, "type": "filter", "prio": r.choice([-300, -200, -200, -201, -1, 0, 0, 1, 100, 300]),
                     "policy": "drop" if r.random() < .08 else "accept"} for i, h in enumerate(r.choices(hooks, k=r.randint(2, 6)))]
        devices = ["eth0", "eth0", "eth1", "vethp1", "vethp2", "cni0", "lo"]
        return [{"name": "d_%s%d" % (h[:3], i), "hook": h, "type": "filter", "prio": r.choice([-500, 0, 0, 10]),
                 "dev": sorted(set(r.choices(devices, k=r.choice([1, 1, 2])))), "policy": "drop" if r.random() < .08 else "accept"}
                for i, h in enumerate(r.choices(["ingress", "egress", "egress"], k=r.randint(2, 5)))]

    def link_table(self, i):
        """A table of the bridge or netdev family."""
        r = self.r
        t = {"family": "bridge" if self.kind == "bridge" else "netdev", "name": "link%d" % i, "sets": [], "maps": [], "vmaps": []}
        users = ["leaf_%d" % j for j in range(r.randint(0, 3))]
        blocks = []
        for b in self.bases():
            dev = " devices = { %s }" % ", ".join(b["dev"]) if len(b.get("dev", "")) > 1 else " device %s" % b["dev"][0] if b.get("dev") else ""
            head = "type filter hook %s%s priority %d; policy %s;" % (b["hook"], dev, b["prio"], b["policy"])
            blocks.append((b["name"], head, [self.rule(t, b, r.choice(self.pkts), users, "raw0") for _ in range(r.randint(1, 6))]))
        for j, u in enumerate(users):
            blocks.append((u, "", [self.rule(t, None, r.choice(self.pkts), users[j + 1:], "raw0") for _ in range(r.randint(0, 3))]))
        head = "table %s %s {" % (t["family"], t["name"])
        out = [head]
        for name, kind, _ in blocks:
            out += ["chain %s {" % name] + ([kind] if kind else []) + ["}"]
        out += ["}", head]
        for name, _, rules in blocks:
            out += ["chain %s {" % name] + rules + ["}"]
        return out + ["}"]

    def fam_of(self, t, p):
        return p["family"] if t["family"] in ("bridge", "netdev") else super().fam_of(t, p)

    def make_sets(self, t):
        out = super().make_sets(t)
        return out + self.large_sets(t) if self.kind == "wide" and t["family"] in ("ip", "inet") and self.r.random() < .3 else out

    def deep(self):
        """A chain of fifteen jumps, and gotos among them."""
        r = self.r
        n = r.choice([5, 12, 14])
        out = ["table ip deep {"] + ["chain c%d {\n}" % i for i in range(n + 1)]
        out += ["chain top {\ntype filter hook %s priority %d;\n}" % (r.choice(["prerouting", "input", "forward", "output"]), r.choice([-300, 5]))]
        out += ["}", "table ip deep {", "chain top {", "jump c0", "counter", "}"]
        for i in range(n):
            p = r.choice(self.pkts)
            m = r.choice(["", "", self.match({"family": "ip", "sets": [], "maps": []}, "forward", p)])
            out += ["chain c%d {" % i, "%s %s c%d" % (m, r.choice(["jump", "jump", "jump", "goto"]), i + 1),
                    r.choice(["counter", "meta mark set 0x%x" % i, "return", "continue"]), "}"]
        return out + ["chain c%d {" % n, "counter", r.choice(["return", "accept", "counter"]), "}", "}"]

    def case(self, only=None):
        r = self.r
        self.only = only
        origins = ["pod1", "pod1", "pod2", "client", "node"] if self.kind == "bridge" else [None]
        self.pkts = []
        for _ in range(r.randint(5, 8)):
            p = gen_packet(r, "ip6" if r.random() < .2 else "ip", origin=r.choice(origins))
            self.pkts.append(odd(r, p) if self.kind == "wide" and r.random() < .7 else p)
        out = []
        if self.kind == "wide":
            for i in range(r.choice([1, 1, 2])):
                out += self.table(i)
            if r.random() < .3:
                out += self.deep()
        else:
            for i in range(r.choice([1, 1, 2])):
                out += self.link_table(i)
            out += self.table(3)
        knobs = {"bridge_nf": r.choice([0, 1]), "route_localnet": 0, "fwmark_rule": 0}
        text = "\n".join(out) + "\n"
        return {"backend": "nft", "nft": text, "knobs": knobs, "packets": self.pkts, "neighbours": True,
                "clock": self.kind == "wide", "stateful": self.dynamic or any(w in text for w in ("limit", "quota", "numgen")), "features": sorted(self.feats)}


def generate(seed, kind):
    g = Wide("%s-%d" % (kind, seed))
    g.kind = kind
    return g.case()
