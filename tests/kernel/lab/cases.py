"""Turn generated cases into a corpus on disk: load in the kernel, dump back, send packets, record the truth."""
import json
import os
import random
import shutil
import time

from .laboratory import LoadError
from .packet import full_len, min_len, option_len, payload, pnum

SEQ_A, SEQ_B = 0x22220000, 0x11110000  # initial sequence numbers of scripted connections


def reply_to(far, fam):
    """A neutral packet description of the answer to what the far end saw."""
    p = {"family": fam, "origin": far["at"], "saddr": far["daddr"], "daddr": far["saddr"], "proto": far["proto"],
         "ttl": 64}
    if far["proto"] in ("tcp", "udp", "sctp"):
        p["sport"], p["dport"] = far["dport"], far["sport"]
    if far["proto"] == "tcp":
        p["tcp_flags"] = ["syn", "ack"]
        p["seq"], p["ack_seq"] = SEQ_B, SEQ_A + 1
    if far["proto"] == "icmp":
        if far.get("icmp_type") != 8:
            return None
        p.update(icmp_type=0, icmp_code=0, icmp_id=far.get("icmp_id", 77))
    if far["proto"] == "icmpv6":
        if far.get("icmp_type") != 128:
            return None
        p.update(icmp_type=129, icmp_code=0, icmp_id=far.get("icmp_id", 77))
    return p


def enrich(pkt):
    """Add derivable neutral facts the simulator's user would give."""
    from .laboratory import MAC, NODE_IF, PHYS_IF
    q = dict(pkt)
    if not pkt.get("inner_hex") and not pkt.get("cut"):
        q["payload_hex"] = payload(pkt, canon_len(pkt)).hex()
    if pkt["origin"] != "node":
        q["iif"] = NODE_IF[pkt["origin"]]
        q["src_mac"] = MAC[pkt["origin"]]
        if pkt["origin"] in PHYS_IF:
            q["physin"] = PHYS_IF[pkt["origin"]]
    return q


def canon_len(pkt):
    if pkt.get("cut"):
        return pkt["cut"]
    v6, pr = pkt["family"] == "ip6", pnum(pkt["proto"])
    return min_len(v6, pr) + option_len(pkt) if pr == 132 else full_len(pkt)


def run_case(lab, case, outdir, name, seqprob=None, rng=None, counters=False, also_nft=False):
    rng = rng or random.Random(name)
    seqprob = case.get("answers", 0.35) if seqprob is None else seqprob
    lab.load(case, dump={"counters": counters, "also_nft": also_nft})
    d = os.path.join(outdir, name)
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(os.path.join(d, "packets"))
    os.makedirs(os.path.join(d, "expected"))
    for fn, txt in lab.dumped.items():
        with open(os.path.join(d, fn), "w") as f:
            f.write(txt)
    n = 0
    results = []
    first = True

    def one(pkt, keep, meta):
        nonlocal n
        n += 1
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        e = lab.run_packet(pkt, keep_ct=keep)
        p = enrich(pkt)
        p["length"] = canon_len(pkt)
        if pkt["origin"] != "node":
            p["dst_mac"] = ":".join("%02x" % x for x in lab.dst_mac(pkt))
        if case.get("clock"):
            p["time"] = clock
        p.update(meta)
        before = e.pop("conntrack_before")
        if keep:  # also when it is empty: the host's own answer may have ended a connection
            p["conntrack"] = before
        with open(os.path.join(d, "packets", "%02d.json" % n), "w") as f:
            json.dump(p, f, separators=(",", ":"))
        with open(os.path.join(d, "expected", "%02d.json" % n), "w") as f:
            json.dump(e, f, separators=(",", ":"))
        results.append((pkt, e))
        return e

    for i, pkt in enumerate(case["packets"]):
        if not first and case.get("stateful"):
            lab.load(case)
        first = False
        # a packet may be a list: a connection scripted by hand; "reply": True means "answer what the far end saw"
        script = pkt if isinstance(pkt, list) else [pkt]
        flow = i + 1
        prev_far = None
        keep = False
        for step, q in enumerate(script):
            if q["proto"] == "tcp" if "proto" in q else False:
                q = dict(q)
                q.setdefault("seq", SEQ_A + (1 if "ack" in q["tcp_flags"] and step else 0))
            if q.get("reply"):
                if not prev_far:
                    break
                r = reply_to(prev_far, script[0]["family"])
                if not r:
                    break
                r.update({k: v for k, v in q.items() if k not in ("reply", "icmp_error")})
                if q.get("icmp_error"):
                    raw = prev_raw
                    r.update(proto="icmp", icmp_type=q["icmp_error"][0], icmp_code=q["icmp_error"][1], icmp_id=0,
                             inner_hex=raw.hex(), length=28 + len(raw))
                    for k in ("sport", "dport", "tcp_flags"):
                        r.pop(k, None)
                q = r
                # answers are always to the first packet's far end
            e = one(q, keep, {"flow": flow, "step": step + 1})
            keep = True
            if step == 0:
                prev_raw = lab.last_far_raw
                prev_far = e["far_end"][0] if e["far_end"] else None
        if not isinstance(pkt, list) and prev_far and rng.random() < seqprob:
            r = reply_to(prev_far, pkt["family"])
            if r and r["origin"] != pkt["origin"] or r and pkt["origin"] in ("client", "ext"):
                if pkt["proto"] == "tcp" and pkt.get("tcp_flags") != ["syn"]:
                    r = None
            else:
                r = None
            if r:
                one(r, True, {"flow": flow, "step": 2})
                q = dict(pkt)
                if q["proto"] == "tcp":
                    q["tcp_flags"] = ["ack"]
                    q["seq"], q["ack_seq"] = SEQ_A + 1, SEQ_B + 1
                one(q, True, {"flow": flow, "step": 3})
    meta = {"name": name, "backend": case["backend"], "knobs": lab.knobs, "features": case.get("features", []),
            "seed": case.get("seed"), "packets": n, "stateful": bool(case.get("stateful"))}
    if case.get("doc"):
        meta["doc"] = case["doc"]
    with open(os.path.join(d, "case.json"), "w") as f:
        json.dump(meta, f, indent=1)
    return results
