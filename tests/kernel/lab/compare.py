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
    f = c.get("fate") or {}
    return {"kind": f.get("kind"), **{k: f.get(k) for k in FATE.get(f.get("kind"), ())}}


def far(c):
    f = c["far"] if "far" in c else (c.get("far_end") or [None])[0]
    return {k: f.get(k) for k in ("saddr", "daddr", "dport")} if f else None


# The recorder's probe in front of a chain stands one priority below it. One behind NAT's own priority the probe shares NAT's, was
# registered later and so runs first: it shows the packet before the translation that the chain itself sees done.
PROBE_BEFORE_NAT = {"prerouting": -99, "output": -99, "input": 101, "postrouting": 101}


def header_difference(kernel, walk):
    for x, y in zip(passes(kernel), passes(walk)):
        early = PROBE_BEFORE_NAT.get(x.get("hook")) == x.get("prio")
        for k in HEADER:
            if k == "mark" and x.get("entry_after_first_rule") or k != "mark" and early:
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
    """The difference to the closest outcome."""
    found = [difference(kernel, o) for o in line.get("outcomes") or []]
    if not found:
        return "no outcome"
    return None if None in found else found[0]
