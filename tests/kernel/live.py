#!/usr/bin/env python3
"""Asks the running Linux kernel what it does with packets, and compares nettrace with it. Needs root; works in private network namespaces only.

  live.py run --tool target/debug/nettrace --seeds 20 [--kinds nft,ipt-nft4] [--first 90000] [--keep DIR]
                              random rulesets and packets; prints every packet in which the two differ; exit 1 if there is one
  live.py dumps --tool … FILE…             the same with the rules of dumps: iptables-save, ip6tables-save, nft list ruleset
  live.py shrink KIND SEED --tool …        reduces the first difference of a case to a few rules and prints them
  live.py record samples/NAME              writes samples/NAME/expected/*.json from the kernel
  live.py pack OUT.tar.xz CASE…            packs case folders for tests/golden

Exit 77: this machine cannot run it; the reason is printed.
"""
import argparse
import collections
import glob
import io
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

SKIPPED = 77
EXPLAINED = "explained "  # in front of a difference that has a reason no dump tells
LATER = "another outcome "  # in front of a difference to the first outcome only: one behind it is the kernel's


def ready():
    """Why the live part cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [x for x in ("ip", "iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset") if not shutil.which(x)]
    if missing:
        return "not installed: " + ", ".join(missing)
    for probe in (["nft", "add table inet probe"], ["iptables-legacy", "-t", "nat", "-L"], ["ipset", "create", "p", "hash:ip"]):
        r = subprocess.run(["unshare", "-n"] + probe, capture_output=True, text=True)
        if r.returncode:
            return "the kernel refuses `%s`: %s" % (" ".join(probe), (r.stderr.strip().splitlines() or ["?"])[-1])
    return None


def write(path, value):
    with open(path, "w") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def replay(tool, folder):
    """What the tool says about each packet of a folder; the answers are moved out of its sight."""
    hidden = folder + ".expected"
    os.rename(os.path.join(folder, "expected"), hidden)
    try:
        r = subprocess.run([tool, "replay", folder], capture_output=True, text=True, timeout=120)
    finally:
        os.rename(hidden, os.path.join(folder, "expected"))
    if r.returncode:
        raise RuntimeError("exit %d: %s" % (r.returncode, r.stderr.strip()[:300]))
    return [json.loads(x) for x in r.stdout.splitlines()]


def differences(tool, folder):
    """[(packet, difference)] of one case folder."""
    from lab import compare
    names = sorted(os.listdir(os.path.join(folder, "packets")))
    try:
        lines = replay(tool, folder)
    except (RuntimeError, subprocess.TimeoutExpired, ValueError) as e:
        return [("*", str(e))]
    if len(lines) != len(names):
        return [("*", "%d lines for %d packets" % (len(lines), len(names)))]
    found, before = [], []
    listing = os.path.join(folder, "ruleset.nft")
    ruleset = open(listing).read() if os.path.exists(listing) else ""
    for name, line in zip(names, lines):
        with open(os.path.join(folder, "expected", name)) as f:
            kernel = json.load(f)
        d, later = compare.best(kernel, line)
        why = compare.explained(ruleset, kernel, line, before) if d and not later and line.get("outcomes") else None
        if d and later:
            d = LATER + d
        elif why:
            d = "%s(%s): %s" % (EXPLAINED, why, d)
        if d:
            found.append((name, d))
        before.append(kernel)
    return found


def wrong(difference):
    """Whether a difference is one: no outcome is the kernel's, and no reason is known."""
    return not difference.startswith((EXPLAINED, LATER))


def compare_case(lab, kind, seed, tool, out):
    """One case: packets sent, the ones that differ, or why the kernel refuses it. What differs must differ twice: a busy machine
    loses events."""
    from lab import cases, kinds
    from lab.laboratory import LoadError
    name = "%s-%05d" % (kind.replace("/", "+"), seed)
    found = []
    for _ in range(2):
        case = kinds.make(kind, seed)
        case["seed"] = seed
        try:
            packets = cases.run_case(lab, case, out, name)
        except LoadError as e:
            return name, 0, [], str(e)[:120]
        found = differences(tool, os.path.join(out, name))
        if not any(wrong(d) for _, d in found):
            break
    return name, len(packets), found, None


def worker(a, out, jobs, results):
    """Takes cases until there are none; every worker has a laboratory of its own."""
    from lab.laboratory import Lab
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    lab = Lab()
    for kind, seed in iter(jobs.get, None):
        try:
            results.put(compare_case(lab, kind, seed, a.tool, out))
        except Exception as e:  # one case must not end the run; it is reported as a difference
            results.put(("%s-%05d" % (kind, seed), 0, [("*", "the recorder failed: %r" % e)], None))


