"""Cases from dumps of real hosts: their rules as they are, with addresses and devices moved to the laboratory's, and packets that the
rules are about. Random rulesets seldom look like what programs and people write; a dump does.

Sets that a dump only names are made here, and chains that it only jumps to stand empty. Left out: whatever the kernel at hand refuses."""
import glob
import os
import random
import re

from . import gen_packets

DEVICES = ["eth0", "eth0", "eth1", "cni0", "cni0", "lo"]
NETS = {"ip": ["192.168.1.0/24", "10.42.0.0/24", "10.43.0.0/16", "172.16.5.0/24", "10.0.0.0/8", "192.168.1.48/29", "127.0.0.0/8"],
        "ip6": ["fd00:1::/64", "fd00:42::/64", "fd00:43::/64", "fd00:5::/64", "fd00::/16", "2001:db8::/32"]}
ADDRESS = {"ip": re.compile(r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(/[\d.]+)?(?![\w.])"),
           "ip6": re.compile(r"(?<![\w.:])(?=[0-9a-fA-F:]*::?[0-9a-fA-F:]*:)[0-9a-fA-F:]{3,}(/\d+)?(?![\w.:])")}
DEVICE = [re.compile(r"((?:^|\s)(?:-i|-o|--in-interface|--out-interface|--physdev-in|--physdev-out) )([^\s+!]+)(?=\s|$)", re.M),
          re.compile(r'(\b(?:[io]ifname|[io]if|device)(?: ==| !=)? )("[^"*]+")')]
PORT = re.compile(r"(?:--[ds]ports?|--to-ports?|[ds]port) (?:!= )?\{? ?([\d:,\- ]+)")
SET = re.compile(r"--match-set (\S+) (\S+)|--(?:add|del|map)-set (\S+) (\S+)")
NFT = re.compile(r"(?m)^\s*(?:(?:add|create|insert|flush) (?:table|chain|rule|set|map|element|ruleset)|table)\b")
TYPES = {1: "hash:net", 2: "hash:ip,port", 3: "hash:ip,port,net"}
VERDICTS = {"ACCEPT", "DROP", "RETURN", "QUEUE"}


def addresses(r, text, fam):
    """The text with its addresses moved, each always to the same one."""
    known, pool = {}, sum((gen_packets.pool(fam)[k] for k in ("client_src", "ext_src", "local", "pods", "svc", "out")), [])

    def move(m):
        word, prefix = m.group(0), m.group(1)
        if word not in known:
            net = prefix and prefix not in ("/32", "/128", "/255.255.255.255")
            stays = r.random() < .2 or word.startswith(("0.0.0.0", "::/0", "255.", "127."))
            known[word] = word if stays else r.choice(NETS[fam]) if net else r.choice(pool) + (prefix or "")
        return known[word]
    return ADDRESS[fam].sub(move, text)


def devices(r, text):
    known = {"lo": "lo", '"lo"': '"lo"'}

    def move(m):
        name = m.group(2)
        known.setdefault(name, '"%s"' % r.choice(DEVICES) if name.startswith('"') else r.choice(DEVICES))
        return m.group(1) + known[name]
    for pattern in DEVICE:
        text = pattern.sub(move, text)
    return text


def targets():
    """The names of target extensions, which are files of their own."""
    found = glob.glob("/usr/lib/*/xtables/lib*.so") + glob.glob("/usr/lib/xtables/lib*.so") + glob.glob("/lib/xtables/lib*.so")
    return {os.path.basename(f).split("_", 1)[-1][:-3] for f in found}


def with_chains(text):
    """Every chain that a table's rules lead to is declared."""
    out, known = [], targets() | VERDICTS
    for table in re.split(r"(?m)^(?=\*)", text):
        declared = set(re.findall(r"(?m)^(?::|-N )(\S+)", table))
        named = re.findall(r"(?m)^-A (\S+)", table) + re.findall(r" -[jg] (\S+)", table)
        missing = sorted(set(named) - declared - known)
        out.append(re.sub(r"\A(\*.*\n)", lambda m: m.group(1) + "".join(":%s - [0:0]\n" % c for c in missing), table))
    return "".join(out)


def sets(r, text, fam):
    pool, made = gen_packets.pool(fam), {}
    for m in SET.finditer(text):
        name, flags = m.group(1) or m.group(3), m.group(2) or m.group(4)
        made.setdefault(name, flags.count(",") + 1)
    lines = []
    for name, dims in sorted(made.items()):
        family = " family inet6" if fam == "ip6" else ""
        lines.append("create %s %s%s" % (name, TYPES.get(dims, TYPES[3]), family))
        for a in r.sample(sorted(set(pool["client_src"] + pool["local"] + pool["pods"])), 3):
            entry = [a, "%s:%d" % (r.choice(["tcp", "udp"]), r.choice(gen_packets.PORTS)), r.choice(NETS[fam])]
            lines.append("add %s %s" % (name, ",".join(entry[:min(dims, 3)])))
    return "\n".join(lines) + "\n" if lines else None


def packets(r, text, fam):
    ports = sorted({int(p) for words in PORT.findall(text) for p in re.findall(r"\d+", words) if 0 < int(p) < 65536})
    found = []
    for _ in range(12):
        p = gen_packets.gen_packet(r, fam)
        if ports and "dport" in p and r.random() < .7:
            p["dport"] = r.choice(ports)
        found.append(p)
    return found


def case(path, seed):
    """The case of a dump: of iptables-save, ip6tables-save or nft."""
    r = random.Random("%s %d" % (os.path.basename(path), seed))
    with open(path, errors="replace") as f:
        text = f.read()
    if NFT.search(text):
        # nft 1.0.6 knows this name at prerouting only.
        text = re.sub(r"(hook output priority) dstnat", r"\1 -100", text)
        fam = r.choice(["ip", "ip", "ip6"])
        return made({"nft": addresses(r, addresses(r, devices(r, text), "ip"), "ip6")}, "nft", r, text, fam)
    fam = "ip6" if "ip6tables" in text or not ADDRESS["ip"].search(text) and ADDRESS["ip6"].search(text) else "ip"
    text = with_chains("\n".join(line.strip() for line in text.splitlines()) + "\n")
    text = addresses(r, devices(r, text), fam)
    backend = r.choice(["iptables-legacy", "iptables-nft"])
    return made({"v4" if fam == "ip" else "v6": text, "ipset": sets(r, text, fam)}, backend, r, text, fam)


def made(rules, backend, r, text, fam):
    state = ("statistic", "limit", "quota", "recent", "numgen", "update @", "add @")
    return {"backend": backend, "packets": packets(r, text, fam), "stateful": any(word in text for word in state), "features": ["dump"],
            "knobs": {"bridge_nf": 1, "route_localnet": r.choice([0, 1]), "fwmark_rule": 0}, **rules}
