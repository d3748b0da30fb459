"""Hosts with two rulesets at once: iptables (legacy or nft) and tables of nft's own, as where Docker meets firewalld.

Where a legacy table and an nft chain have one priority, the order is that of their registration, which no dump tells: nft's chains are moved
behind it there, and so far that the recorder's probe in front of them is too.
"""
import random
import re

from . import gen_iptables, gen_nft
from .laboratory import LEGACY_PRIORITIES

BASE = re.compile(r"type (\w+) hook (\w+)( device \S+)? priority (-?\d+);")


def beside_legacy(text):
    """nft's chains, and what stands one in front of them, behind the legacy table of the same priority."""
    def moved(m):
        kind, hook, device, priority = m.group(1), m.group(2), m.group(3) or "", int(m.group(4))
        if kind == "nat":
            priority = -100 if hook in ("prerouting", "output") else 100
        while {priority, priority - 1} & LEGACY_PRIORITIES.get(hook, set()):
            priority += 1
        return "type %s hook %s%s priority %d;" % (kind, hook, device, priority)
    return BASE.sub(moved, text)


def generate(seed):
    r = random.Random("mixed-%d" % seed)
    backend = r.choice(["iptables-legacy", "iptables-nft"])
    family = r.choice(["ip", "ip", "ip6"])
    case = gen_iptables.generate(seed, family, backend)
    g = gen_nft.Gen("mixed-%d" % seed)
    g.only, g.pkts = family, case["packets"]
    text = "\n".join(g.table(0)) + "\n"
    case["nft"] = beside_legacy(text) if backend == "iptables-legacy" else text
    case["stateful"] = case["stateful"] or g.dynamic or any(w in text for w in ("limit", "quota", "numgen"))
    return case
