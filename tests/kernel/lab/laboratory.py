"""The laboratory: namespaces, packet injection, trace capture, canonicalisation."""
import ctypes
import ipaddress
import json
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import time

from . import nl
from .packet import build, decode, decode_l3, pnum, token_of

ETH_P_ALL = 3
INT_MIN = -2147483648
INT_MAX = 2147483647
PROBE = "zz_oracle"
MAC = {"eth0": "02:00:00:00:01:01", "client": "02:00:00:00:01:02", "eth1": "02:00:00:00:02:01",
       "ext": "02:00:00:00:02:02", "cni0": "02:00:00:00:03:01", "pod1": "02:00:00:00:03:59",
       "pod2": "02:00:00:00:03:60", "vethp1": "02:00:00:00:04:01", "vethp2": "02:00:00:00:04:02"}
NODE_IF = {"client": "eth0", "ext": "eth1", "pod1": "cni0", "pod2": "cni0"}
PHYS_IF = {"pod1": "vethp1", "pod2": "vethp2"}
POD_BY_ADDR = {"10.42.0.59": "pod1", "10.42.0.60": "pod2", "fd00:42::59": "pod1", "fd00:42::60": "pod2"}
ORDER = ["ingress", "prerouting", "input", "forward", "output", "postrouting"]
# Where legacy tables stand in each hook.
LEGACY_PRIORITIES = {"prerouting": {-300, -150, -100}, "input": {-150, 0, 50, 100}, "forward": {-150, 0, 50},
                     "output": {-300, -150, -100, 0, 50}, "postrouting": {-150, 100}}
LEGACY_TABLES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
DEVICES = ("eth0", "eth1", "vethp1", "vethp2", "cni0", "lo")


def macb(m):
    return bytes(int(x, 16) for x in m.split(":"))


def sysctl(path, val):
    with open("/proc/sys/" + path, "w") as f:
        f.write(str(val))


def sysctl_get(path):
    try:
        with open("/proc/sys/" + path) as f:
            return f.read().strip()
    except OSError:
        return None


class LoadError(Exception):
    pass


def run(cmd, inp=None, check=True):
    try:
        r = subprocess.run(cmd if isinstance(cmd, list) else shlex.split(cmd), input=inp, capture_output=True, text=True,
                           timeout=100)
    except subprocess.TimeoutExpired:
        raise LoadError("timeout (machine busy): %s" % (cmd,))
    if check and r.returncode:
        raise RuntimeError("%s: %s" % (cmd, (r.stderr or r.stdout).strip()[:400]))
    return r


