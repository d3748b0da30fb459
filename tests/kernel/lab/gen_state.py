"""Rules that remember: limits and quotas that run out, recent, hashlimit, connlimit, counters, dynamic sets, in iptables and nft.

A flow here is a handful of senders whose packets come one behind the other, so that what a rule counted decides about the next. Rates are
so slow that nothing comes back while a case runs. Rules stand where packets arrive; what the host itself sends does not pass them.
"""
import random

from .gen_packets import gen_packet

SETS = "create seen hash:ip timeout 600\ncreate pairs hash:ip,port\ncreate few hash:ip maxelem 2\n"


def burst(r, family):
    """Packets of few senders to few ports, one behind the other."""
    ends = []
    for _ in range(r.choice([1, 2, 2, 3])):
        p = gen_packet(r, family, origin=r.choice(["client", "client", "ext", "pod1"]), plain=True)
        ends.append(dict(p, ttl=64))
    script = []
    for i in range(r.randint(4, 9)):
        p = dict(r.choice(ends))
        if r.random() < .5:
            p["sport"] = 40000 + i
        if r.random() < .2:
            p["dport"] = r.choice([22, 80, 443])
        if p["proto"] == "tcp" and r.random() < .15:
            p["tcp_flags"] = r.choice([["rst"], ["fin", "ack"], ["ack"]])
        script.append(p)
    return script


class Xt:
    """iptables rules that remember."""

    def __init__(self, r, family):
        self.r, self.six = r, family == "ip6"

    def match(self):
        r = self.r
        neg = r.choice(["", "", "! "])
        name = r.choice(["a", "b"])
        mode = r.choice(["srcip", "dstip", "srcip,dstport", "srcport", "srcip,srcport", "dstip,dstport"])
        bits = r.choice([128, 64, 48] if self.six else [32, 24, 16, 0])
        recent = "-m recent --name %s %s " % (name, r.choice(["--rsource", "--rsource", "--rdest"]))
        return r.choice([
            "-m limit --limit %d/day --limit-burst %d" % (r.randint(1, 4), r.randint(1, 5)),
            "-m quota %s--quota %d" % (neg, r.choice([0, 39, 40, 100, 200, 500])),
            "-m statistic --mode nth %s--every %d --packet %d" % ((neg,) + r.choice([(2, 0), (2, 1), (3, 0), (3, 2), (4, 1)])),
            "-m hashlimit --hashlimit-%s %d/day --hashlimit-burst %d --hashlimit-mode %s --hashlimit-name h%d" % (
                r.choice(["upto", "above"]), r.randint(1, 3), r.randint(1, 4), mode, r.randint(0, 10 ** 6)) +
            (" --hashlimit-srcmask %d" % bits if "srcip" in mode and r.random() < .4 else ""),
            "-p tcp -m connlimit --connlimit-%s %d --connlimit-mask %d %s" % (
                r.choice(["above", "upto"]), r.randint(0, 3), bits, r.choice(["--connlimit-saddr", "--connlimit-daddr"])),
            recent + r.choice(["--set", "--set", "! --set", "--remove", "--rcheck", "! --rcheck", "--update",
                               "--update --seconds 300 --hitcount %d" % r.randint(1, 4), "! --update --hitcount 3",
                               "--rcheck --hitcount %d" % r.randint(1, 5), "--rcheck --seconds 300 --rttl", "--update --hitcount 2 --rttl"]) +
            (" --mask %s" % ("ffff:ffff::" if self.six else "255.255.0.0") if name == "b" else ""),  # a list has one mask, its first rule's
            "-m connbytes --connbytes %s --connbytes-dir %s --connbytes-mode packets" % (
                r.choice(["1", "2:3", "0:1", "3:"]), r.choice(["original", "reply", "both"])),
        ] + ([] if self.six else ["-m set %s--match-set %s" % (neg, r.choice(["seen src", "seen dst", "pairs src,dst", "few src"]))] * 3))

    def rule(self, chain, ports, leaves):
        r = self.r
        words = [self.match()]
        if r.random() < .3:
            words.insert(0, r.choice(["-p udp", "-p tcp --dport %d" % r.choice(ports), "-i eth0", "-i cni0"]))
        if "-p tcp" in words[0] and "-p tcp -m connlimit" in words[-1]:
            words = words[-1:]
        if r.random() < .25:
            words.append("-m limit --limit 1/day --limit-burst %d" % r.randint(1, 3))
        to = r.choice(["-j ACCEPT", "-j DROP", "-j RETURN", "-j MARK --set-mark 0x%x" % r.randint(1, 9), "", "-j LOG", "-j LOG"] +
                      ["-j " + x for x in leaves] +
                      ([] if self.six else ["-j SET --add-set %s" % r.choice(["seen src", "pairs src,dst", "few src", "seen src --exist --timeout 900"]),
                                            "-j SET --del-set %s" % r.choice(["seen src", "pairs src,dst", "few src"])] * 2))
        return "-A %s %s %s" % (chain, " ".join(words), to)

    def ruleset(self, ports):
        out = []
        for table, chains in (("mangle", ["PREROUTING", "FORWARD"]), ("filter", ["INPUT", "FORWARD"])):
            out += ["*" + table, ":LEAF - [0:0]"]
            for chain in chains:
                out += [self.rule(chain, ports, ["LEAF"]) for _ in range(self.r.randint(0, 5))]
            out += [self.rule("LEAF", ports, []) for _ in range(self.r.randint(0, 2))] + ["COMMIT"]
        return "\n".join(out) + "\n"


