"""Whole hosts' nftables rulesets, as the programs that write them shape them, with the packets that matter there.

Random rulesets seldom build what firewalld, kube-proxy or OpenWrt build on purpose. Each function returns one case; its docstring is
the story. The hosts are the laboratory's own (a node with eth0, eth1 and a bridge cni0 with two pods).
"""

CLIENT, OTHER, EXT, POD1, POD2 = "192.168.1.50", "192.168.1.51", "172.16.5.2", "10.42.0.59", "10.42.0.60"
NODE, NODE2, ETH1, CNI = "192.168.1.201", "192.168.1.202", "172.16.5.1", "10.42.0.1"
CLIENT6, NODE6, POD6 = "fd00:1::50", "fd00:1::201", "fd00:42::59"


def packet(origin, src, dst, proto, **more):
    return {"family": "ip6" if ":" in src else "ip", "origin": origin, "saddr": src, "daddr": dst, "proto": proto, "ttl": 64, **more}


def tcp(origin, src, dst, dport, flags="syn", sport=40000, **more):
    return packet(origin, src, dst, "tcp", sport=sport, dport=dport, tcp_flags=flags.split(), **more)


def udp(origin, src, dst, dport, sport=40000, **more):
    return packet(origin, src, dst, "udp", sport=sport, dport=dport, **more)


def ping(origin, src, dst, **more):
    six = ":" in src
    return packet(origin, src, dst, "icmpv6" if six else "icmp", icmp_type=128 if six else 8, icmp_code=0, icmp_id=77, **more)


def talk(first):
    """A connection: the first packet, the answer of whoever gets it, and the next one."""
    later = dict(first)
    if first["proto"] == "tcp":
        later.update(tcp_flags=["ack"], seq=0x22220001, ack_seq=0x11110001)
    return [first, {"reply": True}, later]


def openwrt():
    """OpenWrt fw4: zones lan (cni0) and wan (eth0), a port forward with reflection, MSS clamping, SYN flood limit."""
    nft = """
table inet fw4 {
 chain handle_reject { meta l4proto tcp reject with tcp reset comment "!fw4: Reject TCP traffic"
  reject with icmpx type port-unreachable comment "!fw4: Reject any other traffic" }
 chain syn_flood { limit rate 25/second burst 50 packets return comment "!fw4: Accept SYN packets below rate-limit"
  drop comment "!fw4: Drop excess packets" }
 chain accept_from_lan { iifname "cni0" counter accept }
 chain accept_to_lan { oifname "cni0" counter accept }
 chain drop_to_wan { oifname { "eth0", "eth1" } counter drop }
 chain accept_to_wan { meta nfproto ipv4 oifname { "eth0", "eth1" } ct state invalid counter drop comment "!fw4: Prevent NAT leakage"
  oifname { "eth0", "eth1" } counter accept }
 chain reject_from_wan { iifname { "eth0", "eth1" } counter jump handle_reject }
 chain reject_to_wan { oifname { "eth0", "eth1" } counter jump handle_reject }
 chain input_lan { jump accept_from_lan }
 chain output_lan { jump accept_to_lan }
 chain forward_lan { jump accept_to_wan comment "!fw4: Accept lan to wan forwarding"
  jump accept_to_lan }
 chain input_wan {
  meta nfproto ipv4 udp dport 68 counter accept comment "!fw4: Allow-DHCP-Renew"
  icmp type echo-request counter accept comment "!fw4: Allow-Ping"
  meta nfproto ipv4 meta l4proto igmp counter accept comment "!fw4: Allow-IGMP"
  ip6 saddr fe80::/10 icmpv6 type . icmpv6 code { mld-listener-query . no-route, mld-listener-report . no-route } counter accept
  icmpv6 type { destination-unreachable, time-exceeded, echo-request, echo-reply, nd-router-solicit, nd-router-advert } limit rate 1000/second counter accept
  jump reject_from_wan }
 chain output_wan { jump accept_to_wan }
 chain forward_wan {
  icmpv6 type { echo-request, echo-reply } limit rate 1000/second counter accept comment "!fw4: Allow-ICMPv6-Forward"
  meta l4proto esp counter jump accept_to_lan comment "!fw4: Allow-IPSec-ESP"
  udp dport 500 counter jump accept_to_lan comment "!fw4: Allow-ISAKMP"
  jump reject_to_wan }
 chain input { type filter hook input priority filter; policy drop;
  iifname "lo" accept comment "!fw4: Accept traffic from loopback"
  ct state vmap { established : accept, related : accept } comment "!fw4: Handle inbound flows"
  tcp flags & (fin | syn | rst | ack) == syn jump syn_flood comment "!fw4: Rate limit TCP syn packets"
  iifname "cni0" jump input_lan comment "!fw4: Handle lan IPv4/IPv6 input traffic"
  iifname { "eth0", "eth1" } jump input_wan comment "!fw4: Handle wan IPv4/IPv6 input traffic"
  jump handle_reject }
 chain forward { type filter hook forward priority filter; policy drop;
  ct state vmap { established : accept, related : accept } comment "!fw4: Handle forwarded flows"
  ct status dnat accept comment "!fw4: Accept port redirections"
  iifname "cni0" jump forward_lan
  iifname { "eth0", "eth1" } jump forward_wan
  jump handle_reject }
 chain output { type filter hook output priority filter; policy accept;
  oifname "lo" accept
  ct state vmap { established : accept, related : accept }
  oifname "cni0" jump output_lan
  oifname { "eth0", "eth1" } jump output_wan }
 chain dstnat_lan { ip saddr 10.42.0.0/24 ip daddr 192.168.1.201 tcp dport 8080 dnat ip to 10.42.0.60:80 comment "!fw4: web (reflection)" }
 chain srcnat_lan { ip saddr 10.42.0.0/24 ip daddr 10.42.0.60 tcp dport 80 snat ip to 10.42.0.1 comment "!fw4: web (reflection)" }
 chain dstnat_wan { meta nfproto ipv4 tcp dport 8080 counter dnat ip to 10.42.0.60:80 comment "!fw4: web"
  meta nfproto ipv4 udp dport 5000-5010 counter dnat ip to 10.42.0.59:6000-6010 comment "!fw4: range" }
 chain srcnat_wan { meta nfproto ipv4 masquerade comment "!fw4: Masquerade IPv4 wan traffic" }
 chain dstnat { type nat hook prerouting priority dstnat; policy accept;
  iifname "cni0" jump dstnat_lan
  iifname { "eth0", "eth1" } jump dstnat_wan }
 chain srcnat { type nat hook postrouting priority srcnat; policy accept;
  oifname "cni0" jump srcnat_lan
  oifname { "eth0", "eth1" } jump srcnat_wan }
 chain raw_prerouting { type filter hook prerouting priority raw; policy accept; }
 chain mangle_postrouting { type filter hook postrouting priority mangle; policy accept;
  oifname { "eth0", "eth1" } tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu comment "!fw4: Zone wan egress MTU fixing" }
 chain mangle_forward { type filter hook forward priority mangle; policy accept;
  iifname { "eth0", "eth1" } tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu }
}
"""
    return nft, [talk(tcp("client", CLIENT, NODE, 8080)), talk(tcp("pod1", POD1, NODE, 8080)), tcp("client", CLIENT, NODE, 22),
                 ping("client", CLIENT, NODE), udp("client", CLIENT, NODE, 5004), udp("client", CLIENT, NODE, 4999),
                 talk(tcp("pod1", POD1, "8.8.8.8", 443)), tcp("pod1", POD1, "8.8.8.8", 443, "fin ack"), udp("client", CLIENT, POD1, 500),
                 tcp("client", CLIENT, POD1, 80), tcp("pod1", POD1, NODE, 22), talk(udp("node", NODE, "8.8.8.8", 53)),
                 ping("client", CLIENT6, NODE6), tcp("client", CLIENT6, POD6, 80), ping("client", CLIENT6, POD6),
                 tcp("node", NODE, "8.8.8.8", 80, "rst"), tcp("node", "127.0.0.1", "127.0.0.1", 80), udp("ext", EXT, NODE, 68)]