class Lab:
    def __init__(self):
        # A private network namespace first: nothing below ever happens in the host's one.
        nl.unshare_net()
        self.ns = {"node": nl.nsfd()}
        self.node_if, self.phys_if, self.mac = dict(NODE_IF), dict(PHYS_IF), dict(MAC)
        self.build_world()
        self.open_sockets()
        self.set_knobs({})

    def build_world(self):
        """Interfaces, addresses, routes and neighbours of the laboratory."""
        for n in ("client", "ext", "pod1", "pod2"):
            nl.unshare_net()
            self.ns[n] = nl.nsfd()
        nl.setns(self.ns["node"])
        p = "/proc/%d/fd/" % os.getpid()
        b = ["link set lo up"]
        for nif, peer in (("eth0", "client"), ("eth1", "ext"), ("vethp1", "pod1"), ("vethp2", "pod2")):
            b.append("link add %s address %s type veth peer name px_%s address %s" % (nif, MAC[nif], peer, MAC[peer]))
            b.append("link set px_%s netns %s%d name eth0" % (peer, p, self.ns[peer]))
        b += ["link add cni0 address %s type bridge stp_state 0 forward_delay 0 mcast_snooping 0" % MAC["cni0"],
              "link set vethp1 master cni0", "link set vethp2 master cni0",
              "link add nodelocaldns type bridge"]
        run(["ip", "-batch", "-"], "\n".join(b) + "\n")
        for n in ("client", "ext", "pod1", "pod2"):
            nl.setns(self.ns[n])
            sysctl("net/ipv6/conf/all/disable_ipv6", 1)
            sysctl("net/ipv6/conf/default/disable_ipv6", 1)
            sysctl("net/ipv4/ip_forward", 0)
            run("ip link set eth0 up arp off")
        nl.setns(self.ns["node"])
        for k in ("all", "default"):
            sysctl("net/ipv6/conf/%s/accept_dad" % k, 0)
            sysctl("net/ipv6/conf/%s/accept_ra" % k, 0)
            sysctl("net/ipv6/conf/%s/dad_transmits" % k, 0)
        b = ["addr add 192.168.1.201/24 brd + dev eth0", "addr add 192.168.1.202/24 brd + dev eth0",
             "addr add fd00:1::201/64 dev eth0 nodad",
             "addr add 172.16.5.1/24 brd + dev eth1", "addr add fd00:5::1/64 dev eth1 nodad",
             "addr add 10.42.0.1/24 brd + dev cni0", "addr add fd00:42::1/64 dev cni0 nodad",
             "addr add 169.254.20.10/32 dev nodelocaldns", "addr add fd00:53::10/128 dev nodelocaldns nodad"]
        b += ["link set %s up" % i for i in ("eth0", "eth1", "vethp1", "vethp2", "cni0", "nodelocaldns")]
        run(["ip", "-batch", "-"], "\n".join(b) + "\n")
        b = ["route add default via 192.168.1.254 dev eth0", "route add 10.43.77.0/24 via 172.16.5.2 dev eth1",
             "route add blackhole 203.0.113.0/24", "route add unreachable 198.51.100.0/25",
             "route add prohibit 198.51.100.128/25",
             "route add default via 172.16.5.2 dev eth1 table 100"]
        b6 = ["route add default via fd00:1::254 dev eth0", "route add fd00:43:77::/64 via fd00:5::2 dev eth1",
              "route add default via fd00:5::2 dev eth1 table 100"]
        for a in ("192.168.1.50", "192.168.1.51", "192.168.1.254", "fd00:1::50", "fd00:1::51", "fd00:1::254"):
            b.append("neigh add %s lladdr %s dev eth0 nud permanent" % (a, MAC["client"]))
        for a in ("172.16.5.2", "172.16.5.9", "fd00:5::2", "fd00:5::9"):
            b.append("neigh add %s lladdr %s dev eth1 nud permanent" % (a, MAC["ext"]))
        for a, q in POD_BY_ADDR.items():
            b.append("neigh add %s lladdr %s dev cni0 nud permanent" % (a, MAC[q]))
        # every other on-link address answers too (client / ext / pod2), so that nothing is lost to ARP
        for net, dev, mac, skip in (("192.168.1.%d", "eth0", MAC["client"], {50, 51, 254, 201, 202, 255}),
                                    ("172.16.5.%d", "eth1", MAC["ext"], {1, 2, 9, 255}),
                                    ("10.42.0.%d", "cni0", MAC["pod2"], {1, 59, 60, 255})):
            b += ["neigh add %s lladdr %s dev %s nud permanent" % (net % i, mac, dev) for i in range(256) if i not in skip]
        for i in (0x50, 0x51, 0x59, 0x60, 0x201, 5, 8, 9, 0x10, 0x7):
            for net, dev, mac in (("fd00:1::%x", "eth0", MAC["client"]), ("fd00:5::%x", "eth1", MAC["ext"]),
                                  ("fd00:42::%x", "cni0", MAC["pod2"])):
                a = net % i
                if a not in ("fd00:1::201",) and not any(" %s " % a in x for x in b):
                    b.append("neigh add %s lladdr %s dev %s nud permanent" % (a, mac, dev))
        run(["ip", "-batch", "-"], "\n".join(b) + "\n")
        run(["ip", "-6", "-batch", "-"], "\n".join(b6) + "\n")
        for q in ("pod1", "pod2"):
            run("bridge fdb replace %s dev %s master static" % (MAC[q], PHYS_IF[q]))
            run("bridge link set dev %s learning off hairpin on" % PHYS_IF[q])
        for k in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            sysctl(k, 1)
        for i in ("all", "default", "eth0", "eth1", "cni0", "lo", "nodelocaldns", "vethp1", "vethp2"):
            sysctl("net/ipv4/conf/%s/rp_filter" % i, 0)
            sysctl("net/ipv4/conf/%s/send_redirects" % i, 0)
        sysctl("net/ipv4/icmp_echo_ignore_all", 0)
        sysctl("net/ipv4/icmp_ratelimit", 0)
        sysctl("net/ipv4/icmp_msgs_per_sec", 100000)
        sysctl("net/ipv6/icmp/ratelimit", 0)
        self.ifname = {}
        for line in json.loads(run("ip -j link show").stdout):
            self.ifname[line["ifindex"]] = line["ifname"]
        self.ifindex = {v: k for k, v in self.ifname.items()}
        self.knobs = None

    def open_sockets(self):
        """What listens: the kernel's traces, every far end, local delivery."""
        self.tr = nl.nlsock([nl.NFNLGRP_NFTRACE])
        self.tr.setblocking(False)
        for fam in ("2", "10"):
            sysctl("net/netfilter/nf_log/" + fam, "nfnetlink_log")
        self.ul = nl.ulog_socket(0)
        self.ul.setblocking(False)
        self.sniff = {}
        for n in self.ns:
            if n == "node":
                continue
            nl.setns(self.ns[n])
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.bind(("eth0", ETH_P_ALL))
            s.setblocking(False)
            self.sniff[n] = s
        nl.setns(self.ns["node"])
        self.inj = self.sniff
        self.rawrx = []
        for fam in (socket.AF_INET, socket.AF_INET6):
            for pr in (1, 6, 17, 132, 47) if fam == socket.AF_INET else (58, 6, 17, 132, 47):
                s = socket.socket(fam, socket.SOCK_RAW, pr)
                s.setblocking(False)
                self.rawrx.append((fam, pr, s))
        self.token = 0x1000
        self.legacy = False
        self.have_sets = False
        self.refused = []
        self.world = []
        self.neighbours = False
        self.env = {}
        self.probe_chains = {}

    # ---- configuration -----------------------------------------------------------
    DEFAULT_KNOBS = {"bridge_nf": 1, "route_localnet": 0, "fwmark_rule": 0, "ip_forward": 1, "rp_filter": 0, "src_valid_mark": 0}

    def set_knobs(self, k):
        k = dict(self.DEFAULT_KNOBS, **k)
        old = self.knobs
        if k == old:
            return
        for f in ("iptables", "ip6tables"):
            sysctl("net/bridge/bridge-nf-call-" + f, k["bridge_nf"])
        for i in ("all", "eth0", "eth1", "cni0", "lo"):
            sysctl("net/ipv4/conf/%s/route_localnet" % i, k["route_localnet"])
        if not old or old["ip_forward"] != k["ip_forward"]:
            sysctl("net/ipv4/ip_forward", k["ip_forward"])
            sysctl("net/ipv6/conf/all/forwarding", k["ip_forward"])
        for i in ("all", "default", "eth0", "eth1", "cni0", "lo", "nodelocaldns", "vethp1", "vethp2"):
            sysctl("net/ipv4/conf/%s/rp_filter" % i, k["rp_filter"])
            sysctl("net/ipv4/conf/%s/src_valid_mark" % i, k["src_valid_mark"])
        if old and old["fwmark_rule"]:
            for f in ("-4", "-6"):
                run("ip %s rule del fwmark 0x100/0x100 lookup 100" % f)
        if k["fwmark_rule"]:
            for f in ("-4", "-6"):
                run("ip %s rule add fwmark 0x100/0x100 lookup 100 priority 100" % f)
        self.knobs = k

    def set_world(self, lines):
        """Carries out `ip` commands (`route add …`, `-6 rule add …`) in place of the last case's; what the kernel refuses is left out."""
        if lines == self.world:
            return
        if self.world:
            self.ip_batch([x.replace(" add ", " del ", 1) for x in reversed(self.world)])
        self.world = self.ip_batch(lines)

    def ip_batch(self, lines):
        """The commands that went well."""
        done = []
        for six in (False, True):
            mine = [x for x in lines if x.startswith("-6 ") == six]
            text = "\n".join(x[3:] if six else x for x in mine) + "\n"
            r = run(["ip", "-6" if six else "-4", "-force", "-batch", "-"], text, check=False)
            failed = {int(n) - 1 for n in re.findall(r"Command failed -:(\d+)", r.stderr)}
            done += [x for i, x in enumerate(mine) if i not in failed]
        return done

    def reset(self):
        run("nft flush ruleset")
        self.probe_chains = {}
        if self.legacy:
            for v, f in (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")):
                with open("/proc/net/" + f) as fh:
                    tabs = fh.read().split()
                if tabs:
                    ch = {"raw": "PREROUTING OUTPUT", "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING",
                          "nat": "PREROUTING INPUT OUTPUT POSTROUTING", "filter": "INPUT FORWARD OUTPUT",
                          "security": "INPUT FORWARD OUTPUT"}
                    t = "".join("*%s\n%sCOMMIT\n" % (x, "".join(":%s ACCEPT [0:0]\n" % c for c in ch[x].split()))
                                for x in tabs)
                    run([v + "-legacy-restore"], t)
        for _ in range(60):  # nft destroys rules asynchronously: sets stay referenced for a moment
            if not self.have_sets:
                break
            run("ipset flush", check=False)  # list:set members stay referenced otherwise
            if run("ipset destroy", check=False).returncode:
                time.sleep(.01)
                continue
            self.have_sets = False
            break
        nl.ct_flush()

    def load(self, case, dump=None):
        """case: {"backend": iptables-nft|iptables-legacy|nft, "ipset": text, "v4": text, "v6": text, "nft": text}; "nft" may stand beside iptables"""
        self.reset()
        self.set_knobs(case.get("knobs", {}))
        self.set_world(case.get("world", []))
        be = case["backend"]
        self.backend = be
        self.neighbours = bool(case.get("neighbours"))
        if case.get("ipset"):
            self.have_sets = True
            case["ipset"] = self.restore_ipset(case["ipset"])
        if be != "nft":
            suf = "-legacy-restore" if be == "iptables-legacy" else "-nft-restore"
            if be == "iptables-legacy":
                self.legacy = True
            for k, cmd in (("v4", "iptables"), ("v6", "ip6tables")):
                if case.get(k):
                    case[k] = self.restore(cmd + suf, case[k])
        if case.get("nft"):
            case["nft"] = self.restore_nft(case["nft"])
        mixed = be != "nft" and bool(case.get("nft"))
        self.dumped = self.dumps(case_mixed=mixed, **dump) if dump is not None else None
        self.after_load()

    def restore_ipset(self, text):
        """Load; lines that ipset or the kernel refuses are taken out, with a set what belongs to it."""
        for _ in range(40):
            r = run(["ipset", "restore"], text, check=False)
            if not r.returncode:
                return text
            m = re.search(r"Error in line (\d+)", r.stderr)
            lines = text.split("\n")
            if not m or int(m.group(1)) > len(lines):
                break
            words = lines.pop(int(m.group(1)) - 1).split()
            self.refused.append(("ipset", " ".join(words), r.stderr.strip()[:160]))
            if words[0] == "create":
                lines = [x for x in lines if words[1] not in x.split()[1:3]]
            text = "\n".join(lines)
            run("ipset flush", check=False)
            run("ipset destroy", check=False)
        raise LoadError("ipset: " + r.stderr.strip()[:300])

    def restore_nft(self, text):
        for _ in range(80):
            r = run(["nft", "-f", "-"], text, check=False)
            if not r.returncode:
                return text
            lines = text.split("\n")
            errs = re.findall(r"^/dev/stdin:(\d+):.*Error: (.*)", r.stderr, re.M)
            hard = [x for x in errs if not x[1].startswith("Could not process rule")]
            bad = sorted({int(x[0]) - 1 for x in (hard or errs[:1])})
            bad = [i for i in bad if i < len(lines) and not lines[i].lstrip().startswith(("table", "chain", "type", "}"))]
            if not bad:
                raise LoadError("nft: " + r.stderr.strip()[:600])
            for i in reversed(bad):
                self.refused.append(("nft", lines.pop(i), " ".join(r.stderr.split("\n")[:3])[:200]))
            text = "\n".join(lines)
        raise LoadError("nft: too many refused rules: " + r.stderr[:300])

    def restore(self, cmd, text):
        """Load; rules the kernel or iptables refuse are taken out one by one (and counted)."""
        for _ in range(60):
            r = run([cmd], text, check=False)
            if not r.returncode:
                return text
            msg = (r.stderr + r.stdout).strip()
            lines = text.split("\n")
            m = re.findall(r"line:? (\d+)", msg)
            n = int(m[0]) - 1 if m else None
            if n is None or n >= len(lines):
                raise LoadError(cmd + ": " + msg[:600])
            if not lines[n].startswith("-A "):
                # legacy: the kernel refuses a whole table at COMMIT; find the culprits by trial
                start = max((i for i in range(n) if lines[i].startswith("*")), default=None)
                if start is None:
                    raise LoadError(cmd + ": " + msg[:600])
                head = [x for x in lines[start:n + 1] if not x.startswith("-A ")]
                bad = []
                for i in range(start, n):
                    if lines[i].startswith("-A "):
                        one = "\n".join(head[:-1] + [lines[i], "COMMIT", ""])
                        if run([cmd], one, check=False).returncode:
                            bad.append(i)
                if not bad:
                    raise LoadError(cmd + ": " + msg[:600])
            else:
                bad = [n]
            for i in reversed(bad):
                self.refused.append((cmd, lines.pop(i), msg[:160]))
            text = "\n".join(lines)
        raise LoadError(cmd + ": too many refused rules: " + msg[:300])

    def dumps(self, counters=False, also_nft=False, case_mixed=False):
        """The files of a case directory, taken from the kernel (call before the probes are installed)."""
        d = {}
        if self.backend == "nft":
            d["ruleset.nft"] = run("nft list ruleset").stdout
        else:
            suf = "-legacy-save" if self.backend == "iptables-legacy" else "-nft-save"
            for cmd, fn in (("iptables", "ruleset.iptables"), ("ip6tables", "ruleset.ip6tables")):
                o = run([cmd + suf]).stdout
                if "*" in o:
                    d[fn] = strip_date(o)
                    if counters:
                        d[fn.replace("ruleset", "ruleset.counters")] = strip_date(run([cmd + suf, "-c"]).stdout)
            if case_mixed:
                d["ruleset.nft"] = run("nft list ruleset").stdout  # iptables-nft tables and native ones together
            elif also_nft and self.backend == "iptables-nft":
                d["also.nft"] = run("nft list ruleset").stdout
        o = run("ipset save", check=False).stdout
        if o.strip():
            d["ipset.save"] = o
        d.update(self.environment())
        if self.neighbours:
            d["neigh.json"] = run("ip -j neigh").stdout
            d["bridge-fdb.json"] = run("bridge -j fdb").stdout
            d["bridge-link.json"] = run("bridge -j -d link").stdout
        return d

    def environment(self):
        """addr/link/route/rule/sysctl dumps; identical for all cases with the same knobs and world."""
        key = json.dumps([self.knobs, self.world], sort_keys=True)
        if key in self.env:
            return self.env[key]
        d = {}
        d["addr.json"] = run("ip -j addr").stdout
        d["link.json"] = run("ip -j -d link").stdout
        d["route.json"] = json.dumps(json.loads(run("ip -j route show table all").stdout or "[]") , separators=(",", ":"))
        d["route6.json"] = json.dumps(json.loads(run("ip -6 -j route show table all").stdout or "[]"), separators=(",", ":"))
        d["rule.json"] = run("ip -j rule").stdout
        d["rule6.json"] = run("ip -6 -j rule").stdout
        sc = {}
        for k in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables",
                  "net/bridge/bridge-nf-call-ip6tables", "net/netfilter/nf_conntrack_tcp_loose",
                  "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/all/route_localnet",
                  "net/ipv4/conf/lo/route_localnet", "net/ipv4/conf/eth0/route_localnet",
                  "net/ipv4/conf/cni0/route_localnet", "net/ipv4/conf/eth0/rp_filter",
                  "net/ipv4/conf/cni0/rp_filter", "net/ipv4/conf/eth1/rp_filter", "net/ipv4/conf/lo/rp_filter",
                  "net/ipv4/conf/all/src_valid_mark", "net/ipv4/ip_default_ttl", "net/ipv4/icmp_echo_ignore_broadcasts",
                  "net/ipv4/fwmark_reflect", "net/ipv4/conf/all/accept_local"]:
            sc[k.replace("/", ".")] = sysctl_get(k)
        d["sysctl.json"] = json.dumps(sc, indent=0)
        self.env[key] = d
        return d

    def after_load(self):
        self.chains = {k: v for k, v in nl.nft_chains().items()}
        self.handles = nl.nft_handles()
        self.hidx = {(k, h): i + 1 for k, hs in self.handles.items() for i, h in enumerate(hs)}
        if self.backend == "iptables-legacy":
            self.lrules = {}
            for v, fam in (("iptables", "ip"), ("ip6tables", "ip6")):
                tab = None
                for line in run([v + "-legacy-save"]).stdout.splitlines():
                    if line.startswith("*"):
                        tab = line[1:]
                    elif line.startswith(":"):
                        c, pol = line[1:].split()[:2]
                        self.lrules[(fam, tab, c)] = {"policy": pol, "rules": []}
                    elif line.startswith("-A "):
                        self.lrules[(fam, tab, line.split()[1])]["rules"].append(line)
        self.install_probes()

    def install_probes(self):
        prios = {False: {h: set() for h in ORDER}, True: {h: set() for h in ORDER}}
        used = set()
        for (family, _, _), c in self.chains.items():
            if c:
                used.add(family if family == "bridge" else c["hook"])
                prios[family == "bridge"].get(c["hook"], set()).add(c["prio"])
        if self.backend == "iptables-legacy":
            for h, more in LEGACY_PRIORITIES.items():
                prios[False][h] |= more
        self.probe_chains = {}
        text = self.layer_probes("inet", "", prios[False])
        if "bridge" in used:
            text += self.layer_probes("bridge", "bridge ", prios[True])
        for hook in ("ingress", "egress"):
            if hook in used:
                text += self.device_probes(hook)
        run(["nft", "-f", "-"], "\n".join(text) + "\n")

    def layer_probes(self, family, label, prios):
        """Empty chains at a hook's both ends and in front of every chain; the first one turns the trace on."""
        t = ["table %s %s {" % (family, PROBE)]
        for h in ORDER[1:]:
            ps = {p - 1 for p in prios[h] if p - 1 > INT_MIN + 10} | {INT_MIN + 10, INT_MAX - 1}
            for i, p in enumerate(sorted(ps)):
                n = "%s%s_%d" % (label.strip(), h, i)
                self.probe_chains[n] = (label + h, "enter" if p == INT_MIN + 10 else "exit" if p == INT_MAX - 1 else "at", p)
                t.append(" chain %s {\n type filter hook %s priority %d; policy accept;" % (n, h, p))
                if p == INT_MIN + 10 and h in ("prerouting", "output"):
                    t.append(" meta nftrace set 1")
                t.append(" }")
        return t + ["}"]

    def device_probes(self, hook):
        t = ["table netdev %s {" % PROBE]
        for d in DEVICES:
            for what, prio in (("enter", INT_MIN + 10), ("exit", INT_MAX - 1)):
                n = "%s_%s_%s" % (hook, what, d)
                self.probe_chains[n] = (hook, what, prio)
                t.append(" chain %s {\n type filter hook %s device %s priority %d; policy accept;%s\n }" % (
                    n, hook, d, prio, "\n meta nftrace set 1" if what == "enter" else ""))
        return t + ["}"]

    # ---- traffic -----------------------------------------------------------------
    def _drain(self):
        for s in list(self.sniff.values()) + [x[2] for x in self.rawrx] + [self.tr, self.ul]:
            try:
                while True:
                    s.recv(1 << 18)
            except (BlockingIOError, OSError):
                pass

    def dst_mac(self, pkt):
        d = ipaddress.ip_address(pkt["daddr"])
        if pkt.get("dst_mac"):
            return macb(pkt["dst_mac"])
        o = pkt["origin"]
        if d.version == 4:
            if str(d) in ("255.255.255.255",) or (o == "client" and str(d) == "192.168.1.255") or (
                    o == "ext" and str(d) == "172.16.5.255") or (o in PHYS_IF and str(d) == "10.42.0.255"):
                return b"\xff" * 6
            if d.is_multicast:
                return bytes([1, 0, 0x5E, d.packed[1] & 0x7F, d.packed[2], d.packed[3]])
        elif d.is_multicast:
            return b"\x33\x33" + d.packed[12:]
        if o in PHYS_IF:
            p = POD_BY_ADDR.get(str(d))
            if p and p != o:
                return macb(MAC[p])
            return macb(MAC["cni0"])
        return macb(MAC[NODE_IF[o]])

    def send(self, pkt, token):
        b = build(pkt, token)
        v6 = pkt["family"] == "ip6"
        if pkt["origin"] != "node":
            fr = self.dst_mac(pkt) + macb(self.mac[pkt["origin"]]) + struct.pack(">H", 0x86DD if v6 else 0x0800) + b
            self.inj[pkt["origin"]].send(fr)
            return None
        libc = nl.libc
        if pkt.get("gid"):
            libc.setfsgid(pkt["gid"])
        if pkt.get("uid"):
            libc.setfsuid(pkt["uid"])
        try:
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 255)
        finally:
            if pkt.get("uid"):
                libc.setfsuid(0)
            if pkt.get("gid"):
                libc.setfsgid(0)
        try:
            if v6:
                s.setsockopt(41, 36, 1)
            else:
                s.setsockopt(0, 3, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if pkt.get("mark"):
                s.setsockopt(socket.SOL_SOCKET, 36, struct.pack("=I", pkt["mark"]))
            if pkt.get("oif"):
                s.setsockopt(socket.SOL_SOCKET, 25, pkt["oif"].encode() + b"\0")
            # Policy rules ask for what an ordinary socket knows: its source and type of service.
            s.setsockopt(*((41, 78) if v6 else (0, 15)), 1)
            s.setsockopt(*((41, 67) if v6 else (0, 1)), pkt.get("tos", 0))
            s.setsockopt(socket.SOL_SOCKET, 12, 0)  # SO_PRIORITY, which IP_TOS changes
            s.bind((pkt["saddr"], 0))
            s.sendto(b, (pkt["daddr"], 0))
        except OSError as e:
            import errno
            return errno.errorcode.get(e.errno, str(e.errno))
        finally:
            s.close()
        return None

    def collect(self, quiet=0.006, limit=0.25):
        tr, ul, far, loc = [], [], [], []
        t0 = time.monotonic()
        fds = {self.tr: "tr", self.ul: "ul"}
        for n, s in self.sniff.items():
            fds[s] = ("far", n)
        for fam, pr, s in self.rawrx:
            fds[s] = ("loc", fam, pr)
        po = select.poll()
        byfd = {}
        for s in fds:
            po.register(s.fileno(), select.POLLIN)
            byfd[s.fileno()] = s
        while time.monotonic() - t0 < limit:
            evs = po.poll(quiet * 1000)
            if not evs:
                break
            for fd, _ in evs:
                s = byfd[fd]
                k = fds[s]
                for _i in range(200):
                    try:
                        if k == "tr" or k == "ul":
                            buf = s.recv(1 << 18)
                            for ty, fl, sq, b in nl.msgs(buf):
                                if k == "tr" and ty == nl.SUB_NFT << 8 | 17:
                                    tr.append(nl.parse_trace(b))
                                elif k == "ul" and ty == nl.SUB_ULOG << 8:
                                    ul.append(nl.parse_ulog(b))
                        elif k[0] == "far":
                            buf, addr = s.recvfrom(65535)
                            if addr[2] == 4:
                                continue
                            if struct.unpack_from(">H", buf, 12)[0] in (0x800, 0x86DD):
                                far.append((k[1], buf))
                        else:
                            buf, addr = s.recvfrom(65535)
                            loc.append((k[1], k[2], buf, addr))
                    except (BlockingIOError, InterruptedError):
                        break
        return tr, ul, far, loc

    def hdr(self, ev):
        h = decode(ev["nh"], ev["th"] or b"", self.sent)
        h["mark"] = ev["mark"]
        h["iif"] = self.ifname.get(ev["iif"])
        h["oif"] = self.ifname.get(ev["oif"])
        if ev.get("ct"):
            h["ct"] = ev["ct"]
            if ev.get("ctdir"):
                h["ctdir"] = ev["ctdir"]
        return h

    def run_packet(self, pkt, keep_ct=False):
        if not keep_ct:
            nl.ct_flush()
        self._drain()
        self.token += 1
        if self.token > 0x7FFF:
            self.token = 0x1001
        tok = self.token
        ct_before = nl.ct_dump() if keep_ct else []
        self.sent = pkt
        err = self.send(pkt, tok)
        raw = self.collect()
        exp = self.canonical(pkt, tok, err, raw)
        exp["conntrack_before"] = ct_before
        return exp

    def canonical(self, pkt, tok, err, raw):
        tr, ul, far, loc = raw
        cur = {}
        mine = []
        for ev in tr:
            if ev["nh"]:
                cur[ev["id"]] = token_of(ev["nh"])
            if cur.get(ev["id"]) == tok:
                mine.append(ev)
        # 1. probes and base-chain passes, in stream order -------------------------
        path = []      # list of passes
        hooks = []     # list of {"hook","entry","exit"}
        lastprobe = None
        seen_since = False
        last_hdr = None
        newpass = True
        leg = []
        for ev in ul:
            if ev["prefix"].startswith("TRACE: ") and ev["payload"] and token_of(ev["payload"]) == tok:
                leg.append(ev)
        stack_end = False
        for ev in mine:
            if ev.get("table") == PROBE:
                if not ev["nh"]:
                    continue
                h, what, prio = self.probe_chains[ev["chain"]]
                hd = self.hdr(ev)
                if what == "enter":
                    hooks.append({"hook": h, "entry": hd, "exit": None})
                    path.append(("hook", h))  # for merging with the legacy log
                elif what == "exit":
                    # Hooks nest: br_netfilter runs the IP layer's inside the bridge's.
                    mine_ = next((x for x in reversed(hooks) if x["hook"] == h and not x["exit"]), {})
                    mine_["exit"] = hd
                lastprobe, seen_since = hd, False
                continue
            fam, tab, ch = ev["family"], ev["table"], ev["chain"]
            if ev["nh"]:
                base = self.chains.get((fam, tab, ch))
                hd = self.hdr(ev)
                cand = dict(family=fam, table=tab, chain=None, hook=hooks[-1]["hook"] if hooks else None,
                            entry=lastprobe if (lastprobe and not seen_since) else hd, steps=[])
                if lastprobe and not seen_since and lastprobe.get("ct") is None and hd.get("ct"):
                    cand["entry"] = dict(lastprobe, ct=hd["ct"])
                if not (lastprobe and not seen_since):
                    cand["entry_after_first_rule"] = True
                seen_since = True
                cand["hooks_before"] = len(hooks)
                path.append(cand)
            cur_pass = path[-1] if path else None
            if not isinstance(cur_pass, dict):
                if not hooks or not lastprobe:
                    continue
                # A packet that its first rule took away shows no header any more.
                cur_pass = dict(family=fam, table=tab, chain=None, hook=hooks[-1]["hook"], entry=lastprobe, steps=[],
                                hooks_before=len(hooks))
                path.append(cur_pass)
            st = {"chain": listed(ch), "kind": ev["type"], "rule": None, "verdict": listed(ev.get("verdict"))}
            if "handle" not in ev and ev["type"] == "rule" and ev.get("verdict") == "continue":
                ev["type"] = st["kind"] = "return"  # end of chain reached, no rule matched (6.18: type=rule, no handle)
            if "handle" in ev:
                st["rule"] = self.hidx.get(((fam, tab, ch), ev["handle"]))
                if st["rule"] is None:
                    st["handle"] = ev["handle"]
                st["kind"] = "rule"
            elif ev["type"] == "return":
                st["verdict"] = "return"
            cur_pass["steps"].append(st)
        # drop implicit "return" of base chains (always followed by policy), name the base chains
        for p in path:
            if isinstance(p, tuple):
                continue
            b = [s["chain"] for s in p["steps"] if s["kind"] == "policy"]
            first = p["steps"][0]["chain"]
            p["chain"] = b[0] if b else None
            out = []
            for s in p["steps"]:
                if s["kind"] == "return" and self.chains.get((p["family"], p["table"], s["chain"])) is not None:
                    continue
                out.append(s)
            p["steps"] = out
            if not p["chain"]:
                if self.chains.get((p["family"], p["table"], first)):
                    p["chain"] = first
            c = self.chains.get((p["family"], p["table"], p["chain"])) if p["chain"] else None
            if c:
                p["hook"], p["prio"] = c["hook"], c["prio"]
        # 2. legacy ------------------------------------------------------------------
        if self.backend == "iptables-legacy":
            path = self.merge_legacy(path, leg)
            # the legacy log does not tell verdicts: they come from the rule's text, TPROXY's from what happened
            st = path[-1]["steps"][-1] if path else None
            if st and st.pop("tproxy", None) and hooks and hooks[-1]["exit"] is None:
                st["verdict"] = "drop"
            for q in path:
                for x in q["steps"]:
                    x.pop("tproxy", None)
        path = [p for p in path if not isinstance(p, tuple)]
        # 3. fate --------------------------------------------------------------------
        fate = self.fate(pkt, tok, err, path, hooks, far, loc)
        fe = []
        for ns, fr in far:
            if token_of(fr[14:]) == tok:
                d = decode_l3(fr[14:])
                d["at"] = ns
                fe.append(d)
        replies = []
        for ns, fr in far:
            if token_of(fr[14:]) != tok:
                d = decode_l3(fr[14:])
                if d and d["proto"] != 0 and not (d.get("icmp_type") in (133, 134, 135, 136, 143) and d["proto"] == "icmpv6"):
                    d["at"] = ns
                    replies.append(d)
        for fam, pr, b, a in loc:
            d = None
            if fam == socket.AF_INET and token_of(b) != tok:
                d = decode_l3(b)
            elif fam == socket.AF_INET6 and pr == 58 and b and b[0] in (1, 2, 3, 4):
                d = {"proto": "icmpv6", "icmp_type": b[0], "icmp_code": b[1], "saddr": a[0]}
            if d:
                d["at"] = "node"
                replies.append(d)
        exp = {"path": path, "hooks": hooks, "fate": fate, "far_end": fe, "replies": replies}
        if err:
            exp["send_error"] = err
        self.last_far_raw = next((fr[14:] for ns, fr in far if token_of(fr[14:]) == tok), None)
        return exp

    LEG_RE = re.compile(r"TRACE: ([^:]+):(.+):(rule|return|policy):(\d+) $")

    def merge_legacy(self, path, leg):
        """The path with the passes of legacy tables, each by its priority among nft's chains in its hook."""
        by = {}
        for ev in leg:
            m = self.LEG_RE.match(ev["prefix"])
            tab, ch, com, num = m.group(1), m.group(2), m.group(3), int(m.group(4))
            fam, h = ev["family"], ev["hook"]
            lst = by.setdefault(h, [])
            prev = lst[-1] if lst else None
            if prev is None or prev["table"] != tab or prev["steps"][-1]["verdict"] in ("accept", "drop"):
                hd = decode_l3(ev["payload"])
                hd.update(mark=ev["mark"], iif=self.ifname.get(ev["iif"]), oif=self.ifname.get(ev["oif"]))
                prev = {"family": fam, "table": tab, "chain": h.upper(), "hook": h, "entry": hd, "steps": []}
                lst.append(prev)
            rules = self.lrules[(fam, tab, ch)]
            if num <= len(rules["rules"]):
                st = {"chain": ch, "kind": "rule", "rule": num, "verdict": legacy_verdict(
                    rules["rules"][num - 1], {c for (f, t, c) in self.lrules if f == fam and t == tab})}
                if com != "rule":
                    st["kernel_comment"] = com
                if "-j TPROXY" in rules["rules"][num - 1]:
                    st["tproxy"] = True
            elif com == "policy":
                st = {"chain": ch, "kind": "policy", "rule": None, "verdict": rules["policy"].lower()}
            else:
                st = {"chain": ch, "kind": "return", "rule": None, "verdict": "return"}
            prev["steps"].append(st)
        # a hook seen several times (copies of a broadcast) shares its passes out evenly, in order
        marks = [p[1] for p in path if isinstance(p, tuple)]
        out = []
        left = {h: marks.count(h) for h in marks}
        for p in path:
            if isinstance(p, dict):
                out.append(p)
                continue
            h = p[1]
            lst = by.get(h, [])
            n = -(-len(lst) // left[h]) if lst else 0
            left[h] -= 1
            out += [p] + lst[:n]
            by[h] = lst[n:]
        for h, lst in by.items():
            out += [dict(p, hook="UNMERGED") for p in lst]
        return in_order(out)

    def fate(self, pkt, tok, err, path, hooks, far, loc):
        got_far = [ns for ns, fr in far if token_of(fr[14:]) == tok]
        got_loc = False
        for fam, pr, b, a in loc:
            if fam == socket.AF_INET and token_of(b) == tok:
                got_loc = True
            elif fam == socket.AF_INET6 and pr == pnum(pkt["proto"]):
                if pr == 58 and b[0] != pkt["icmp_type"]:
                    continue
                if struct.pack(">HH", 0x4E54, tok) in b:
                    got_loc = True
        v = {"seen_at": got_far, "seen_local": got_loc}
        # The last chain that ran ended it, and no hook began since.
        p = path[-1] if path else None
        st = p["steps"][-1] if p and p["steps"] else None
        last_before = p.pop("hooks_before", len(hooks)) if p else None
        for q in path:
            q.pop("hooks_before", None)
        sent = next((h for h in hooks if h["hook"] == "postrouting" and h["exit"]), None)
        if sent and got_far and pkt["origin"] == "node" and ipaddress.ip_address(pkt["daddr"]).version == 6 and ipaddress.ip_address(pkt["daddr"]).is_multicast:
            # The copy that comes in again is made behind the original's POSTROUTING: its fate is not the packet's.
            f = dict(kind="out", oif=sent["exit"]["oif"], verified=v)
            return dict(f, also_local=True) if any(h["hook"] == "input" and h["exit"] for h in hooks) else f
        if st and st["verdict"] in ("drop", "stolen", "queue") and last_before == len(hooks):
            f = dict(kind="drop", hook=p["hook"], family=p["family"], table=p["table"], chain=st["chain"], rule=st["rule"], by=st["kind"])
            if p.get("chain") and p["chain"] != st["chain"]:
                f["base_chain"] = p["chain"]
            return dict(f, verified=v)
        if hooks and hooks[-1]["exit"] is None and not hooks[-1]["hook"].startswith("bridge "):
            return dict(kind="drop_in_hook", hook=hooks[-1]["hook"], verified=v)
        ip = [h for h in hooks if h["hook"] in ORDER[1:]]
        if not ip:
            if got_far:
                return dict(kind="bridged", verified=v)
            if err:
                return dict(kind="send_error", errno=err, verified=v)
            return dict(kind="stack_drop", after=hooks[-1]["hook"].replace("bridge ", "") if hooks else None, verified=v)
        last = ip[-1]
        if last["hook"] == "input":
            return dict(kind="local", iif=last["exit"]["iif"], verified=v)
        if last["hook"] == "postrouting":
            f = dict(kind="out", oif=last["exit"]["oif"], verified=v)
            if any(h["hook"] == "input" and h["exit"] for h in hooks):
                f["also_local"] = True  # broadcast sent by this machine: a copy is delivered locally as well
            return f
        return dict(kind="stack_drop", after=last["hook"], verified=v)


def in_order(path):
    """The passes of a path, each hook's by priority: those of legacy tables come from a log of their own."""
    def priority(p):
        if "prio" in p:
            return p["prio"]
        return LEGACY_TABLES.get(p["table"], -100 if p["hook"] in ("prerouting", "output") else 100)
    out, here = [], []
    for p in path + [()]:
        if isinstance(p, tuple):
            out += sorted(here, key=priority)
            here = []
        else:
            here.append(p)
    return out


def listed(name):
    """Chains without a name (`jump { … }`) have one in the kernel that no listing shows."""
    return re.sub(r"__chain\d+$", "", name) if name else name


def strip_date(o):
    return "\n".join(x for x in o.splitlines() if not x.startswith("# ")) + "\n"


def legacy_verdict(rule, chains):
    w = shlex.split(rule)
    for i, x in enumerate(w):
        if x in ("-g", "--goto"):
            return "goto " + w[i + 1]
        if x in ("-j", "--jump"):
            t = w[i + 1]
            if t in ("ACCEPT", "DROP", "RETURN", "QUEUE"):
                return t.lower()
            if t in chains:
                return "jump " + t
            if t in ("REJECT",):
                return "drop"
            if t in ("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "TPROXY"):
                return "accept"
            return "continue"
    return "continue"
