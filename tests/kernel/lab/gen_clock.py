"""Rules that ask for the clock: `-m time` and nft's `meta hour`, `meta day` and `meta time`, around the moment of the run.

A packet's file says when it was sent (`time`), so that nettrace answers for the same moment. Bounds stay two minutes away from now.
"""
import random
import time

from .gen_packets import gen_packet

DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


def moment(shift):
    return time.gmtime(time.time() + shift)


def shift(r):
    """Seconds from now, never close to it."""
    return r.choice([-1, 1]) * r.choice([120, 180, 1800, 7200, 20000, 40000, 80000])


def xt_match(r):
    begin, end = (time.strftime("%H:%M:%S", moment(shift(r))) for _ in range(2))
    since, until = (time.strftime("%Y-%m-%dT%H:%M:%S", moment(shift(r) * r.choice([1, 1, 9, 40]))) for _ in range(2))
    words = r.choice([["--timestart " + begin], ["--timestop " + end], ["--timestart " + begin, "--timestop " + end], ["--datestart " + since],
                      ["--datestop " + until], ["--datestart %s --datestop %s" % tuple(sorted([since, until]))], []])
    if "--timestart" in " ".join(words) and "--timestop" in " ".join(words) and begin != end and r.random() < .4:
        words.append("--contiguous")
    if r.random() < .5 or not words:
        days = r.sample(DAYS, r.randint(1, 5)) + ([time.strftime("%A", moment(0))] if r.random() < .5 else [])
        words.append(r.choice(["", "", "! "]) + "--weekdays " + ",".join(sorted({d[:2] for d in days})))
    elif r.random() < .5:
        words.append(r.choice(["", "", "! "]) + "--monthdays " + ",".join(
            str(d) for d in sorted(set(r.sample(range(1, 31), r.randint(1, 8)) + [moment(0).tm_mday] * r.randint(0, 1)))))
    return "-m time " + " ".join(words)


def nft_match(r):
    clock = lambda: time.strftime("%H:%M:%S", moment(shift(r)))  # noqa: E731
    stamp = lambda: time.strftime("%Y-%m-%d %H:%M:%S", moment(shift(r) * r.choice([1, 1, 9, 40])))  # noqa: E731
    today = time.strftime("%A", moment(0))
    a, b = sorted([clock(), clock()])
    s, t = sorted([stamp(), stamp()])
    days = sorted(set(r.sample(DAYS, r.randint(1, 3)) + [today] * r.randint(0, 1)))
    return r.choice(['meta hour "%s"-"%s"' % (a, b), 'meta hour != "%s"-"%s"' % (a, b), 'meta hour >= "%s"' % clock(), 'meta hour < "%s"' % clock(),
                     'meta day "%s"' % r.choice(DAYS + [today] * 3), 'meta day != "%s"' % r.choice([today, "Monday"]),
                     "meta day { %s }" % ", ".join('"%s"' % d for d in days), 'meta time > "%s"' % stamp(), 'meta time < "%s"' % stamp(),
                     'meta time "%s"-"%s"' % (s, t), 'meta hour "22:00"-"06:00"' if moment(0).tm_hour not in (5, 6, 21, 22) else 'meta day "Monday"'])


def iptables(r):
    out = []
    for table, chains in (("mangle", ["PREROUTING"]), ("filter", ["INPUT", "FORWARD", "OUTPUT"])):
        out += ["*" + table, ":LEAF - [0:0]"]
        for chain in chains + ["LEAF"]:
            for _ in range(r.randint(1, 4)):
                to = r.choice(["-j ACCEPT", "-j DROP", "-j RETURN", "-j MARK --set-mark 0x%x" % r.randint(1, 9), "", ""] + ["-j LEAF"] * (chain != "LEAF") * 2)
                out.append("-A %s %s %s" % (chain, " ".join([xt_match(r)] + ["-p tcp"] * (r.random() < .2)), to))
        out.append("COMMIT")
    return "\n".join(out) + "\n"


def nft(r):
    out = ["table inet clock {", "chain leaf {\n}", "}", "table inet clock {"]
    for i, hook in enumerate(["prerouting", "input", "forward", "output"]):
        out += ["chain c%d {" % i, "type filter hook %s priority 0;" % hook]
        for _ in range(r.randint(1, 4)):
            words = [nft_match(r)]
            other = nft_match(r)
            # nft lists two neighbouring comparisons as one range.
            if r.random() < .3 and not {"<", ">", ">="} & set(other.split()):
                words.append(other)
            out.append(" ".join(words + [r.choice(["accept", "drop", "counter", "counter", "return", "jump leaf", "meta mark set 0x5"])]))
        out.append("}")
    return "\n".join(out + ["chain leaf {", nft_match(r) + " counter", "}", "}"]) + "\n"


def generate(seed):
    r = random.Random("clock-%d" % seed)
    family = r.choice(["ip", "ip", "ip6"])
    packets = [gen_packet(r, family, plain=True) for _ in range(r.randint(3, 5))]
    backend = r.choice(["iptables-nft", "iptables-legacy", "nft", "nft"])
    case = {"backend": backend, "packets": packets, "clock": True}
    if backend == "nft":
        return dict(case, nft=nft(r))
    return dict(case, **{"v6" if family == "ip6" else "v4": iptables(r)})
