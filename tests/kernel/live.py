#!/usr/bin/env python3
"""Asks the running Linux kernel what it does with packets, and compares nettrace with it. Needs root; works in private network namespaces only.

  live.py record samples/NAME [--backend iptables-legacy]    write samples/NAME/expected/*.json from the kernel
"""
import argparse
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

SKIPPED = 77


def ready():
    """Why the live part cannot run here, or None."""
    import shutil
    if os.geteuid() != 0:
        return "needs root"
    missing = [x for x in ("ip", "iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset") if not shutil.which(x)]
    if missing:
        return "not installed: " + ", ".join(missing)
    return None


def write(path, value):
    with open(path, "w") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def record(a):
    from lab.bundle import BundleLab
    lab = BundleLab(a.bundle, a.variant)
    names = sorted(glob.glob(os.path.join(a.bundle, "packets", "*.json")))
    packets = [json.load(open(n)) for n in names]
    lab.pods(packets)
    lab.load(lab.case(a.backend))
    if lab.refused:
        print("the kernel refused:", lab.refused, file=sys.stderr)
        return 2
    out = os.path.join(a.bundle, "expected" + ("." + a.variant if a.variant else ""))
    os.makedirs(out, exist_ok=True)
    for name, packet in zip(names, packets):
        e = lab.ask(packet, keep_ct=packet.get("step", 1) > 1)
        e.pop("conntrack_before", None)
        write(os.path.join(out, os.path.basename(name)), e)
        f = {k: v for k, v in e["fate"].items() if k != "verified"}
        print(os.path.basename(name), " ".join(h["hook"] for h in e["hooks"]), f, e["fate"]["verified"])
    return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="command", required=True)
    p = sub.add_parser("record")
    p.add_argument("bundle")
    p.add_argument("--variant")
    p.add_argument("--backend", default="iptables-legacy")
    p.set_defaults(run=record)
    a = ap.parse_args()
    why = ready()
    if why:
        print("skipped: the comparison with the running kernel (%s)" % why)
        return SKIPPED
    return a.run(a)


if __name__ == "__main__":
    sys.exit(main())
