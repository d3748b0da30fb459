"""ipsets of every type that the kernel has, with nomatch, timeouts, marks, ranges, lists of sets; asked in every combination of src and dst, filled
and emptied by rules, in iptables (legacy and nft); IPv4 and IPv6.
"""
import ipaddress
import random

from .gen_packets import PORTS, gen_packet

# Type: the kinds of its parts; "only4" where IPv6 has none.
TYPES = {"hash:ip": "ip", "hash:net": "net", "hash:ip,port": "ip port", "hash:net,port": "net port", "hash:ip,port,ip": "ip port ip", "hash:ip,port,net": "ip port net",
         "hash:net,iface": "net iface", "hash:net,net": "net net", "hash:net,port,net": "net port net", "hash:ip,mark": "ip mark", "hash:mac": "mac",
         "hash:ip,mac": "ip mac", "bitmap:ip": "bip", "bitmap:ip,mac": "bip mac", "bitmap:port": "bport"}
MACS = ["02:00:00:00:01:02", "02:00:00:00:02:02", "02:00:00:00:03:59", "02:00:00:00:03:60"]


class Sets:
    def __init__(self, r, family, packets):
        self.r, self.family, self.packets = r, family, packets
        self.width = 32 if family == "ip" else 128

    def address(self):
        p = self.r.choice(self.packets)
        return self.r.choice([p["saddr"], p["daddr"], p["daddr"], "10.43.0.7" if self.family == "ip" else "fd00:43::7"])

    def part(self, kind):
        r = self.r
        a = self.address()
        if kind == "ip":
            if self.family == "ip" and r.random() < .2:
                low = int(ipaddress.ip_address(a)) & ~3
                return "%s-%s" % (ipaddress.ip_address(low), ipaddress.ip_address(low + r.choice([1, 3, 5])))
            return a
        if kind == "net":
            bits = r.choice([self.width, self.width - 1, self.width - 4, self.width - 8, self.width // 2, 8, 1])
            return str(ipaddress.ip_network("%s/%d" % (a, bits), strict=False))
        if kind == "port":
            p = r.choice(self.packets)
            port = p.get("dport", 80) if r.random() < .7 else r.choice(PORTS)
            if p["proto"] in ("icmp", "icmpv6") and r.random() < .5:
                return "%s:%d/0" % (p["proto"], p["icmp_type"])
            proto = p["proto"] if p["proto"] in ("tcp", "udp", "sctp") and r.random() < .8 else r.choice(["tcp", "udp"])
            return "%s:%s" % (proto, port if r.random() < .7 else "%d-%d" % (max(1, port - r.randint(0, 20)), min(65535, port + r.randint(1, 40))))
        return {"iface": r.choice(["eth0", "eth1", "cni0", "lo", "physdev:vethp1", "wildcard"]), "mark": "0x%x" % r.choice([0, 1, 2, 0x100]), "mac": r.choice(MACS),
                "bip": "10.42.0.%s" % r.choice(["59", "60", "1", "56-63"]), "bport": r.choice(["80", "443", "1-100", "53", "%d" % r.choice(PORTS)])}[kind]

    def entry(self, kinds, options):
        r = self.r
        parts = [self.part(k) for k in kinds]
        text = ",".join(parts)
        if "wildcard" in parts:
            text = text.replace("wildcard", "eth") + " wildcard"
        if "nomatch" in options and r.random() < .3:
            text += " nomatch"
        if "timeout" in options and r.random() < .5:
            text += " timeout %d" % r.choice([0, 300, 9000])
        if "skbinfo" in options and r.random() < .6:
            text += " skbmark 0x%x/0x%x" % (r.choice([1, 5, 0x10]), r.choice([0xff, 0xf, 0xffffffff]))
        return text

    def one(self, name):
        """A set's lines, its parts and options; nothing where the family does not fit."""
        r = self.r
        kind = r.choice(list(TYPES))
        kinds = TYPES[kind].split()
        if self.family == "ip6" and "bip" in kinds:
            return None
        head = "create %s %s" % (name, kind)
        if kind.startswith("bitmap:ip"):
            head += " range 10.42.0.0/24"
        elif kind == "bitmap:port":
            head += " range 0-65535"
        elif kind != "hash:mac":
            head += " family inet%s" % ("6" if self.family == "ip6" else "")
        options = set()
        if "net" in kinds:
            options.add("nomatch")
        if r.random() < .4:
            head += " timeout %d" % r.choice([0, 600])
            options.add("timeout")
        if r.random() < .15:
            head += " skbinfo"
            options.add("skbinfo")
        if r.random() < .15:
            head += " counters"
        if kind == "hash:ip" and self.family == "ip" and r.random() < .2:
            head += " netmask %d" % r.choice([24, 16, 30])
        if kind == "hash:ip,mark" and r.random() < .3:
            head += " markmask 0xff"
        lines, seen = [head], set()
        for _ in range(r.randint(1, 9)):
            e = self.entry(kinds, options)
            if e.split()[0] not in seen:
                seen.add(e.split()[0])
                lines.append("add %s %s -exist" % (name, e))
        return lines, kinds, options

    def all(self):
        r, lines, self.made = self.r, [], []
        for i in range(r.randint(2, 5)):
            made = self.one("s%d" % i)
            if made:
                lines += made[0]
                self.made.append(("s%d" % i, len(made[1]), made[2]))
        if len(self.made) > 1 and r.random() < .4:
            lines.append("create l list:set size 8")
            inside = r.sample(self.made, r.randint(1, 2))
            lines += ["add l " + n for n, _, _ in inside]
            self.made.append(("l", max(d for _, d, _ in inside), set()))
        return "\n".join(lines) + "\n"

    def match(self):
        r = self.r
        name, dims, options = r.choice(self.made)
        dirs = [r.choice(["src", "dst"]) for _ in range(max(1, dims + r.choice([0, 0, 0, 0, -1, 1])))][:6]
        text = "-m set %s--match-set %s %s" % (r.choice(["", "", "! "]), name, ",".join(dirs))
        return text + (" --return-nomatch" if "nomatch" in options and r.random() < .3 else "")

    def target(self, chain, leaves):
        r = self.r
        name, dims, options = r.choice(self.made)
        dirs = ",".join(r.choice(["src", "dst"]) for _ in range(dims))
        more = [" --exist", " --exist --timeout 700"] if "timeout" in options else [" --exist"]
        own = ["-j SET --add-set %s %s%s" % (name, dirs, r.choice(["", ""] + more)), "-j SET --del-set %s %s" % (name, dirs)]
        if "skbinfo" in options and chain == "mangle":
            own += ["-j SET --map-set %s %s --map-mark" % (name, dirs)] * 4
        return r.choice(own * (name != "l") + ["-j ACCEPT", "-j DROP", "-j RETURN", "", "", "-j MARK --set-mark 0x%x" % r.randint(1, 9)] + ["-j " + x for x in leaves])


def generate(seed):
    r = random.Random("sets-%d" % seed)
    family = r.choice(["ip", "ip", "ip6"])
    packets = [gen_packet(r, family) for _ in range(r.randint(5, 8))]
    sets = Sets(r, family, packets)
    text = sets.all()
    while not sets.made:
        text = sets.all()
    out = []
    for table, chains in (("mangle", ["PREROUTING", "FORWARD", "OUTPUT", "POSTROUTING"]), ("filter", ["INPUT", "FORWARD", "OUTPUT"])):
        out += ["*" + table, ":LEAF - [0:0]"]
        for chain in chains + ["LEAF"]:
            for _ in range(r.randint(0, 4)):
                out.append("-A %s %s %s" % (chain, sets.match(), sets.target(table, ["LEAF"] if chain != "LEAF" else [])))
        out.append("COMMIT")
    return {"backend": r.choice(["iptables-nft", "iptables-legacy"]), "ipset": text, "v6" if family == "ip6" else "v4": "\n".join(out) + "\n",
            "packets": packets, "stateful": True, "neighbours": True}
