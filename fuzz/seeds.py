#!/usr/bin/env python3
"""Seeds for the fuzz targets, from samples/, tests/ and ../shared where it is there: `python3 fuzz/seeds.py OUT`.

Makes OUT/<target>/ with a file for each dump, in the form that the target reads (a word in front, form feeds between).
"""

import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST = 64 << 10  # bytes of a seed: larger ones only slow the fuzzer down

KINDS = {  # name in a folder: target, and the character that target `host` or `walk` wants in front
    "iptables-save": ("iptables", None, chr(0)), "ip6tables-save": ("iptables", None, chr(2)),
    "nft-ruleset": ("nft", None, chr(3)), "nft-ruleset.json": ("nft_json", None, None),
    "ipset-save": ("ipset", None, chr(5)), "conntrack": ("conntrack", None, None),
    "ip-addr.json": ("host", chr(0), chr(6)), "ip-link.json": ("host", chr(1), None),
    "ip-route.json": ("host", chr(2), chr(7)), "ip-rule.json": ("host", chr(3), None),
    "ip-neigh.json": ("host", chr(4), None), "bridge-link.json": ("host", chr(5), chr(10)),
    "bridge-fdb.json": ("host", chr(6), None), "sysctl": ("host", chr(7), chr(11)),
    "ip6-route.json": ("host", chr(8), None), "ip6-rule.json": ("host", chr(9), None),
}
TEXT = {  # what `ip` prints without -j
    0: "1: lo: <LOOPBACK,UP> mtu 65536\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
       "    inet 127.0.0.1/8 scope host lo\n2: eth0@if5: <UP> mtu 1500 master br0\n    inet6 fd00::1/64 scope global\n",
    2: "default via 10.0.0.1 dev eth0 proto dhcp metric 100\n10.0.0.0/24 dev eth0 scope link src 10.0.0.2\n"
       "blackhole 10.1.0.0/16\nlocal 127.0.0.1 dev lo table local\n10.9.0.0/16 \n\tnexthop via 10.0.0.3 dev eth0 weight 1\n",
    3: "0:\tfrom all lookup local\n100:\tfrom 10.0.0.0/8 fwmark 0x1/0xff lookup 100\n32766:\tfrom all lookup main\n",
    4: "10.0.0.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT\n",
    5: "4: v1@if3: <UP> mtu 1500 master br0 state forwarding priority 32 cost 2\n    hairpin on guard off\n",
    6: "02:00:00:00:00:02 dev v1 master br0\n",
    7: "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter=2\n",
}
ARGUMENTS = [
    ["explain", "--dport", "31002"], ["explain", "--dport", "80", "--reply", "-v"], ["chains"],
    ["explain", "--dport", "80", "--want", "drop", "--all"], ["explain", "--dport", "80", "--format", "markdown"],
    ["explain", "--dport", "80", "--format", "json", "--why-not", "filter/INPUT#1"], ["chains", "--format", "dot"],
    ["explain", "--local", "--proto", "udp", "--format", "trace", "--all"], ["chains", "--format", "mermaid"],
    ["explain", "--dport", "80", "--with", "iptables -I INPUT -p tcp --dport 80 -j DROP"],
    ["explain", "--dport", "80", "--format", "mermaid"], ["explain", "--dport", "80", "--format", "dot"],
    ["explain", "--dport", "80", "--without", "filter/INPUT#1", "--packets", "syn,synack,ack"],
]
COMMANDS = [
    "iptables -t nat -I PREROUTING 2 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080",
    "ip6tables -A INPUT -j DROP", "iptables -D INPUT 1", "iptables -P FORWARD DROP", "iptables -N x", "iptables -F",
    "nft add rule inet firewalld filter_INPUT tcp dport 22 drop", "nft insert rule ip t c accept", "nft flush ruleset",
    "nft add element inet firewalld s { 1.2.3.4 }", "ipset add KUBE-CLUSTER-IP 10.0.0.1,tcp:80", "ipset create x hash:ip",
    "ipset del x 1.2.3.4", "ip route add 10.0.0.0/8 via 10.0.0.1 dev eth0", "ip route del default",
    "ip rule add from 10.0.0.0/8 lookup 100 pref 5", "sysctl -w net.ipv4.ip_forward=0", "ip -6 route add fd00::/64 dev eth0",
]


