"""IPv6 packets with extension headers and fragments: hop-by-hop and destination options, routing of every kind; and the rules that
ask for them, in nft and ip6tables.
"""
import random

from .gen_packets import PORTS, gen_packet

# Protocol number and bytes of headers that a stack lets through; the first byte is filled in.
HEADERS = [(0, "00000104" + "00000000"), (0, "00011e06aabbccddeeff" + "010400000000"), (60, "00000104" + "00000000"), (60, "0000" + "000000000000"), (43, "00000400" + "00000000"),
           (43, "00020200" + "00000000" + "fd0000420000000000000000000000" + "59")]


def dress(r, p):
    """A packet with headers in front of layer 4, or a piece of one."""
    names = r.sample(HEADERS, r.choice([0, 1, 1, 1, 2, 3]))
    # Hop-by-hop options stand first.
    p["ext_headers"] = [{"header": h, "hex": x} for h, x in sorted(names, key=lambda n: n[0] != 0)]
    if len({h["header"] for h in p["ext_headers"]} & {0}) and sum(h["header"] == 0 for h in p["ext_headers"]) > 1:
        p["ext_headers"] = p["ext_headers"][1:]
    if p["origin"] != "node" and r.random() < .25:
        p["more_fragments"] = True  # the kernel's trace shows no header of a later fragment, so none is sent
    elif r.random() < .1:
        p["ext_headers"].append({"header": 44, "hex": "0000000000000007"})  # a whole packet that says it is a fragment
    p["length"] = r.choice([120, 160, 200])
    return p


def match(r, p):
    port = p.get("dport", 80)
    return r.choice(["exthdr %s %s" % (r.choice(["hbh", "dst", "rt", "frag"]), r.choice(["exists", "missing"])), "ip6 nexthdr %s" % r.choice(["tcp", "0", "44", "60", "!= 6", "{ 0, 43 }"]),
                     "frag more-fragments 1", "frag frag-off 1", "frag frag-off != 0", "frag nexthdr tcp", "frag id 1", "rt type %d" % r.choice([0, 2, 4]), "rt seg-left 0",
                     "hbh hdrlength %d" % r.choice([0, 1]), "dst nexthdr udp", "dst hdrlength 0", "meta l4proto %s" % r.choice(["tcp", "udp", "ipv6-icmp", "51", "44"]),
                     "tcp dport %d" % port, "udp dport %d" % port, "th dport %d" % port, "tcp flags syn", "meta length %s" % r.choice(["120", "> 150"]), "@th,16,16 %d" % port,
                     "@nh,320,8 %d" % r.choice([6, 17, 44]), "ct state %s" % r.choice(["new", "invalid", "untracked"]), "icmpv6 type echo-request",
                     "ip6 length %s" % r.choice(["80", "> 100"]), "@ih,0,16 0x4e54"])


def nft(r, packets, tracked):
    out = ["table ip6 ext {", "chain leaf {\n}", "}", "table ip6 ext {"]
    for i in range(r.randint(2, 5)):
        hook = r.choice(["prerouting", "prerouting", "input", "forward", "output", "postrouting"])
        out += ["chain c%d {" % i, "type filter hook %s priority %d;" % (hook, r.choice([-450, -300, -150, 0, 0, 10]))]
        for _ in range(r.randint(1, 6)):
            words = [match(r, r.choice(packets)) for _ in range(r.choice([1, 1, 2]))]
            words = [w for w in words if tracked or not w.startswith("ct ")]
            # nft leaves out of its listing what it takes for implied by a port.
            words = [w for w in words if len(words) == 1 or not w.startswith(("th ", "@th", "meta l4proto"))]
            out.append(" ".join(words + [r.choice(["counter", "counter", "accept", "drop", "jump leaf", "return", "meta mark set 0x%x" % r.randint(1, 9)])]))
        out.append("}")
    return "\n".join(out + ["chain leaf {", match(r, r.choice(packets)).replace("ct state", "meta mark 1 ip6 hoplimit > 1 comment") .split(" comment")[0] + " counter", "}", "}"]) + "\n"


def xt_match(r, p):
    return r.choice(["-m ipv6header %s--header %s%s" % (r.choice(["", "", "! "]), r.choice(["hop-by-hop", "dst", "route,dst", "frag", "hop-by-hop,prot", "prot", "auth", "dst,prot"]),
                                                      r.choice([" --soft", " --soft", ""])),
                     "-m frag " + r.choice(["--fragid 1", "--fragfirst", "--fragmore", "--fraglast", "--fragid 0:9", "! --fragid 7", "--fragmore --fragfirst"]),
                     "-m rt " + r.choice(["--rt-type 0", "--rt-type 4", "--rt-segsleft 0", "! --rt-type 2", "--rt-segsleft 1:5", "--rt-len 24"]),
                     "-m hbh " + r.choice(["--hbh-len 8", "--hbh-len 16", "! --hbh-len 8", "--hbh-opts 1:4", "--hbh-opts 1"]),
                     "-m dst " + r.choice(["--dst-len 8", "! --dst-len 16", "--dst-opts 1:4", "--dst-opts 0"]),
                     "-p tcp", "-p udp --dport %d" % p.get("dport", 53), "-p tcp --dport %d" % p.get("dport", 80),
                     "! -p tcp", "-p icmpv6", "-p 44", "-m length --length 120:160", "-p tcp --syn", "-m multiport -p udp --ports %d,%d" % (p.get("dport", 80), r.choice(PORTS))])


def iptables(r, packets, tracked):
    out = []
    for table, chains in (("raw", ["PREROUTING"]), ("mangle", ["PREROUTING", "POSTROUTING"]), ("filter", ["INPUT", "FORWARD", "OUTPUT"])):
        out.append("*" + table)
        for chain in chains:
            for _ in range(r.randint(0, 4)):
                words = xt_match(r, r.choice(packets)) + (" -m conntrack --ctstate %s" % r.choice(["NEW", "INVALID"]) if tracked and r.random() < .3 and table != "raw" else "")
                out.append("-A %s %s -j %s" % (chain, words, r.choice(["LOG", "LOG", "ACCEPT", "DROP", "RETURN"] + ["MARK --set-mark 0x%x" % r.randint(1, 9)] * (table == "mangle"))))
        out.append("COMMIT")
    return "\n".join(out) + "\n"


def generate(seed):
    r = random.Random("ext6-%d" % seed)
    packets = []
    for _ in range(r.randint(5, 8)):
        p = gen_packet(r, "ip6", plain=r.random() < .7)
        p["ttl"] = max(p["ttl"], 3)
        if p["proto"] == 47:  # whose header the recorder counts as payload
            p.update(proto="udp", sport=40000, dport=r.choice(PORTS))
        packets.append(dress(r, p))
    backend, tracked = r.choice(["nft", "nft", "iptables-nft", "iptables-legacy"]), r.random() < .5
    case = {"backend": backend, "packets": packets, "answers": 0}
    if backend == "nft":
        return dict(case, nft=nft(r, packets, tracked))
    return dict(case, v6=iptables(r, packets, tracked))