def results_of(a, out, todo):
    """What the workers find, as they find it."""
    jobs, results = multiprocessing.Queue(), multiprocessing.Queue()
    for job in todo + [None] * a.jobs:
        jobs.put(job)
    for _ in range(a.jobs):
        multiprocessing.Process(target=worker, args=(a, out, jobs, results), daemon=True).start()
    for _ in todo:
        yield results.get()


def tell(a, out, count, name, packets, found, refused):
    """Counts and prints what became of a case; a folder that nobody needs is removed."""
    if refused:
        count["refused"] += 1
        print("%s: the kernel refuses it: %s" % (name, " ".join(refused.split())))
        return
    count["cases"] += 1
    count["packets"] += packets
    for _, d in found:
        count["explained" if d.startswith(EXPLAINED) else "later" if d.startswith(LATER) else "bad"] += 1
    for packet, difference in found:
        print("%s/%s: %s" % (name, packet, difference), flush=True)
    if not a.keep and not any(wrong(d) for _, d in found):
        shutil.rmtree(os.path.join(out, name))


def run(a):
    from lab import kinds
    out = a.keep or tempfile.mkdtemp(prefix="nettrace-live-")
    names = [kinds.DUMP + f for f in a.files] if a.files else a.kinds.split(",") if a.kinds else list(kinds.KINDS)
    todo = [(k, s) for s in range(a.first, a.first + a.seeds) for k in names]
    # Legacy tables stay registered in a namespace once they were touched, NAT's hooks with them: nft gets laboratories of its own.
    rounds = [[job for job in todo if (kinds.make(*job)["backend"] == "iptables-legacy") == legacy] for legacy in (False, True)]
    count, t0 = collections.Counter(), time.time()
    try:
        for result in itertools.chain.from_iterable(results_of(a, out, jobs) for jobs in rounds if jobs):
            tell(a, out, count, *result)
    except KeyboardInterrupt:
        print("ended early:")
    return summary(a, out, count, time.time() - t0)


def summary(a, out, count, seconds):
    print("%d cases, %d packets (%d cases refused by the kernel), %d packets differ, %d more explained, %d agree in an outcome behind the "
          "first, %.0f s, %.0f cases a minute" % (count["cases"], count["packets"], count["refused"], count["bad"], count["explained"],
                                                  count["later"], seconds, 60 * count["cases"] / max(seconds, 1)))
    if count["bad"]:
        print("they are in %s; reduce one: tests/kernel/live.py shrink KIND SEED --tool %s" % (out, a.tool))
    return 1 if count["bad"] else 0


# ---- shrinking ---------------------------------------------------------------------------------------------------------

def holds(lab, case, tool, follow_up):
    """The first difference of a case, None if it has none or cannot be loaded."""
    from lab import cases
    from lab.laboratory import LoadError
    with tempfile.TemporaryDirectory(prefix="nettrace-shrink-") as tmp:
        refused = len(lab.refused)
        try:
            cases.run_case(lab, dict(case), tmp, "c", seqprob=1.0 if follow_up else 0.0)
        except (LoadError, RuntimeError):
            return None
        if len(lab.refused) != refused:
            return None
        return next((f for f in differences(tool, os.path.join(tmp, "c")) if wrong(f[1])), None)


def lines_of(case):
    """What can be taken away: every line that is a rule, an element, a set or a chain of one's own."""
    found = []
    for part in ("v4", "v6", "nft", "ipset"):
        for i, line in enumerate((case.get(part) or "").split("\n")):
            s = line.strip()
            keep = ("*", "#", "COMMIT", "table ", "chain ", "type ", "}", "set ", "map ", "flags", "elements")
            if s and not s.startswith(keep) and not s.endswith("{") and not (s.startswith(":") and " - " not in s):
                found.append([(part, i)])
    return found


def blocks_of(case):
    """Whole chains, sets and maps of an nft ruleset, and whole tables of the others."""
    found, block = [], None
    for i, line in enumerate((case.get("nft") or "").split("\n")):
        s = line.strip()
        if s.startswith(("chain ", "set ", "map ")):
            block = []
        if block is not None:
            block.append(("nft", i))
            if s.endswith("}") and (s == "}" or block[0][1] == i):
                found.append(block)
                block = None
    for part in ("v4", "v6"):
        for i, line in enumerate((case.get(part) or "").split("\n")):
            if line.startswith("*"):
                block = []
            if block is not None:
                block.append((part, i))
                if line.startswith("COMMIT"):
                    found.append(block)
                    block = None
    return found


def without(case, gone):
    out = dict(case)
    for part in ("v4", "v6", "nft", "ipset"):
        if case.get(part):
            out[part] = "\n".join(x for i, x in enumerate(case[part].split("\n")) if (part, i) not in gone)
    return out