def seed(out, target, text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    if 0 < len(data) <= MOST:
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def read(path):
    return path.read_text(errors="surrogateescape")


def bundles():
    for folder in sorted((ROOT / "samples").iterdir()):
        if folder.is_dir():
            yield folder
    for folder in sorted((ROOT / "../shared/scenarios").glob("*/")):
        yield folder


def bundle(out, folder):
    walk, files = [], []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.stat().st_size > MOST:
            continue
        files.append(f"{path.name}\n{read(path)}")
        name = {"ruleset.iptables": "iptables-save", "ruleset.nft": "nft-ruleset", "ipset.save": "ipset-save",
                "ruleset.ip6tables": "ip6tables-save"}.get(path.name, path.name)
        name = name if name in KINDS else name.replace("addr", "ip-addr").replace("route.", "ip-route.")
        target, kind, part = KINDS.get(name, (None, None, None))
        if target:
            seed(out, target, (kind or "") + read(path))
        if part is not None:
            walk.append(part + read(path))
    seed(out, "walk", "\f".join(walk))
    seed(out, "loader", "\f".join(files))
    for arguments in ARGUMENTS:
        seed(out, "command", "\f".join(["\n".join(arguments), *files]))


def corpus(out):
    for path in sorted((ROOT / "../shared/corpus").rglob("*")):
        if not path.is_file() or path.stat().st_size > 16 << 10:
            continue
        text = read(path)
        target = ("iptables" if "\n-A " in text or "\n*" in text else "nft" if "chain " in text and "{" in text
                  else "ipset" if text.startswith(("create ", "Name: ")) else None)
        if target:
            seed(out, target, text)
            seed(out, "walk", KINDS[{"iptables": "iptables-save", "nft": "nft-ruleset", "ipset": "ipset-save"}[target]][2] + text)


def words(out):
    for command in COMMANDS:
        seed(out, "words", "w" + command)
    for rule in ["filter/INPUT#1", "ip6 filter/INPUT#1", "iptables-save:35", "-p tcp --dport 22 -j DROP", "tcp dport 22 drop"]:
        seed(out, "words", "r" + rule)
    for path in sorted(ROOT.glob("samples/*/packets/*.json")):
        seed(out, "words", "p" + read(path))
    conns = [{"orig": {"saddr": "10.0.0.1", "daddr": "10.0.0.2", "proto": 6, "sport": 1, "dport": 2},
              "reply": {"saddr": "10.0.0.2", "daddr": "10.0.0.1", "proto": 6, "sport": 2, "dport": 1}}]
    seed(out, "words", "p" + json.dumps({"dport": 80, "conntrack": conns}))
    seed(out, "conntrack", json.dumps(conns))


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "fuzz/corpus")
    for folder in bundles():
        bundle(out, folder)
    corpus(out)
    words(out)
    for kind, text in TEXT.items():
        seed(out, "host", chr(kind) + text)
    seed(out, "conntrack", "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=4000 dport=80 src=10.0.0.2 dst=10.0.0.1 "
         "sport=80 dport=4000 [ASSURED] mark=5 use=1\nudp 17 20 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=53 [UNREPLIED] "
         "src=2.2.2.2 dst=1.1.1.1 sport=53 dport=1 mark=0 zone=3 use=1\nicmp 1 3 src=1.1.1.1 dst=2.2.2.2 type=8 code=0 id=7 "
         "src=2.2.2.2 dst=1.1.1.1 type=0 code=0 id=7\n")
    listing = {"nftables": [{"metainfo": {"json_schema_version": 1}}, {"table": {"family": "ip", "name": "t", "handle": 1}},
               {"chain": {"family": "ip", "table": "t", "name": "c", "handle": 1, "type": "filter", "hook": "input", "prio": 0,
                          "policy": "accept"}},
               {"set": {"family": "ip", "name": "s", "table": "t", "type": "ipv4_addr", "handle": 2, "flags": ["interval"],
                        "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": ["1.1.1.1", "1.1.1.9"]}]}},
               {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 3, "expr": [
                   {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
                   {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}},
                   {"counter": {"packets": 0, "bytes": 0}}, {"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"|": [
                       {"meta": {"key": "mark"}}, 4]}}}, {"jump": {"target": "c"}}]}}]}
    seed(out, "nft_json", json.dumps(listing))
    for n in range(32):
        seed(out, "rules", hashlib.sha512(bytes([n])).digest() * 2)
    for folder in sorted(out.iterdir()):
        print(f"{folder.name}: {len(list(folder.iterdir()))} seeds")


if __name__ == "__main__":
    main()
