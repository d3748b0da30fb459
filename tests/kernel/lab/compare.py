"""Compares a walk with what the kernel did: path, fate, headers at each base chain, the packet that arrives.

A pass that is nothing but "policy accept" is left out on both sides. The source port is not compared behind the last hook (MASQUERADE picks it).
"""

HEADER = ("saddr", "daddr", "sport", "dport", "mark")
FATE = {"drop": ("hook", "family", "table", "chain", "rule", "by"), "out": ("oif",), "local": ("iif",), "stack_drop": ("after",),
        "drop_in_hook": ("hook",)}


def passes(c):
    for p in c.get("path") or []:
        st = p.get("steps") or []
        if not (len(st) == 1 and st[0].get("kind") == "policy" and st[0].get("verdict") == "accept"):
            yield p


def steps(c):
    return [(p.get("hook"), p.get("family"), p.get("table"), s.get("chain"), s.get("kind"), s.get("rule"), s.get("verdict"))
            for p in passes(c) for s in p.get("steps") or []]


def fate(c):
    f = dict(c.get("fate") or {})
    if f.get("after") == "ingress":  # the recorder's probes stand at every device's ingress, chains do not
        f["after"] = None
    return {"kind": f.get("kind"), **{k: f.get(k) for k in FATE.get(f.get("kind"), ())}}


def far(c):
    f = c["far"] if "far" in c else (c.get("far_end") or [None])[0]
    return {k: f.get(k) for k in ("saddr", "daddr", "dport")} if f else None


# The recorder's probe in front of a chain stands one priority below it. NAT's own step shares a priority with the chain or with the
# probe then, and which of the two ran first no event tells when no NAT chain was asked (every packet of a connection but the first). NAT chains a
# little behind run within that step, where no probe stands.
NAT_AT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}


def header_difference(kernel, walk):
    for x, y in zip(passes(kernel), passes(walk)):
        early = x.get("prio") is not None and x["prio"] - NAT_AT.get(x.get("hook"), 1 << 31) in (0, 1, 2)
        for k in HEADER:
            if early or k == "mark" and x.get("entry_after_first_rule"):
                continue
            a, b = (x.get("entry") or {}).get(k), (y.get("entry") or {}).get(k)
            if a != b:
                return "%s at %s %s %s: kernel %s, nettrace %s" % (k, x.get("hook"), x.get("table"), x.get("chain"), a, b)
    return None


def difference(kernel, walk):
    """One line, or None where they agree."""
    a, b = steps(kernel), steps(walk)
    if a != b:
        i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        show = lambda s: " ".join(map(str, s[i])) if i < len(s) else "(end)"  # noqa: E731
        return "step %d: kernel %s; nettrace %s" % (i, show(a), show(b))
    if fate(kernel) != fate(walk):
        return "fate: kernel %s; nettrace %s" % (fate(kernel), fate(walk))
    h = header_difference(kernel, walk)
    if h:
        return h
    if far(kernel) and far(kernel) != far(walk):
        return "far end: kernel %s; nettrace %s" % (far(kernel), far(walk))
    return None


def best(kernel, line):
    """The difference to the first outcome, None if that is the kernel's, and whether another outcome is."""
    found = [difference(kernel, o) for o in line.get("outcomes") or []]
    return (found[0], None in found) if found else ("no outcome", False)


# ---- differences that no dump can tell ---------------------------------------------------------------------------------

def chain_text(ruleset, family, table, chain):
    """The text of a chain in a listing, empty if it is not there."""
    head, inside, found = "table %s %s {" % (family, table), False, []
    for line in ruleset.splitlines():
        if line.startswith("table "):
            inside = line == head
        elif inside and line == "\tchain %s {" % chain:
            found = [line]
        elif found and line == "\t}":
            return "\n".join(found)
        elif found:
            found.append(line)
    return ""


def explained(ruleset, kernel, line, earlier):
    """Why no dump tells this difference, if it is one of those: a counter of rules that the host's own packets moved on (answers to
    earlier packets, IPv6's neighbour discovery), or a port that the kernel picked at random."""
    walk = line["outcomes"][0]
    a, b = steps(kernel), steps(walk)
    if a == b and any("picks at random" in x.get("fact", "") for x in line.get("assumptions") or []):
        return "the kernel picks a port"
    i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    parted = [s[i] for s in (a, b) if i < len(s)]
    refused = (kernel.get("fate") or {}).get("kind") == "stack_drop" and (walk.get("fate") or {}).get("kind") != "stack_drop"
    if refused and (line.get("packet") or {}).get("saddr", "").endswith(".255"):
        return "sources are checked more closely once a policy rule was added"
    own = any(e.get("replies") for e in earlier) or any(s[0] in ("output", "postrouting") and s[1] != "ip" for s in parted)
    if own and any("numgen inc" in chain_text(ruleset, s[1], s[2], s[3]) for s in parted):
        return "numgen counts the host's own packets"
    return None