def firewalld_policies():
    """firewalld 1.x: zones by source and device, a policy between zones, rich rules, masquerade in the external zone."""
    nft = """
table inet firewalld {
 ct helper helper-ftp-tcp { type "ftp" protocol tcp; l3proto inet; }
 set ipsetbad { type ipv4_addr; flags interval; elements = { 203.0.113.0/24, 8.8.8.8 } }
 chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; jump mangle_PREROUTING_ZONES }
 chain mangle_PREROUTING_ZONES { ip saddr 10.99.0.0/16 goto mangle_PRE_trusted
  iifname "eth0" goto mangle_PRE_public
  goto mangle_PRE_public }
 chain mangle_PRE_trusted { }
 chain mangle_PRE_public { tcp dport 31002 mark set mark and 0xffffffff or 0x10 }
 chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept; jump nat_PREROUTING_POLICIES
  iifname "eth0" goto nat_PRE_public }
 chain nat_PREROUTING_POLICIES { iifname "eth0" jump nat_PRE_policy_in
  return }
 chain nat_PRE_policy_in { ip saddr != 192.168.1.51 meta nfproto ipv4 tcp dport 2222 dnat ip to 10.42.0.59:22
  return }
 chain nat_PRE_public { meta mark 0x10 meta l4proto tcp dnat ip to 10.42.0.60:8080 }
 chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; oifname "eth1" goto nat_POST_external
  oifname "cni0" goto nat_POST_public }
 chain nat_POST_external { meta nfproto ipv4 oifname != "lo" masquerade }
 chain nat_POST_public { }
 chain nat_OUTPUT { type nat hook output priority -90; policy accept; jump nat_OUTPUT_POLICIES }
 chain nat_OUTPUT_POLICIES { oifname "lo" tcp dport 2222 dnat ip to 10.42.0.59:22 }
 chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept;
  icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
  meta nfproto ipv6 fib saddr . mark . iif oif missing drop }
 chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  jump filter_INPUT_ZONES
  reject with icmpx type admin-prohibited }
 chain filter_INPUT_ZONES { ip saddr 10.99.0.0/16 goto filter_IN_trusted
  ip saddr @ipsetbad goto filter_IN_drop
  iifname "eth0" goto filter_IN_public
  iifname "cni0" goto filter_IN_internal
  goto filter_IN_public }
 chain filter_IN_trusted { accept }
 chain filter_IN_drop { drop }
 chain filter_IN_public { jump filter_IN_public_pre
  jump filter_IN_public_deny
  jump filter_IN_public_allow
  meta l4proto { icmp, ipv6-icmp } accept
  reject with icmpx type admin-prohibited }
 chain filter_IN_public_pre { ip saddr 192.168.1.51 tcp dport 22 log prefix "ssh: " limit rate 3/minute drop }
 chain filter_IN_public_deny { icmp type timestamp-request drop }
 chain filter_IN_public_allow { tcp dport 22 accept
  ip6 daddr fe80::/64 udp dport 546 accept
  tcp dport 21 ct helper set "helper-ftp-tcp"
  tcp dport 21 accept }
 chain filter_IN_internal { udp dport 53 accept
  tcp dport 53 accept
  reject with icmpx type admin-prohibited }
 chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24 } reject with icmpv6 type addr-unreachable
  jump filter_FORWARD_POLICIES
  reject with icmpx type admin-prohibited }
 chain filter_FORWARD_POLICIES { iifname "cni0" oifname "eth1" goto filter_FWD_out
  iifname "eth0" oifname { "eth1", "cni0" } jump filter_FWD_half
  iifname "cni0" goto filter_FWD_internal
  reject with icmpx type admin-prohibited }
 chain filter_FWD_out { accept }
 chain filter_FWD_half { tcp dport 443 accept
  return }
 chain filter_FWD_internal { oifname "cni0" accept
  reject with icmpx type host-unreachable }
 chain filter_OUTPUT { type filter hook output priority filter + 10; policy accept;
  ct state { established, related } accept
  oifname "lo" accept
  ip6 daddr { ::/96, 2002::/24 } reject with icmpv6 type addr-unreachable
  ip daddr 1.1.1.1 tcp dport 25 reject with tcp reset }
}
"""
    return nft, [tcp("client", CLIENT, NODE, 22), tcp("client", OTHER, NODE, 22), talk(tcp("client", CLIENT, NODE, 2222)),
                 tcp("client", OTHER, NODE, 2222), talk(tcp("client", CLIENT, NODE, 31002)), tcp("client", "10.99.1.7", NODE, 9999),
                 tcp("client", "8.8.8.8", NODE, 22), tcp("client", CLIENT, NODE, 21), tcp("client", CLIENT, NODE, 23),
                 talk(tcp("pod1", POD1, EXT, 80)), tcp("pod1", POD1, "8.8.8.8", 80), tcp("client", CLIENT, EXT, 443),
                 tcp("client", CLIENT, EXT, 80), udp("pod2", POD2, CNI, 53), udp("pod2", POD2, CNI, 54), tcp("node", NODE, "1.1.1.1", 25),
                 packet("client", CLIENT, NODE, "icmp", icmp_type=13, icmp_code=0, icmp_id=77), tcp("node", "127.0.0.1", "127.0.0.1", 2222),
                 tcp("client", CLIENT6, NODE6, 22), tcp("client", "2001:db8::8", POD6, 443), tcp("ext", "2001:db8::8", NODE6, 22),
                 tcp("client", CLIENT, NODE, 22, "fin psh urg"), tcp("pod1", POD1, POD2, 80)]


