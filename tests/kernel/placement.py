#!/usr/bin/env python3
"""Asks the running kernel whether nettrace's advice is true: every candidate, from every origin.

Builds a client, a node and two pods out of network namespaces, a NodePort on the node for one of the pods, takes the node's
dumps, lets `nettrace explain --want drop --json` try its candidates on them, then carries each candidate out in the node's
namespace and connects from the client, from the node by 127.0.0.1 and by its address, and from the other pod. With
`--accept` the node first loses the packet in some way (a rule, a policy, a set, a sysctl, a route, several of them), and
`--want accept` has to undo it. Needs root.

    placement.py path/to/nettrace [--nft] [--accept]

Exit status: 0 all agree, 1 one does not, 77 the laboratory cannot be built here.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

CLIENT, NODE, POD, OTHER = ("nt-place-%s-%d" % (n, os.getpid()) for n in ("client", "node", "pod", "other"))
NODE_IP, CLIENT_IP, POD_IP, PORT, POD_PORT = "192.168.10.20", "192.168.10.9", "10.244.1.7", 31002, 8200
OTHER_IP = "10.244.2.8"
SERVER = "import socket;s=socket.create_server(('0.0.0.0',%d));print(flush=True)\nwhile 1:s.accept()[0].close()" % POD_PORT
PROBE = "import socket,sys\ntry: socket.create_connection((sys.argv[1],%d),0.4).close()\nexcept OSError: sys.exit(1)" % PORT


def run(command, namespace=None, check=True):
    words = (["ip", "netns", "exec", namespace] if namespace else []) + shlex.split(command)
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError("%s: %s" % (command, done.stderr.strip()))
    return done


def link(a, a_dev, a_ip, b, b_dev, b_ip):
    run("ip link add %s netns %s type veth peer name %s netns %s" % (a_dev, a, b_dev, b))
    for namespace, device, address in ((a, a_dev, a_ip), (b, b_dev, b_ip)):
        run("ip addr add %s/24 dev %s" % (address, device), namespace)
        run("ip link set %s up" % device, namespace)


def build(nft):
    for namespace in (CLIENT, NODE, POD, OTHER):
        run("ip netns add " + namespace)
        run("ip link set lo up", namespace)
    link(NODE, "eth0", NODE_IP, CLIENT, "eth0", CLIENT_IP)
    link(NODE, "cni0", "10.244.1.1", POD, "eth0", POD_IP)
    link(NODE, "cni1", "10.244.2.1", OTHER, "eth0", OTHER_IP)
    run("ip route add default via 10.244.2.1", OTHER)
    run("ip route add default via " + NODE_IP, CLIENT)
    run("ip route add default via 10.244.1.1", POD)
    run("ip route add default via " + CLIENT_IP, NODE)
    for key, value in (("ip_forward", 1), ("conf.all.route_localnet", 1), ("conf.cni0.route_localnet", 1), ("conf.cni1.rp_filter", 0),
                       ("conf.all.rp_filter", 0), ("conf.eth0.rp_filter", 0), ("conf.cni0.rp_filter", 0)):
        run("sysctl -qw net.ipv4.%s=%d" % (key, value), NODE)
    to = "%s:%d" % (POD_IP, POD_PORT)
    if nft:
        run("nft add table ip nat", NODE)
        for chain, hook, priority in (("pre", "prerouting", -100), ("out", "output", -100), ("post", "postrouting", 100)):
            run("nft add chain ip nat %s '{ type nat hook %s priority %d; }'" % (chain, hook, priority), NODE)
        for chain in ("pre", "out"):
            run("nft add rule ip nat %s fib daddr type local tcp dport %d dnat to %s" % (chain, PORT, to), NODE)
        run("nft add rule ip nat post ct status dnat masquerade", NODE)
        return
    for chain in ("PREROUTING", "OUTPUT"):
        run("iptables -t nat -A %s -p tcp --dport %d -m addrtype --dst-type LOCAL -j DNAT --to-destination %s"
            % (chain, PORT, to), NODE)
    run("iptables -t nat -A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE", NODE)


def dumps(folder, nft):
    wanted = [("ip -j addr", "ip-addr.json"), ("ip -j route show table all", "ip-route.json"),
              ("ip -j rule", "ip-rule.json"), ("ip -j neigh", "ip-neigh.json"), ("sysctl -a", "sysctl"),
              ("ipset save", "ipset-save")]
    wanted.append(("nft list ruleset", "nft-ruleset") if nft else ("iptables-save", "iptables-save"))
    for command, name in wanted:
        with open(os.path.join(folder, name), "w") as file:
            file.write(run(command, NODE, check=False).stdout)


ORIGINS = {"a remote client": (CLIENT, NODE_IP), "this packet": (CLIENT, NODE_IP), "this host, to 127.0.0.1": (NODE, "127.0.0.1"),
           "this host, to " + NODE_IP: (NODE, NODE_IP), "a container (%s)" % OTHER_IP: (OTHER, NODE_IP)}


def measure(origins):
    """Whether a connection comes about, from each origin; all at once."""
    probes = [subprocess.Popen(["ip", "netns", "exec", ORIGINS[o][0], sys.executable, "-c", PROBE, ORIGINS[o][1]])
              for o in origins]
    return [p.wait() == 0 for p in probes]


BUILTIN = {"raw": "PREROUTING OUTPUT", "filter": "INPUT FORWARD OUTPUT",
           "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"}


class Kept:
    """What the node has, to put back: rules, sets, and what routes and sysctls a command changes."""

    def __init__(self, nft):
        self.nft, self.back = nft, []
        self.rules = run("nft list ruleset" if nft else "iptables-save", NODE).stdout
        for table, chains in BUILTIN.items():  # a save leaves out tables that nobody has used yet
            if not nft and "*" + table not in self.rules:
                self.rules += "*%s\n%sCOMMIT\n" % (table, "".join(":%s ACCEPT\n" % c for c in chains.split()))

    def carry_out(self, commands):
        for command in commands:
            words = shlex.split(command, comments=True)
            if words[0] == "sysctl":
                key = words[2].split("=")[0]
                self.back.append("sysctl -qw %s=%s" % (key, run("sysctl -n " + key, NODE).stdout.strip()))
            elif words[:2] == ["ip", "route"]:
                swap = {"add": "del", "del": "add"}
                self.back.append(" ".join(["ip", "route", swap[words[2]]] + words[3:]))
            elif words[0] == "ipset":
                swap = {"add": "del", "del": "add"}
                self.back.append(" ".join(["ipset", swap[words[1]]] + words[2:]))
            run(shlex.join(words) if not self.nft else command, NODE)

    def restore(self):
        for command in reversed(self.back):
            run(command, NODE)
        self.back = []
        words, text = (["nft", "-f", "-"], "flush ruleset\n" + self.rules) if self.nft else (["iptables-restore"], self.rules)
        subprocess.run(["ip", "netns", "exec", NODE] + words, input=text, text=True, check=True)


def advice(nettrace, nft, want):
    with tempfile.TemporaryDirectory() as folder:
        dumps(folder, nft)
        command = "%s explain %s --src %s --dst %s --dport %d --want %s --json" % (
            nettrace, folder, CLIENT_IP, NODE_IP, PORT, want)
        return json.loads(run(command).stdout)["rules"]["advice"]


def compare(said, nft, accept=False):
    """How many candidates the kernel was asked about, and how many of them it judges differently."""
    kept, wrong, asked = Kept(nft), 0, 0
    unknown = [o for o in said["origins"] if o not in ORIGINS]
    assert not unknown and len(said["origins"]) == 4, said["origins"]
    before = [f == "passes" for f in said["before"]]
    now = measure(said["origins"])
    if now != before:
        wrong += 1
        print("differs without any candidate\n  kernel %s\n  told   %s" % (now, before))
    for tried in said["tried"]:
        # Without the handles no command takes an nft rule out; and a way back that is none is not told.
        if any("HANDLE" in c for c in tried["commands"]) or (accept and not tried["works"][0]):
            continue
        asked += 1
        kept.carry_out(tried["commands"])
        kernel, told = measure(said["origins"]), [f == "passes" for f in tried["fares"]]
        kept.restore()
        if kernel != told:
            wrong += 1
            print("differs: %s\n  kernel %s\n  told   %s" % ("; ".join(tried["commands"]), kernel, told))
    return asked, wrong


# Ways to lose the packet; the last word of each is what has to be among the ways back.
LOSSES = [
    (["iptables -I FORWARD -p tcp --dport %d -j DROP" % POD_PORT], "iptables -D FORWARD 1"),
    (["iptables -P FORWARD DROP"], "iptables -P FORWARD ACCEPT"),
    (["iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", "iptables -P FORWARD DROP",
      "iptables -t raw -I PREROUTING -s %s -j DROP" % CLIENT_IP], "iptables -t raw -I PREROUTING 1"),
    (["ipset create bad hash:net", "ipset add bad 192.168.10.0/28", "iptables -I FORWARD -m set --match-set bad src -j DROP"],
     "ipset del bad 192.168.10.0/28"),
    (["sysctl -qw net.ipv4.ip_forward=0"], "sysctl -w net.ipv4.ip_forward=1"),
    (["ip route add blackhole %s" % POD_IP], "ip route del blackhole"),
]
NFT_LOSSES = [
    (["nft add table ip fw", "nft add chain ip fw through '{ type filter hook forward priority 0; policy drop; }'",
      "nft add rule ip fw through ct state established accept"], "nft add chain ip fw through '{ policy accept; }'"),
    (["nft add table ip fw", "nft add set ip fw good '{ type ipv4_addr; }'", "nft add element ip fw good '{ 192.0.2.1 }'",
      "nft add chain ip fw pre '{ type filter hook prerouting priority -200; }'",
      "nft add rule ip fw pre iifname eth0 ip saddr != @good drop"], "nft add element ip fw good"),
]


def drops(nettrace, nft):
    asked, wrong = compare(advice(nettrace, nft, "drop"), nft)
    print("%d candidates for a DROP from 4 origins, %d differ" % (asked, wrong))
    return wrong


def accepts(nettrace, nft):
    asked, wrong = 0, 0
    for commands, wanted in NFT_LOSSES if nft else LOSSES:
        kept = Kept(nft)
        for command in commands:
            run(command, NODE)
        said = advice(nettrace, nft, "accept")
        works = [t["commands"] for t in said["tried"] if t["works"][0]]
        if not any(c.startswith(wanted) for commands_ in works for c in commands_):
            wrong += 1
            print("%s: `%s` is not among the ways back: %s" % ("; ".join(commands), wanted, works))
        more, differ = compare(said, nft, accept=True)
        asked, wrong = asked + more, wrong + differ
        kept.restore()
        for command in commands:
            if command.startswith("sysctl"):
                run("sysctl -qw net.ipv4.ip_forward=1", NODE)
            elif command.startswith("ip route add"):
                run(command.replace("add", "del", 1), NODE)
    print("%d candidates for an ACCEPT from 4 origins, %d differ" % (asked, wrong))
    return wrong


def main():
    nettrace, nft = os.path.abspath(sys.argv[1]), "--nft" in sys.argv
    server = None
    try:
        try:
            build(nft)
            server = subprocess.Popen(["ip", "netns", "exec", POD, sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
            server.stdout.readline()
        except (RuntimeError, OSError) as error:
            print("skipped: the laboratory cannot be built here: %s" % error)
            return 77
        assert measure(list(ORIGINS)) == [True] * len(ORIGINS), "the NodePort does not answer without any candidate"
        return 1 if (accepts if "--accept" in sys.argv else drops)(nettrace, nft) else 0
    finally:
        if server:
            server.terminate()
        for namespace in (CLIENT, NODE, POD, OTHER):
            run("ip netns del " + namespace, check=False)


if __name__ == "__main__":
    sys.exit(main())