def shrink(a):
    from lab import kinds
    from lab.laboratory import Lab
    lab, case = Lab(), kinds.make(a.kind, a.seed)
    lab.load(case)  # takes out what the kernel refuses
    for follow_up in (False, True):
        for packet in case["packets"]:
            one = dict(case, packets=[packet])
            if holds(lab, one, a.tool, follow_up):
                return reduce(lab, one, a.tool, follow_up)
    print("no packet of %s-%05d differs by itself" % (a.kind, a.seed))
    return 0


def fewer_packets(lab, case, tool, follow_up):
    """A case without those packets of its one flow that the difference does not need."""
    flow = case["packets"][0]
    for packet in list(flow) if isinstance(flow, list) else []:
        rest = [p for p in flow if p is not packet]
        if rest and holds(lab, dict(case, packets=[rest]), tool, follow_up):
            flow = rest
    return dict(case, packets=[flow])


def reduce(lab, case, tool, follow_up):
    """ddmin: first over whole blocks, then over lines, in ever smaller portions."""
    case, gone = fewer_packets(lab, case, tool, follow_up), set()
    for left in (blocks_of(case), lines_of(case)):
        size = max(1, len(left) // 2)
        while left and size:
            before = len(gone)
            for k in range(0, len(left), size):
                trial = gone.union(*left[k:k + size])
                if trial != gone and holds(lab, without(case, trial), tool, follow_up):
                    gone = trial
            left = [u for u in left if not gone.issuperset(u)]
            size = size // 2 if size > 1 else int(len(gone) > before)
    small = without(case, gone)
    print("%d of %d lines are left" % (len(left), len(lines_of(case))))
    for part in ("ipset", "v4", "v6", "nft"):
        if small.get(part):
            print("--- %s\n%s" % (part, small[part].strip()))
    print("--- packet\n%s" % json.dumps(small["packets"][0]))
    print("--- difference\n%s: %s" % holds(lab, small, tool, follow_up))
    return 1


# ---- samples and golden cases --------------------------------------------------------------------------------------------

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


def pack(a):
    """Like files beside each other compress better: sorted by base name, the packets of a case together."""
    members = []
    for folder in a.cases:
        for base, _, files in os.walk(folder):
            for f in files:
                if f in ("ruleset.nft.json", "ruleset.handles.nft", "also.nft") or f.startswith("ruleset.counters"):
                    continue
                path = os.path.join(base, f)
                members.append((os.path.relpath(path, os.path.dirname(folder.rstrip("/"))), path))
    members.sort(key=lambda m: (os.path.basename(m[0]) if m[0].count("/") == 1 else "zz" + m[0].split("/")[1], m[0]))
    with tarfile.open(a.out, "w:xz", preset=9, format=tarfile.USTAR_FORMAT) as tar:
        for name, path in members:
            with open(path, "rb") as f:
                body = f.read()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o644
            tar.addfile(info, io.BytesIO(body))
    print("%d cases, %d bytes" % (len(a.cases), os.path.getsize(a.out)))
    return 0


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the workers end too, and what was found is told
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="command", required=True)
    for command, seeds in (("run", 10), ("dumps", 1)):
        p = sub.add_parser(command)
        p.add_argument("--tool", default="target/debug/nettrace")
        p.add_argument("--seeds", type=int, default=seeds)
        p.add_argument("--first", type=int, default=90000)
        p.add_argument("--jobs", type=int, default=6, help="cases at a time; most of a case is waiting for the kernel")
        p.add_argument("--keep", help="keep all case folders here")
        p.set_defaults(run=run, live=True, kinds=None, files=[])
        if command == "dumps":
            p.add_argument("files", nargs="+")
        else:
            p.add_argument("--kinds", help="by comma; all random ones if not given")
    p = sub.add_parser("shrink")
    p.add_argument("kind")
    p.add_argument("seed", type=int)
    p.add_argument("--tool", default="target/debug/nettrace")
    p.set_defaults(run=shrink, live=True)
    p = sub.add_parser("record")
    p.add_argument("bundle")
    p.add_argument("--variant")
    p.add_argument("--backend", default="iptables-legacy")
    p.set_defaults(run=record, live=True)
    p = sub.add_parser("pack")
    p.add_argument("out")
    p.add_argument("cases", nargs="+")
    p.set_defaults(run=pack, live=False)
    a = ap.parse_args()
    why = ready() if a.live else None
    if why:
        print("skipped: the comparison with the running kernel (%s)" % why)
        return SKIPPED
    return a.run(a)


if __name__ == "__main__":
    sys.exit(main())
