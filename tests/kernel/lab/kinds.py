"""The kinds of cases, each a line of one table: what makes a case of it from a seed."""
import re

from . import gen_clock, gen_dump, gen_ext6, gen_iptables, gen_mixed, gen_nft, gen_route, gen_sets, gen_state, gen_wide, gen_zone, stories

KINDS = {
    "ipt-nft4": lambda seed: gen_iptables.generate(seed, "ip", "iptables-nft"),
    "ipt-nft6": lambda seed: gen_iptables.generate(seed, "ip6", "iptables-nft"),
    "ipt-leg4": lambda seed: gen_iptables.generate(seed, "ip", "iptables-legacy"),
    "ipt-leg6": lambda seed: gen_iptables.generate(seed, "ip6", "iptables-legacy"),
    "nft": lambda seed: gen_nft.generate(seed),
    "nftd": lambda seed: gen_nft.generate(seed, dense=True),
    "nft6": lambda seed: gen_nft.generate(seed, "ip6"),
    "bridge": lambda seed: gen_wide.generate(seed, "bridge"),
    "egress": lambda seed: gen_wide.generate(seed, "egress"),
    "wide": lambda seed: gen_wide.generate(seed, "wide"),
    "clock": gen_clock.generate,
    "route": gen_route.generate,
    "sets": gen_sets.generate,
    "zone": gen_zone.generate,
    "ext6": gen_ext6.generate,
    "mixed": gen_mixed.generate,
    "state": gen_state.generate,
}
# Not random: whole hosts by number, and not part of a run unless asked for.
STORIES = "story"
# A file's rules: `dump:PATH`.
DUMP = "dump:"

# Conditions that nft 1.0.6 leaves out of its listing.
UNLISTED = ("ct original l3proto ipv4 ", "ct reply l3proto ipv4 ", "ct l3proto ipv4 ", "meta protocol ip ", "meta iiftype ether ", "ether type vlan ")
UNLISTED_BEFORE_IP = re.compile(r"ether type ip (?=[^\n]*\bip )")
# Two neighbouring fields that must differ: nft 1.0.6 makes one comparison of them, which holds when either differs.
MERGED = re.compile(r"(ether saddr != \S+ (?:[^\n]* )?)ether type != \S+ |((?:tcp|udp|sctp|th) [sd]port != \d+ )(?:tcp|udp|sctp|th) [sd]port != \d+ ")
UNLISTED_BEFORE_RESET = re.compile(r"meta nfproto ipv[46] (meta l4proto tcp reject)")


def make(kind, seed):
    """The case of a kind with this seed, without conditions that no dump can tell."""
    if kind == STORIES:
        return stories.case(sorted(stories.STORIES)[seed % len(stories.STORIES)])
    case = gen_dump.case(kind.removeprefix(DUMP), seed) if kind.startswith(DUMP) else KINDS[kind](seed)
    if case["backend"] == "iptables-legacy":  # `! -i +` never matches, and iptables-legacy-save prints it as nothing
        for part in ("v4", "v6"):
            if case.get(part):
                case[part] = case[part].replace("! -i + ", "-i + ").replace("! -o + ", "-o + ")
    if case.get("nft"):
        case["nft"] = listable(case["nft"])
    return case


def listable(ruleset):
    """A ruleset without what nft leaves out of its listing or lists as something else."""
    for lost in UNLISTED:
        ruleset = ruleset.replace(lost, "")
    # Listed as one range with a neighbour.
    ruleset = ruleset.replace("ip6 length < 100", "ip6 length 0-99").replace("meta length > 60", "meta length 61-65535")
    ruleset = MERGED.sub(lambda m: m.group(1) or m.group(2), UNLISTED_BEFORE_IP.sub("", ruleset))
    ruleset = UNLISTED_BEFORE_RESET.sub(r"\1", ruleset)
    return re.sub(r"meta l4proto \S+ (?=tcp option)", "", ruleset)