def docker():
    """Docker's nftables backend: published ports, isolation between bridges, no access to a container's port from outside by route."""
    nft = """
table ip docker-bridges {
 map filter-forward-in-jumps { type ifname : verdict; elements = { "cni0" : jump filter-forward-in__cni0 } }
 map filter-forward-out-jumps { type ifname : verdict; elements = { "cni0" : jump filter-forward-out__cni0 } }
 map nat-postrouting-in-jumps { type ifname : verdict; elements = { "cni0" : jump nat-postrouting-in__cni0 } }
 map nat-postrouting-out-jumps { type ifname : verdict; elements = { "cni0" : jump nat-postrouting-out__cni0 } }
 chain filter-forward-in__cni0 { ct state established,related counter accept
  iifname "cni0" counter accept comment "ICC"
  ip daddr 10.42.0.59 tcp dport 80 counter accept comment "web"
  ip daddr 10.42.0.60 udp dport 53 counter accept
  counter drop comment "UNPUBLISHED PORT DROP" }
 chain filter-forward-out__cni0 { ct state established,related counter accept
  counter accept comment "OUTGOING" }
 chain nat-postrouting-in__cni0 { }
 chain nat-postrouting-out__cni0 { oifname != "cni0" ip saddr 10.42.0.0/24 counter masquerade comment "MASQUERADE" }
 chain nat-prerouting-and-output { ip daddr != 127.0.0.0/8 tcp dport 8080 counter dnat to 10.42.0.59:80 comment "DNAT"
  udp dport 5353 counter dnat to 10.42.0.60:53 }
 chain raw-PREROUTING { type filter hook prerouting priority raw; policy accept;
  iifname != "cni0" ip daddr 10.42.0.60 counter drop comment "DROP DIRECT ACCESS"
  iifname != { "lo", "eth0" } ip daddr 127.0.0.1 tcp dport 9153 counter drop }
 chain filter-FORWARD { type filter hook forward priority filter; policy accept;
  oifname vmap @filter-forward-in-jumps
  iifname vmap @filter-forward-out-jumps }
 chain nat-OUTPUT { type nat hook output priority -100; policy accept;
  ip daddr != 127.0.0.0/8 fib daddr type local counter jump nat-prerouting-and-output }
 chain nat-POSTROUTING { type nat hook postrouting priority srcnat; policy accept;
  iifname vmap @nat-postrouting-out-jumps
  oifname vmap @nat-postrouting-in-jumps
  ip saddr 10.42.0.0/24 oifname != "cni0" masquerade }
 chain nat-PREROUTING { type nat hook prerouting priority dstnat; policy accept;
  fib daddr type local counter jump nat-prerouting-and-output }
}
table ip filter { chain DOCKER-USER { ip saddr 192.168.1.51 drop
  return }
 chain FORWARD { type filter hook forward priority filter; policy drop;
  counter jump DOCKER-USER
  ct state established accept
  meta mark and 0x1 == 0x1 accept
  oifname "cni0" accept
  iifname "cni0" accept } }
"""
    return nft, [talk(tcp("client", CLIENT, NODE, 8080)), tcp("client", OTHER, NODE, 8080), tcp("client", CLIENT, POD2, 80),
                 tcp("client", CLIENT, POD1, 80), tcp("client", CLIENT, POD1, 81), talk(tcp("pod2", POD2, NODE, 8080)),
                 tcp("pod1", POD1, NODE, 8080), talk(udp("client", CLIENT, NODE, 5353)), talk(tcp("pod1", POD1, "8.8.8.8", 443)),
                 tcp("node", NODE, NODE, 8080), tcp("node", "127.0.0.1", "127.0.0.1", 8080), tcp("pod1", POD1, POD2, 80),
                 tcp("node", CNI, POD1, 80), tcp("client", CLIENT, EXT, 80), talk(ping("pod1", POD1, EXT)),
                 tcp("client", CLIENT, CNI, 8080), tcp("ext", EXT, NODE2, 8080)]


def netavark():
    """podman's netavark: a network of its own, a published port by hostport maps, marks for masquerading."""
    nft = """
table inet netavark {
 chain INPUT { type filter hook input priority filter; policy accept;
  ip saddr 10.42.0.0/24 meta l4proto { tcp, udp } th dport 53 accept }
 chain FORWARD { type filter hook forward priority filter; policy accept;
  ct state invalid drop
  jump NETAVARK-ISOLATION-1
  ip daddr 10.42.0.0/24 ct state established,related accept
  ip saddr 10.42.0.0/24 accept }
 chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept;
  meta mark & 0x00002000 == 0x00002000 masquerade
  ip saddr 10.42.0.0/24 jump nv_2f259bab_10_42_0_0_nm24 }
 chain PREROUTING { type nat hook prerouting priority dstnat; policy accept;
  fib daddr type local jump NETAVARK-HOSTPORT-DNAT }
 chain OUTPUT { type nat hook output priority -100; policy accept;
  fib daddr type local jump NETAVARK-HOSTPORT-DNAT }
 chain NETAVARK-HOSTPORT-DNAT {
  tcp dport 8000-8099 jump nv_2f259bab_10_42_0_0_nm24_dnat
  udp dport 514 jump nv_2f259bab_10_42_0_0_nm24_dnat }
 chain NETAVARK-HOSTPORT-SETMARK { meta mark set meta mark | 0x00002000 }
 chain NETAVARK-ISOLATION-1 { iifname "cni0" oifname != "cni0" jump NETAVARK-ISOLATION-2 }
 chain NETAVARK-ISOLATION-2 { oifname "eth1" drop }
 chain NETAVARK-ISOLATION-3 { oifname "cni0" drop
  jump NETAVARK-ISOLATION-2 }
 chain nv_2f259bab_10_42_0_0_nm24 { ip daddr 10.42.0.0/24 accept
  ip daddr != 224.0.0.0/4 masquerade }
 chain nv_2f259bab_10_42_0_0_nm24_dnat {
  ip saddr 10.42.0.0/24 ip daddr 192.168.1.201 tcp dport 8000-8099 jump NETAVARK-HOSTPORT-SETMARK
  ip saddr 127.0.0.1 tcp dport 8000-8099 jump NETAVARK-HOSTPORT-SETMARK
  tcp dport 8000-8099 dnat ip to 10.42.0.59:8000-8099
  udp dport 514 dnat ip to 10.42.0.60:514 }
}
"""
    return nft, [talk(tcp("client", CLIENT, NODE, 8042)), talk(tcp("pod2", POD2, NODE, 8000)), talk(tcp("pod1", POD1, NODE, 8001)),
                 tcp("node", "127.0.0.1", "127.0.0.1", 8080), tcp("node", NODE, NODE, 8080), udp("client", CLIENT, NODE, 514),
                 tcp("pod1", POD1, EXT, 80), talk(tcp("pod1", POD1, "8.8.8.8", 80)), udp("pod1", POD1, CNI, 53),
                 udp("pod1", POD1, "224.0.0.251", 5353), tcp("client", CLIENT, POD1, 80, "syn ack"), tcp("client", CLIENT, NODE, 8100)], {"route_localnet": 1}


