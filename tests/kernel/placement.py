#!/usr/bin/env python3
"""Asks the running kernel whether nettrace's placement advice is true: every candidate, from every origin.

Builds a client, a node and a pod out of network namespaces, a NodePort on the node, takes the node's dumps, lets
`nettrace explain --want drop --json` try its candidates on them, then carries each candidate out in the node's namespace
and connects from the client, from the node by 127.0.0.1 and by its address. Needs root.

    placement.py path/to/nettrace [--nft]

Exit status: 0 all agree, 1 one does not, 77 the laboratory cannot be built here.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

CLIENT, NODE, POD = ("nt-place-%s-%d" % (n, os.getpid()) for n in ("client", "node", "pod"))
NODE_IP, CLIENT_IP, POD_IP, PORT, POD_PORT = "192.168.10.20", "192.168.10.9", "10.244.1.7", 31002, 8200
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
    for namespace in (CLIENT, NODE, POD):
        run("ip netns add " + namespace)
        run("ip link set lo up", namespace)
    link(NODE, "eth0", NODE_IP, CLIENT, "eth0", CLIENT_IP)
    link(NODE, "cni0", "10.244.1.1", POD, "eth0", POD_IP)
    run("ip route add default via " + NODE_IP, CLIENT)
    run("ip route add default via 10.244.1.1", POD)
    run("ip route add default via " + CLIENT_IP, NODE)
    for key, value in (("ip_forward", 1), ("conf.all.route_localnet", 1), ("conf.cni0.route_localnet", 1),
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
              ("ip -j rule", "ip-rule.json"), ("sysctl -a", "sysctl")]
    wanted.append(("nft list ruleset", "nft-ruleset") if nft else ("iptables-save", "iptables-save"))
    for command, name in wanted:
        with open(os.path.join(folder, name), "w") as file:
            file.write(run(command, NODE, check=False).stdout)


def blocked(namespace, address):
    return run("%s -c %s %s" % (sys.executable, shlex.quote(PROBE), address), namespace, check=False).returncode != 0


def measure():
    return [blocked(CLIENT, NODE_IP), blocked(NODE, "127.0.0.1"), blocked(NODE, NODE_IP)]


def undo(commands, nft):
    if nft:
        return run("nft delete table ip guard", NODE)
    for command in commands:
        words = command.split(" ")
        words[words.index("-I")] = "-D"
        run(" ".join(words), NODE)


def compare(nettrace, nft):
    with tempfile.TemporaryDirectory() as folder:
        dumps(folder, nft)
        command = "%s explain %s --src %s --dst %s --dport %d --want drop --json" % (
            nettrace, folder, CLIENT_IP, NODE_IP, PORT)
        done = run(command)
    advice = json.loads(done.stdout)["rules"]["advice"]
    assert measure() == [False] * 3, "the NodePort does not answer without any candidate"
    wrong = 0
    for tried in advice["tried"]:
        for command in tried["commands"]:
            run(command, NODE)
        kernel, told = measure(), [f in ("blocked", "unanswered") for f in tried["fares"][:3]]
        undo(tried["commands"], nft)
        if kernel != told:
            wrong += 1
            print("differs: %s\n  kernel %s\n  told   %s" % ("; ".join(tried["commands"]), kernel, told))
    print("%d candidates from 3 origins, %d differ" % (len(advice["tried"]), wrong))
    return 1 if wrong else 0


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
        return compare(nettrace, nft)
    finally:
        if server:
            server.terminate()
        for namespace in (CLIENT, NODE, POD):
            run("ip netns del " + namespace, check=False)


if __name__ == "__main__":
    sys.exit(main())