class Nft:
    """nft rules that remember."""

    def __init__(self, r, family):
        self.r, self.family = r, family
        self.address = "ipv6_addr" if family == "ip6" else "ipv4_addr"

    def statement(self, shared=False):
        """A condition with a memory; `shared`: where several rules may come upon it, one that counts a packet once."""
        r, over = self.r, self.r.choice(["", "", "over "])
        rate = r.choice(["limit rate %s%d/day burst %d packets" % (over, r.randint(1, 3), r.randint(1, 5)),
                         "limit rate %s10 bytes/day burst %d bytes" % (over, r.choice([39, 100, 200, 500]))])
        quota = "quota %s%d bytes" % (over, r.choice([0, 39, 40, 41, 100, 200, 500]))
        return r.choice([rate, rate, quota, quota if shared else "ct count %s%d" % (over, r.randint(0, 3))])

    def match(self):
        r, f = self.r, self.family
        key = r.choice(["%s saddr" % f, "%s daddr" % f])
        both = "%s saddr . th dport" % f
        timeout = r.choice(["", "", " timeout 600s"])
        return r.choice([
            self.statement(), self.statement(), "numgen inc mod %d %s" % r.choice([(2, "0"), (3, "1"), (3, "< 2"), (4, "{ 0, 3 }")]),
            "%s @seen { %s%s }" % (r.choice(["add", "update"]), key, timeout), "delete @seen { %s }" % key,
            "%s %s@seen" % (key, r.choice(["", "!= "])), "%s @few { %s }" % (r.choice(["add", "update"]), key), "%s @few" % key,
            "%s @metered { %s %s }" % (r.choice(["add", "update"]), key, self.statement(shared=True)),
            "meta l4proto { tcp, udp } %s @pairs { %s }" % (r.choice(["add", "update", "delete"]), both),
            "meta l4proto { tcp, udp } %s @pairs" % both,
            "limit name \"slow\"", "quota name \"all\"", "ct count over %d" % r.randint(0, 2),
            "meta l4proto { tcp, udp } %s @marks { %s : 0x%x }" % (r.choice(["add", "update"]), both, r.randint(1, 9)),
            "meta l4proto { tcp, udp } meta mark set %s map @marks" % both,
            "ct original packets > %d" % r.randint(0, 2), "ct packets %d" % r.randint(0, 3), "ct original bytes > 100",
        ])

    def rule(self, ports, leaves):
        r = self.r
        words = [r.choice(["", "", "", "tcp dport %d" % r.choice(ports), "meta l4proto udp", 'iifname "eth0"', "ct state new", "tcp flags syn"])]
        words += [self.match() for _ in range(r.choice([1, 1, 1, 2]))]
        words.append(r.choice(["accept", "drop", "return", "counter", "counter", "meta mark set 0x%x" % r.randint(1, 9), "continue"] +
                              ["jump " + x for x in leaves]))
        return " ".join(x for x in words if x)

    def ruleset(self, ports):
        r = self.r
        table = r.choice(["inet", self.family])
        out = ["table %s state {" % table, "chain leaf {\n}", "}", "table %s state {" % table,
               "set seen { type %s; size 100; flags dynamic,timeout; timeout 1h; }" % self.address,
               "set few { type %s; size 2; flags dynamic; }" % self.address,
               "set metered { type %s; size 100; flags dynamic; }" % self.address,
               "set pairs { type %s . inet_service; size 100; flags dynamic; }" % self.address,
               "map marks { type %s . inet_service : mark; size 100; flags dynamic; }" % self.address,
               "limit slow { rate 1/day burst %d packets }" % r.randint(1, 4), "quota all { %s%d bytes }" % (r.choice(["", "over "]), r.choice([50, 100, 300])),
               "chain leaf {"] + [self.rule(ports, []) for _ in range(r.randint(0, 2))] + ["}"]
        for i in range(r.choice([1, 2, 2, 3])):
            hook = r.choice(["prerouting", "input", "forward"])
            out += ["chain c%d {" % i, "type filter hook %s priority %d;" % (hook, r.choice([-150, 0, 10]))]
            out += [self.rule(ports, ["leaf"]) for _ in range(r.randint(1, 6))] + ["}"]
        return "\n".join(out + ["}"]) + "\n"


def generate(seed):
    r = random.Random("state-%d" % seed)
    family = r.choice(["ip", "ip", "ip6"])
    script = burst(r, family)
    ports = [p["dport"] for p in script]
    backend = r.choice(["iptables-nft", "iptables-legacy", "nft", "nft"])
    case = {"backend": backend, "packets": [script], "stateful": True}
    if backend == "nft":
        return dict(case, nft=Nft(r, family).ruleset(ports))
    return dict(case, ipset=SETS if family == "ip" else "", **{"v6" if family == "ip6" else "v4": Xt(r, family).ruleset(ports)})