def kube_proxy():
    """kube-proxy in nftables mode: ClusterIP, NodePort with externalTrafficPolicy Local and Cluster, affinity, no endpoints, firewall."""
    nft = """
table ip kube-proxy {
 set cluster-ips { type ipv4_addr; elements = { 10.43.0.1, 10.43.0.10, 10.43.12.34, 10.43.9.9 } }
 set nodeport-ips { type ipv4_addr; elements = { 192.168.1.201 } }
 set affinity-A { type ipv4_addr; flags dynamic,timeout; timeout 3h; }
 set affinity-B { type ipv4_addr; flags dynamic,timeout; timeout 3h; elements = { 192.168.1.51 timeout 3h expires 2h } }
 map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict;
  elements = { 10.43.9.9 . tcp . 80 : goto reject-chain } }
 map no-endpoint-nodeports { type inet_proto . inet_service : verdict; elements = { tcp . 30999 : goto reject-chain } }
 map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.43.0.1 . tcp . 443 : goto firewall-A } }
 map service-ips { type ipv4_addr . inet_proto . inet_service : verdict;
  elements = { 10.43.0.10 . udp . 53 : goto service-dns, 10.43.12.34 . tcp . 80 : goto service-web, 10.43.0.1 . tcp . 443 : goto service-aff } }
 map service-nodeports { type inet_proto . inet_service : verdict;
  elements = { tcp . 31002 : goto external-web, tcp . 30080 : goto external-local } }
 chain reject-chain { reject }
 chain mark-for-masquerade { meta mark set meta mark | 0x00004000 }
 chain masquerading { meta mark & 0x00004000 == 0x00000000 return
  meta mark set meta mark ^ 0x00004000
  masquerade fully-random }
 chain cluster-ips-check { ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
  ip daddr { 10.43.0.0/16 } drop comment "Drop traffic to unallocated ClusterIPs" }
 chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports }
 chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services }
 chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips }
 chain firewall-A { ip saddr { 192.168.1.0/24, 10.42.0.0/24 } return
  drop }
 chain services { ip daddr . meta l4proto . th dport vmap @service-ips
  ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports }
 chain service-dns { ip daddr 10.43.0.10 udp dport 53 ip saddr != 10.42.0.0/16 jump mark-for-masquerade
  numgen random mod 1 vmap { 0 : goto endpoint-dns-1 } }
 chain endpoint-dns-1 { ip saddr 10.42.0.59 jump mark-for-masquerade
  meta l4proto udp dnat to 10.42.0.59:53 }
 chain service-web { ip daddr 10.43.12.34 tcp dport 80 ip saddr != 10.42.0.0/16 jump mark-for-masquerade
  numgen random mod 2 vmap { 0 : goto endpoint-web-1, 1 : goto endpoint-web-2 } }
 chain endpoint-web-1 { ip saddr 10.42.0.59 jump mark-for-masquerade
  meta l4proto tcp dnat to 10.42.0.59:8080 }
 chain endpoint-web-2 { ip saddr 10.42.0.60 jump mark-for-masquerade
  meta l4proto tcp dnat to 10.42.0.60:8080 }
 chain external-web { jump mark-for-masquerade
  goto endpoint-web-2 }
 chain external-local { ip saddr 10.42.0.0/16 goto service-web comment "short-circuit pod traffic"
  fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"
  fib saddr type local goto endpoint-web-1 comment "short-circuit local traffic"
  meta l4proto tcp dnat to 10.42.0.60:9090 }
 chain service-aff { ip daddr 10.43.0.1 tcp dport 443 ip saddr != 10.42.0.0/16 jump mark-for-masquerade
  ip saddr @affinity-A goto endpoint-aff-1
  ip saddr @affinity-B goto endpoint-aff-2
  numgen random mod 1 vmap { 0 : goto endpoint-aff-1 } }
 chain endpoint-aff-1 { ip saddr 10.42.0.59 jump mark-for-masquerade
  update @affinity-A { ip saddr } meta l4proto tcp dnat to 10.42.0.59:6443 }
 chain endpoint-aff-2 { ip saddr 10.42.0.60 jump mark-for-masquerade
  update @affinity-B { ip saddr } meta l4proto tcp dnat to 10.42.0.60:6443 }
 chain filter-prerouting { type filter hook prerouting priority dstnat - 10; policy accept;
  ct state new jump firewall-check }
 chain filter-input { type filter hook input priority -110; policy accept;
  ct state new jump nodeport-endpoints-check
  ct state new jump service-endpoints-check }
 chain filter-forward { type filter hook forward priority -110; policy accept;
  ct state new jump service-endpoints-check
  ct state new jump cluster-ips-check }
 chain filter-output { type filter hook output priority -110; policy accept;
  ct state new jump service-endpoints-check
  ct state new jump firewall-check }
 chain filter-output-post-dnat { type filter hook output priority -90; policy accept;
  ct state new jump cluster-ips-check }
 chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept;
  jump services }
 chain nat-output { type nat hook output priority -100; policy accept;
  jump services }
 chain nat-postrouting { type nat hook postrouting priority srcnat; policy accept;
  jump masquerading }
}
"""
    return nft, [talk(tcp("client", CLIENT, NODE, 31002)), talk(tcp("client", CLIENT, NODE, 30080)), tcp("pod1", POD1, NODE, 31002),
                 tcp("node", NODE, NODE, 30080), tcp("node", NODE, NODE, 31002), talk(udp("pod1", POD1, "10.43.0.10", 53)),
                 talk(udp("client", CLIENT, "10.43.0.10", 53)), tcp("pod1", POD1, "10.43.0.10", 54), tcp("pod1", POD1, "10.43.200.1", 80),
                 tcp("pod1", POD1, "10.43.9.9", 80), tcp("client", CLIENT, NODE, 30999), tcp("pod2", POD2, "10.43.0.1", 443),
                 tcp("client", OTHER, "10.43.0.1", 443), tcp("ext", EXT, "10.43.0.1", 443), tcp("node", NODE, "10.43.9.9", 80),
                 tcp("node", NODE, "10.43.0.1", 443), tcp("client", CLIENT, NODE2, 31002), tcp("node", NODE, "10.43.0.10", 54)]


