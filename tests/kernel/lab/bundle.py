"""A laboratory built from a host's own dumps: the namespaces of samples/NAME, so that the kernel can be asked about a sample.

Interfaces, addresses, routes, rules, neighbours and sysctls come from ip-addr.json, ip-route.json (ip6-route.json), ip-rule.json, ip-neigh.json,
bridge-link.json and sysctl; the rules from iptables-save, ip6tables-save, nft-ruleset and ipset-save. Every device gets a mute far end, which stands for
whoever is behind it. Left out: tunnels (a device with the name and nothing behind it), VLANs, bonds.
"""
import ipaddress
import json
import os

from . import nl
from .laboratory import Lab, macb, run, sysctl, sysctl_get


def load_json(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return json.load(f)


def text(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


def far_mac(mac):
    """The far end's address: the device's own with another last byte."""
    b = bytearray(macb(mac))
    b[0] = (b[0] | 2) & 0xFE
    b[5] ^= 0xAA
    return ":".join("%02x" % x for x in b)


class BundleLab(Lab):
    def __init__(self, folder, variant=None):
        self.folder, self.variant = folder, variant
        self.links = load_json(folder, "ip-addr.json")
        self.masters, self.behind = {}, {}
        for port in load_json(folder, "bridge-link.json"):
            if port.get("master"):
                self.masters[port["ifname"]] = port["master"]
        super().__init__()

    # ---- the world ---------------------------------------------------------------------
    def build_world(self):
        pid = "/proc/%d/fd/" % os.getpid()
        bridges = set(self.masters.values()) | {
            x["ifname"] for x in self.links if x.get("linkinfo", {}).get("info_kind") == "bridge"}
        batch = ["link set lo up"]
        self.mac = {}
        far = []
        for link in self.links:
            name = link["ifname"]
            self.masters.setdefault(name, link.get("master")) if link.get("master") else None
            kind, mac = link.get("linkinfo", {}).get("info_kind"), link.get("address", "")
            if name == "lo":
                continue
            # The host's own numbers: the order of devices decides which address MASQUERADE takes.
            add = "link add %s index %d " % (name, link["ifindex"])
            if name in bridges:
                batch.append(add + "address %s type bridge stp_state 0 forward_delay 0 mcast_snooping 0" % mac)
            elif kind in ("dummy", "ipip", "vxlan", "tun") or link.get("link_type") != "ether":
                batch.append(add + "type bridge")  # not every kernel has dummies
            else:
                nl.unshare_net()
                self.ns["far-" + name] = nl.nsfd()
                nl.setns(self.ns["node"])
                self.mac["far-" + name] = far_mac(mac)
                batch.append(add + "address %s type veth peer name px index %d address %s" % (
                    mac, 10000 + link["ifindex"], far_mac(mac)))
                batch.append("link set px netns %s%d name eth0" % (pid, self.ns["far-" + name]))
                far.append(name)
            if len(mac.split(":")) == 6:
                self.mac[name] = mac
        batch += ["link set %s master %s" % (port, bridge) for port, bridge in self.masters.items()]
        run(["ip", "-batch", "-"], "\n".join(batch) + "\n")
        for name in far:
            nl.setns(self.ns["far-" + name])
            sysctl("net/ipv6/conf/all/disable_ipv6", 1)
            sysctl("net/ipv4/ip_forward", 0)
            run("ip link set eth0 up arp off")
        nl.setns(self.ns["node"])
        for k in ("all", "default"):
            sysctl("net/ipv6/conf/%s/accept_dad" % k, 0)
            sysctl("net/ipv6/conf/%s/dad_transmits" % k, 0)
            sysctl("net/ipv6/conf/%s/accept_ra" % k, 0)
        self.addresses()
        self.sysctls()
        self.routes()
        for port in self.masters:
            run("bridge link set dev %s learning off hairpin on" % port)
            run("bridge fdb replace %s dev %s master static" % (self.mac["far-" + port], port))
        self.ifname = {x["ifindex"]: x["ifname"] for x in json.loads(run("ip -j link show").stdout)}
        self.ifindex = {v: k for k, v in self.ifname.items()}
        self.knobs = {}

    def addresses(self):
        batch = []
        for link in self.links:
            for a in link.get("addr_info", []):
                six = a["family"] == "inet6"
                if link["ifname"] == "lo" and a["local"] in ("127.0.0.1", "::1") or a.get("scope") == "link":
                    continue
                batch.append("addr add %s/%d dev %s%s" % (a["local"], a["prefixlen"], link["ifname"], " nodad" if six else ""))
        batch += ["link set %s up" % x["ifname"] for x in self.links]
        run(["ip", "-batch", "-"], "\n".join(batch) + "\n")

    def sysctls(self):
        for line in text(self.folder, "sysctl").splitlines():
            key, _, value = line.partition("=")
            path = key.strip().replace(".", "/")
            if value and sysctl_get(path) is not None:
                try:
                    sysctl(path, value.strip())
                except OSError as e:
                    print("sysctl %s: %s" % (key.strip(), e))
        sysctl("net/ipv4/icmp_ratelimit", 0)
        sysctl("net/ipv6/icmp/ratelimit", 0)

    def routes(self):
        gateways = []
        for six, name in ((False, "ip-route.json"), (True, "ip6-route.json")):
            for r in load_json(self.folder, name):
                if r.get("table", "main") == "local" or r.get("protocol") == "kernel" or r.get("type") in ("local", "broadcast", "multicast"):
                    continue
                if (":" in r["dst"] or ":" in r.get("gateway", "")) != six and r["dst"] != "default":
                    continue
                cmd = ["ip", "-6" if six else "-4", "route", "replace", r.get("type", "unicast"), r["dst"]]
                for key, word in (("gateway", "via"), ("dev", "dev"), ("table", "table"), ("metric", "metric"), ("prefsrc", "src")):
                    if key in r and not (key == "table" and r[key] == "main") and not (key == "dev" and r.get("type") in ("blackhole", "unreachable", "prohibit")):
                        cmd += [word, str(r[key])]
                if "onlink" in r.get("flags", []):
                    cmd.append("onlink")
                if run(cmd, check=False).returncode == 0 and r.get("dev"):
                    gateways.append((r.get("gateway") or r["dst"].split("/")[0], r["dev"]))
        self.neighbours(gateways)
        for six, name in ((False, "ip-rule.json"), (True, "ip6-rule.json")):
            for r in load_json(self.folder, name):
                if r.get("table") in ("local", "main", "default") and "fwmark" not in r:
                    continue
                cmd = ["ip", "-6" if six else "-4", "rule", "add", "priority", str(r["priority"])]
                for key, word in (("src", "from"), ("dst", "to"), ("iif", "iif"), ("oif", "oif")):
                    if key in r:
                        net = "/%d" % r[key + "len"] if key + "len" in r else ""
                        cmd += [word, str(r[key]) + net]
                if "fwmark" in r:
                    cmd += ["fwmark", "%s/%s" % (r["fwmark"], r.get("fwmask", "0xffffffff"))]
                run(cmd + ["lookup", str(r["table"])], check=False)

    def neighbours(self, pairs):
        port = {x["mac"]: x["ifname"] for x in load_json(self.folder, "bridge-fdb.json") if x["ifname"] in self.masters}
        for a, dev in pairs:
            self.neighbour(a, dev)
        for n in load_json(self.folder, "ip-neigh.json"):
            self.neighbour(n["dst"], n["dev"], port.get(n.get("lladdr")))

    def neighbour(self, addr, dev, port=None):
        """Whoever has `addr` on `dev` answers with the far end's link address."""
        try:
            ipaddress.ip_address(addr)
        except ValueError:
            return
        ports = [port] if port else [p for p, b in sorted(self.masters.items()) if b == dev] or [dev]
        mac = self.mac.get("far-" + ports[0])
        if port:
            self.behind[addr] = port
        if mac:
            run("ip neigh replace %s lladdr %s dev %s nud permanent" % (addr, mac, dev), check=False)

    # ---- rules and packets --------------------------------------------------------------

    def file(self, name):
        if self.variant:
            other = text(self.folder, name + "." + self.variant)
            if other:
                return other
        return text(self.folder, name)

    def case(self, backend):
        nft = self.file("nft-ruleset")
        case = {"backend": "nft" if nft else backend, "ipset": self.file("ipset-save"), "nft": nft,
                "v4": self.file("iptables-save"), "v6": self.file("ip6tables-save")}
        return {k: v for k, v in case.items() if v}

    def set_knobs(self, k):
        self.knobs = k

    def pods(self, packets):
        """Which port of a bridge an address is behind, learnt from the packets that are sent."""
        for p in packets:
            if p.get("physin"):
                self.neighbour(p["saddr"], self.masters[p["physin"]], p["physin"])
            elif p.get("iif"):
                self.neighbour(p["saddr"], p["iif"])

    def dst_mac(self, pkt):
        port = pkt["origin"][4:]
        if pkt.get("dst_mac"):
            return macb(pkt["dst_mac"])
        other = self.behind.get(pkt["daddr"])
        if other and port in self.masters and other != port:
            return macb(self.mac["far-" + other])
        return macb(self.mac[self.masters.get(port, port)])

    def ask(self, pkt, keep_ct=False):
        """What the kernel does with a sample's packet."""
        q = dict(pkt)
        if q.get("iif") or q.get("physin"):
            q["origin"] = "far-" + (q.get("physin") or q["iif"])
        return self.run_packet(q, keep_ct=keep_ct)