def ufw():
    """ufw over iptables-nft, as `nft list` shows the tables: user chains, before and after rules, limits."""
    nft = """
table ip filter {
 chain ufw-not-local { fib daddr type local counter return
  fib daddr type multicast counter return
  fib daddr type broadcast counter return
  limit rate 3/minute burst 10 packets counter jump ufw-logging-deny
  counter drop }
 chain ufw-logging-deny { ct state invalid limit rate 3/minute burst 10 packets counter return
  limit rate 3/minute burst 10 packets counter log prefix "[UFW BLOCK] " }
 chain ufw-skip-to-policy-input { counter drop }
 chain ufw-user-limit { limit rate 3/minute counter log prefix "[UFW LIMIT BLOCK] "
  counter reject }
 chain ufw-user-limit-accept { counter accept }
 set recent22 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 30s; }
 chain ufw-user-input { tcp dport 80 counter accept
  ip saddr 192.168.1.0/24 udp dport 53 counter accept
  tcp dport 22 ct state new add @recent22 { ip saddr limit rate over 2/minute burst 2 packets } counter jump ufw-user-limit
  tcp dport 22 counter jump ufw-user-limit-accept
  ip saddr 192.168.1.51 counter reject }
 chain ufw-before-input { iifname "lo" counter accept
  ct state related,established counter accept
  ct state invalid counter jump ufw-logging-deny
  ct state invalid counter drop
  icmp type destination-unreachable counter accept
  icmp type echo-request counter accept
  udp sport 67 udp dport 68 counter accept
  counter jump ufw-not-local
  ip daddr 224.0.0.251 udp dport 5353 counter accept
  counter jump ufw-user-input }
 chain ufw-after-input { udp dport { 137, 138 } counter jump ufw-skip-to-policy-input
  fib daddr type broadcast counter jump ufw-skip-to-policy-input }
 chain ufw-after-logging-input { limit rate 3/minute burst 10 packets counter log prefix "[UFW BLOCK] " }
 chain INPUT { type filter hook input priority filter; policy drop;
  counter jump ufw-before-input
  counter jump ufw-after-input
  counter jump ufw-after-logging-input }
 chain OUTPUT { type filter hook output priority filter; policy accept;
  oifname "lo" counter accept
  ct state established,related counter accept
  meta skuid 33 ip daddr != 10.0.0.0/8 tcp dport 25 counter reject
  ip daddr 198.51.100.0/24 counter drop }
}
"""
    ssh = tcp("client", CLIENT, NODE, 22)
    return nft, [tcp("client", CLIENT, NODE, 80), udp("client", CLIENT, NODE, 53), udp("ext", EXT, NODE, 53),
                 [ssh, dict(ssh, sport=40001), dict(ssh, sport=40002), dict(ssh, sport=40003)], tcp("client", OTHER, NODE, 443),
                 udp("client", CLIENT, "192.168.1.255", 137), udp("client", CLIENT, NODE, 137), udp("client", CLIENT, "224.0.0.1", 5353),
                 tcp("client", CLIENT, NODE, 80, "fin"), ping("client", CLIENT, NODE), tcp("node", "192.168.1.201", "8.8.8.8", 25, uid=33),
                 tcp("node", CNI, POD1, 25, uid=33), tcp("node", NODE, "8.8.8.8", 25), talk(tcp("node", NODE, "8.8.8.8", 443)),
                 udp("client", CLIENT, "255.255.255.255", 68, sport=67), tcp("client", CLIENT, CNI, 81)]


def guard():
    """sshguard and friends: sets with timeouts, an ingress filter of a device, dynamic sets that ban, a quota and counters."""
    nft = """
table netdev early {
 set bogons { type ipv4_addr; flags interval; auto-merge; elements = { 10.99.0.0/16, 203.0.113.0/24, 100.64.0.0/10 } }
 chain in { type filter hook ingress device eth0 priority -500; policy accept;
  ip saddr @bogons counter drop
  ip frag-off & 0x1fff != 0 counter drop
  tcp flags & (fin|syn) == (fin|syn) counter drop
  ip protocol icmp icmp type redirect drop
  meta protocol ip6 ip6 saddr 2001:db8::/32 udp dport 53 drop
  tcp flags syn tcp option maxseg size 1-535 drop
  udp sport 53 udp length < 20 drop }
}
table inet sshguard {
 set attackers { type ipv4_addr; flags interval,timeout; elements = { 192.168.1.51 timeout 1h expires 59m, 8.8.0.0/16 timeout 1d expires 2h } }
 set attackers6 { type ipv6_addr; flags interval; elements = { 2001:db8::/32 } }
 set ban { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 10m; size 1000; }
 set seen { type ipv4_addr; flags dynamic; size 1000; }
 counter hits { packets 0 bytes 0 }
 quota lots { over 1 mbytes }
 chain blacklist { type filter hook input priority filter - 10; policy accept;
  ip saddr @attackers drop
  ip6 saddr @attackers6 drop
  ip saddr . tcp dport @ban drop
  tcp dport { 23, 2323 } add @ban { ip saddr . 22 } counter name hits drop
  tcp dport 8080 add @seen { ip saddr } ip saddr @seen tcp dport 8080 meta mark set 0x8
  quota name "lots" drop
  meta mark 0x8 reject with icmp type admin-prohibited }
 chain input { type filter hook input priority filter; policy drop;
  ct state vmap { invalid : drop, established : accept, related : accept }
  tcp dport vmap { 22 : accept, 80-443 : jump web }
  meta l4proto { icmp, icmpv6 } limit rate 10/second accept }
 chain web { tcp dport { 80, 443 } accept
  ct state new log prefix "odd " group 2 drop }
}
"""
    scan = tcp("client", CLIENT, NODE, 23)
    return nft, [tcp("client", CLIENT, NODE, 22), tcp("client", OTHER, NODE, 22), tcp("client", "8.8.8.8", NODE, 22),
                 [scan, tcp("client", CLIENT, NODE, 22), tcp("client", "192.168.1.60", NODE, 22)], tcp("client", "10.99.1.7", NODE, 22),
                 tcp("client", CLIENT, NODE, 22, "syn fin"), tcp("client", "2001:db8::8", NODE6, 22), udp("client", "2001:db8::8", NODE6, 53),
                 tcp("client", CLIENT6, NODE6, 443), tcp("client", CLIENT, NODE, 100), tcp("client", CLIENT, NODE, 8080),
                 tcp("client", CLIENT, NODE, 444), packet("client", CLIENT, NODE, "icmp", icmp_type=5, icmp_code=0, icmp_id=7),
                 ping("client", CLIENT, NODE), udp("client", CLIENT, NODE, 999, sport=53), tcp("client", CLIENT, NODE, 22, "ack"),
                 tcp("pod1", POD1, NODE, 80)]


def hairpin():
    """Maps for everything: dnat by address and port, snat by destination, hairpin masquerade, connection marks saved and restored."""
    nft = """
table ip nat {
 map forwards { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags interval;
  elements = { 192.168.1.201 . 80 : 10.42.0.59 . 8080, 192.168.1.202 . 1000-2000 : 10.42.0.60 . 9000 } }
 map onetoone { type ipv4_addr : ipv4_addr; elements = { 192.168.1.202 : 10.42.0.60 } }
 map backends { type inet_service : ipv4_addr; elements = { 8000 : 10.42.0.59, 8001 : 10.42.0.60 } }
 map out { type ipv4_addr : ipv4_addr; flags interval; elements = { 10.42.0.0/26 : 192.168.1.202 } }
 chain prerouting { type nat hook prerouting priority dstnat; policy accept;
  dnat ip to ip daddr . tcp dport map @forwards
  fib daddr type local dnat to tcp dport map @backends
  meta l4proto icmp dnat to ip daddr map @onetoone
  tcp dport 7000 dnat to jhash ip saddr mod 2 map { 0 : 10.42.0.59, 1 : 10.42.0.60 }
  ip daddr 10.43.12.0/24 dnat ip prefix to ip daddr map { 10.43.12.0/24 : 10.42.0.0/24 } }
 chain output { type nat hook output priority -100; policy accept;
  oifname "lo" dnat ip to ip daddr . tcp dport map @forwards }
 chain postrouting { type nat hook postrouting priority srcnat; policy accept;
  iifname "cni0" oifname "cni0" ct status dnat masquerade
  snat to ip daddr map { 172.16.5.2 : 172.16.5.1, 8.8.8.8 : 192.168.1.202 }
  ip saddr 10.42.0.59 oifname "eth0" meta l4proto tcp snat to 192.168.1.202:10000-10000
  oifname "eth0" ip saddr 10.42.0.0/24 masquerade }
}
table inet mangle {
 chain pre { type filter hook prerouting priority mangle; policy accept;
  ct mark != 0 meta mark set ct mark
  meta mark != 0 accept
  ct state new iifname "eth0" meta mark set 0x21
  ct state new iifname "eth1" meta mark set 0x22
  tcp dport 7000 meta mark set meta mark and 0xffffff00 or 0x42
  ct mark set meta mark }
 chain out { type route hook output priority mangle; policy accept;
  ct mark and 0xff != 0 meta mark set ct mark and 0xff
  meta skuid 1000 meta mark set 0x100 ct mark set meta mark }
 chain post { type filter hook postrouting priority 300; policy accept;
  ct mark set ct mark or 0x1000
  meta mark 0x21 ip dscp set af11 }
}
"""
    return nft, [talk(tcp("client", CLIENT, NODE, 80)), talk(tcp("client", CLIENT, NODE2, 1500)), tcp("client", CLIENT, NODE2, 2001),
                 talk(tcp("pod1", POD1, NODE, 80)), talk(tcp("pod2", POD2, NODE, 80)), talk(tcp("client", CLIENT, NODE, 8001)),
                 talk(ping("client", CLIENT, NODE2)), tcp("client", CLIENT, "10.43.12.60", 80), talk(tcp("pod1", POD1, EXT, 80)),
                 tcp("pod1", POD1, "8.8.8.8", 80), tcp("pod1", POD1, "1.1.1.1", 80), tcp("pod2", POD2, "1.1.1.1", 80),
                 tcp("node", NODE, NODE, 80), tcp("node", "127.0.0.1", "127.0.0.1", 80), talk(tcp("node", NODE, "8.8.8.8", 443, uid=1000)),
                 tcp("ext", EXT, NODE, 80), tcp("ext", EXT, NODE, 7000), tcp("client", CLIENT, NODE, 7000), tcp("client", OTHER, NODE, 7000),
                 tcp("client", "192.168.1.60", NODE, 7000)], {"fwmark_rule": 1}


def dual_stack():
    """A hand-written dual-stack router: th dport, fib checks, icmp types, raw notrack, reject by family, anonymous chains."""
    nft = """
table inet router {
 set svc { typeof meta l4proto . th dport; elements = { tcp . 22, udp . 53, tcp . 53, tcp . 443 } }
 set lan { typeof iifname; elements = { "cni0", "lo" } }
 chain raw { type filter hook prerouting priority raw; policy accept;
  fib saddr . iif oif missing counter drop
  iifname "eth0" ip saddr 10.42.0.0/16 drop
  meta l4proto { tcp, udp } th dport 53 notrack
  udp sport 53 notrack
  ip6 hoplimit < 2 drop }
 chain rawout { type filter hook output priority raw; policy accept;
  meta l4proto udp udp sport 53 notrack
  ip6 nexthdr icmpv6 icmpv6 type != { nd-neighbor-solicit, nd-neighbor-advert } counter }
 chain input { type filter hook input priority filter; policy drop;
  iif lo accept
  ct state vmap { established : accept, related : accept, invalid : jump bad, untracked : jump loose }
  meta l4proto . th dport @svc accept
  ip protocol icmp icmp type { echo-request, parameter-problem } ip ttl > 1 accept
  ip6 nexthdr icmpv6 accept
  meta nfproto vmap { ipv4 : jump in4, ipv6 : goto in6 }
  counter comment "never after goto" }
 chain loose { meta l4proto . th dport @svc accept }
 chain bad { counter log level debug drop }
 chain in4 { ip daddr { 192.168.1.255, 255.255.255.255 } return
  ip daddr . ip protocol . th dport { 192.168.1.202 . tcp . 8000-9000, 192.168.1.0/24 . udp . 67 } accept
  reject with icmpx type host-unreachable }
 chain in6 { ip6 daddr & ffff:ffff:ffff:ffff:: == fd00:1:: tcp dport >= 8000 accept
  ip6 saddr fd00::/8 reject with icmpv6 type admin-prohibited
  reject }
 chain forward { type filter hook forward priority filter; policy drop;
  meta iifname @lan accept
  iifname . oifname vmap { "eth0" . "cni0" : jump to_lan, "eth1" . "cni0" : jump to_lan, "eth0" . "eth1" : goto no }
  meta l4proto tcp ct original proto-dst 8443 accept }
 chain no { reject }
 chain to_lan { meta l4proto vmap { icmp : accept, ipv6-icmp : accept, tcp : jump web }
  tcp dport { 80, 443 } jump { ct state new accept; tcp flags & (syn|ack) == ack accept; }
  udp dport != 1-1023 accept
  udp dport 161 counter reject with icmpx type no-route }
 chain web { tcp flags & (syn|ack) == ack return }
}
"""
    return nft, [tcp("client", CLIENT, NODE, 22), tcp("client", CLIENT, NODE, 23), udp("client", CLIENT, NODE, 53), udp("client", CLIENT, POD1, 53),
                 tcp("client", CLIENT, NODE2, 8500), udp("client", CLIENT, "192.168.1.255", 67), tcp("client", POD1, NODE, 22),
                 tcp("client", "8.8.8.8", POD1, 80), tcp("ext", CLIENT, POD1, 80), tcp("client", CLIENT, POD1, 80), tcp("client", CLIENT, POD1, 80, "ack"),
                 udp("client", CLIENT, POD1, 161), udp("client", CLIENT, POD1, 5000), tcp("client", CLIENT, EXT, 80), tcp("pod1", POD1, "8.8.8.8", 80),
                 tcp("client", CLIENT6, NODE6, 22), tcp("client", CLIENT6, NODE6, 8080), tcp("client", CLIENT6, NODE6, 23), tcp("client", "2001:db8::8", NODE6, 23),
                 ping("client", CLIENT6, NODE6), ping("client", CLIENT6, NODE6, ttl=1), tcp("client", CLIENT6, POD6, 443), udp("client", CLIENT6, POD6, 161),
                 tcp("client", CLIENT, NODE, 22, "syn ack"), ping("client", CLIENT, NODE, ttl=1), tcp("node", "127.0.0.1", "127.0.0.1", 9),
                 tcp("client", "127.0.0.1", NODE, 22), udp("node", NODE, CLIENT, 4000, sport=53), packet("client", CLIENT, NODE, 47)]


def proxies():
    """Transparent proxying, SYN proxy, redirects, and marks that route."""
    nft = """
table ip proxy {
 chain divert { type filter hook prerouting priority mangle; policy accept;
  meta l4proto tcp socket transparent 1 meta mark set 0x100 accept
  tcp dport 3128 tproxy to :50080 meta mark set 0x100 accept
  iifname "cni0" udp dport 53 meta mark set 0x100 accept }
 chain raw { type filter hook prerouting priority raw; policy accept;
  tcp dport 8443 tcp flags syn notrack }
 chain pre { type nat hook prerouting priority dstnat; policy accept;
  iifname "cni0" tcp dport 80 redirect to :3129
  iifname "cni0" tcp dport 81 ip daddr != 10.42.0.1 redirect
  tcp dport 1000-1010 redirect to :2000-2010 }
 chain out { type nat hook output priority -100; policy accept;
  meta skuid 1000 tcp dport 80 redirect to :3129
  ip daddr 10.43.0.1 tcp dport 443 dnat to 10.42.0.59:6443 persistent }
 chain in { type filter hook input priority filter; policy accept;
  tcp dport 8443 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
  ct state invalid drop
  tcp dport 3129 ct status dnat accept
  tcp dport 3129 drop }
 chain pass { type filter hook forward priority filter; policy accept;
  tcp dport 25 ct state new ct count over 2 reject with tcp reset }
 chain post { type nat hook postrouting priority srcnat; policy accept;
  oifname "eth1" ip saddr 10.42.0.0/24 meta l4proto tcp snat to 172.16.5.1:2000-2000
  oifname "eth0" ip saddr 10.42.0.0/24 snat to 192.168.1.201-192.168.1.202 persistent }
}
"""
    return nft, [tcp("client", CLIENT, NODE, 3128), tcp("client", CLIENT, NODE, 8443), tcp("client", CLIENT, NODE, 8443, "ack"),
                 talk(tcp("pod1", POD1, "8.8.8.8", 80)), tcp("pod1", POD1, "8.8.8.8", 81), tcp("pod1", POD1, CNI, 81), tcp("client", CLIENT, NODE, 1003),
                 tcp("client", CLIENT, NODE, 9000), udp("client", CLIENT, NODE, 9000), tcp("client", CLIENT, NODE, 3129), tcp("pod1", POD1, EXT, 443),
                 talk(tcp("pod2", POD2, EXT, 80, sport=5555)), tcp("pod2", POD2, "8.8.8.8", 443), tcp("node", NODE, "8.8.8.8", 80, uid=1000),
                 talk(tcp("node", NODE, "10.43.0.1", 443)), udp("pod1", POD1, "8.8.8.8", 53), tcp("pod1", POD1, "8.8.8.8", 25),
                 tcp("pod2", POD2, "1.1.1.1", 25)], {"fwmark_rule": 1}


def ordered():
    """Many base chains by several programs: dormant tables, equal priorities, accept in one and drop in another, policies, empty chains."""
    nft = """
table inet early { flags dormant
 chain in { type filter hook input priority -200; policy drop; } }
table ip a { chain in { type filter hook input priority filter; policy accept; tcp dport 22 accept
  tcp dport 80 counter }
 chain in2 { type filter hook input priority filter; policy accept; tcp dport 22 counter } }
table inet b { chain in { type filter hook input priority filter; policy accept; tcp dport 22 counter
  meta mark set 0x7 }
 chain late { type filter hook input priority filter + 1; policy drop; meta mark != 0x7 counter
  tcp dport { 22, 443 } goto decide
  counter }
 chain decide { tcp dport 443 return
  ip saddr 192.168.1.50 accept } }
table ip c { chain pre { type nat hook prerouting priority dstnat; policy accept; tcp dport 5000 accept
  tcp dport 5001 return
  tcp dport 5002 drop }
 chain pre2 { type nat hook prerouting priority dstnat; policy accept; tcp dport 5000-5001 redirect to :22 }
 chain pre3 { type nat hook prerouting priority dstnat - 5; policy accept; tcp dport 5000 redirect to :80 }
 chain fpre { type filter hook prerouting priority dstnat; policy accept; tcp dport 22 meta mark set 0x1 }
 chain in { type nat hook input priority 100; policy accept; tcp dport 443 snat to 10.9.9.9 }
 chain late { type filter hook input priority 100; policy accept; ip saddr 10.9.9.9 counter drop } }
"""
    return nft, [tcp("client", CLIENT, NODE, p) for p in (22, 80, 443, 5000, 5001, 5002)] + [
        tcp("client", OTHER, NODE, 22), tcp("node", "127.0.0.1", "127.0.0.1", 22), tcp("client", CLIENT6, NODE6, 22), tcp("client", CLIENT6, NODE6, 443)]


def egress():
    """Egress and ingress of devices: what leaves by eth1 is filtered behind POSTROUTING, what comes by a bridge port before everything."""
    nft = """
table netdev dev {
 chain out1 { type filter hook egress device "eth1" priority 0; policy accept;
  tcp dport 25 drop
  ip daddr 172.16.5.9 counter
  udp dport 53 meta mark set 0x9
  ether type ip6 tcp dport 25 drop
  icmp type echo-request ip ttl 63 drop }
 chain out0 { type filter hook egress devices = { "eth0", "cni0" } priority 5; policy accept;
  ip saddr 192.168.1.201 tcp dport 9999 drop }
 chain port { type filter hook ingress device "vethp1" priority filter; policy accept;
  ether daddr 02:00:00:00:03:01 counter
  ip daddr 10.42.0.60 tcp dport 81 drop
  meta pkttype other counter
  arp operation request counter }
 chain in1 { type filter hook ingress device "eth1" priority filter; policy drop;
  ip protocol tcp accept
  meta protocol ip6 accept }
}
table inet f { chain post { type filter hook postrouting priority filter; policy accept; meta mark set 0x5 }
 chain ing { type filter hook ingress device "eth0" priority 10; policy accept; tcp dport 81 drop } }
table ip n { chain post { type nat hook postrouting priority srcnat; policy accept; oifname "eth1" masquerade } }
"""
    return nft, [tcp("pod1", POD1, EXT, 25), tcp("pod1", POD1, EXT, 80), ping("pod1", POD1, EXT), udp("client", CLIENT, "172.16.5.9", 53),
                 tcp("pod1", POD1, POD2, 81), tcp("pod1", POD1, POD2, 80), tcp("pod2", POD2, POD1, 81), tcp("node", NODE, "8.8.8.8", 9999),
                 udp("ext", EXT, NODE, 53), tcp("ext", EXT, NODE, 22), tcp("client", CLIENT, NODE, 81), talk(tcp("client", CLIENT, EXT, 443)),
                 tcp("client", CLIENT6, "fd00:5::2", 25), tcp("node", ETH1, EXT, 25), tcp("node", CNI, POD1, 9999)]


def meters():
    """Limits and counts by key: meters, limits in set elements, connection counts, an object map, byte limits."""
    nft = """
table inet m {
 limit slow { rate 1/minute burst 1 packets }
 counter c1 { }
 map objs { type ipv4_addr : counter; elements = { 192.168.1.50 : "c1" } }
 map lims { type ipv4_addr : limit; elements = { 192.168.1.51 : "slow" } }
 set perhost { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 1m; size 100; }
 set count { type ipv4_addr; flags dynamic; size 100; }
 set big { type ipv4_addr; flags dynamic; size 1; }
 chain in { type filter hook input priority filter; policy accept;
  counter name ip saddr map @objs
  tcp dport 1 limit name ip saddr map @lims accept
  tcp dport 2 update @perhost { ip saddr . tcp dport limit rate 1/minute burst 2 packets } accept
  tcp dport 2 drop
  tcp dport 4 meter mm size 10 { ip saddr limit rate over 1/hour burst 1 packets } drop
  tcp dport 5 add @big { ip saddr } accept
  tcp dport 5 drop
  tcp dport 6 limit rate 100 bytes/hour burst 90 bytes accept
  tcp dport 6 drop
  tcp dport 7 limit name "slow" accept
  tcp dport 7 drop
  tcp dport 8 delete @perhost { ip saddr . 2 } accept }
 chain pass { type filter hook forward priority filter; policy accept;
  tcp dport 3 add @count { ip saddr ct count over 1 } reject }
}
"""
    def many(dport, *sources):
        return [tcp("client", s, POD1 if dport == 3 else NODE, dport, sport=41000 + i) for i, s in enumerate(sources)]
    return nft, [many(1, OTHER, OTHER, CLIENT), many(2, CLIENT, CLIENT, CLIENT, OTHER), many(3, CLIENT, CLIENT, OTHER), many(4, CLIENT, CLIENT, OTHER),
                 many(5, CLIENT, OTHER, CLIENT), many(6, CLIENT, CLIENT, CLIENT), many(7, CLIENT, CLIENT)]


STORIES = {f.__name__.replace("_", "-"): f for f in (openwrt, firewalld_policies, docker, netavark, kube_proxy, ufw, guard, hairpin, dual_stack,
                                                     proxies, ordered, egress, meters)}
STATEFUL = ("ufw", "guard", "meters", "kube-proxy")


def spread(text):
    """A line for each chain's head, rule and closing brace, as nft wants them."""
    out = []
    for line in text.split("\n"):
        rest, tail = line.strip(), []
        while rest.startswith(("chain ", "table ")) and " { " in rest:
            head, _, rest = rest.partition(" { ")
            out.append(head + " {")
        while rest.endswith("}") and rest.count("}") > rest.count("{"):
            rest = rest[:-1].rstrip()
            tail.append("}")
        out += [rest] + tail
    return "\n".join(out) + "\n"


def case(name):
    """The case of a story."""
    nft, packets, *knobs = STORIES[name]()
    nft = spread(nft)
    knobs = {"bridge_nf": 1, "route_localnet": 0, "fwmark_rule": 0, **(knobs[0] if knobs else {})}
    return {"backend": "nft", "nft": nft, "knobs": knobs, "packets": packets, "neighbours": True, "stateful": name in STATEFUL,
            "doc": STORIES[name].__doc__.split("\n")[0], "features": ["story"]}
