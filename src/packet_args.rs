//! The packet flags: `--dport 31002 --src 203.0.113.7 --flags SYN` becomes a [`PacketSpec`], as does `--packet FILE`.
//!
//! Left out: defaults for what is not given; the engine completes a packet and lists each default as an assumption.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use nettrace_engine::World;
use nettrace_engine::field::{Field, protocol_name};
use nettrace_engine::host::Host;
use nettrace_engine::lower::iptables::did_you_mean;
use nettrace_engine::lower::iptables::matches::icmp::type_names;
use nettrace_engine::lower::iptables::names::SERVICES;
use nettrace_engine::spec::{PacketSpec, ProtoName, Start};

use crate::load::{self, Failure};

/// The packet, as flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Packet")]
pub struct PacketArgs {
    /// Destination port, by number or a service's name.
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub dport: Option<u16>,
    /// Source port, by number or a service's name.
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub sport: Option<u16>,
    /// Protocol: tcp, udp, icmp, icmpv6, sctp, gre, ... or a number.
    #[arg(long, value_name = "PROTO")]
    pub proto: Option<String>,
    /// Source address.
    #[arg(long, value_name = "ADDR", value_parser = addr)]
    pub src: Option<IpAddr>,
    /// Destination address.
    #[arg(long, value_name = "ADDR", value_parser = addr)]
    pub dst: Option<IpAddr>,
    /// Device it arrives by.
    #[arg(long = "in", value_name = "IFACE")]
    pub iif: Option<String>,
    /// Bridge port it arrives by.
    #[arg(long, value_name = "IFACE")]
    pub physin: Option<String>,
    /// The packet is made by this host instead of arriving.
    #[arg(long, conflicts_with_all = ["iif", "physin"])]
    pub local: bool,
    /// ip or ip6, where the addresses don't tell.
    #[arg(long, value_name = "FAMILY", value_parser = ["ip", "ip6"])]
    pub family: Option<String>,
    /// TCP flags, separated by commas: SYN, ACK, FIN, RST, PSH, URG; or none.
    #[arg(long, value_name = "FLAGS")]
    pub flags: Option<String>,
    /// Packet mark, for a local packet its socket's.
    #[arg(long, value_name = "MARK", value_parser = number)]
    pub mark: Option<u32>,
    /// ICMP type by number or name (echo-request, echo-reply, destination-unreachable, ...).
    #[arg(long, value_name = "TYPE")]
    pub icmp_type: Option<String>,
    /// ICMP code.
    #[arg(long, value_name = "CODE")]
    pub icmp_code: Option<u8>,
    /// ICMP echo identifier.
    #[arg(long, value_name = "ID")]
    pub icmp_id: Option<u16>,
    /// TTL or hop limit.
    #[arg(long, value_name = "TTL")]
    pub ttl: Option<u8>,
    /// TOS byte or traffic class.
    #[arg(long, value_name = "TOS", value_parser = number)]
    pub tos: Option<u32>,
    /// Length of the IP packet in bytes.
    #[arg(long, value_name = "BYTES")]
    pub length: Option<u16>,
    /// User id of the sending socket, for a local packet.
    #[arg(long, value_name = "UID")]
    pub uid: Option<u32>,
    /// Group id of the sending socket, for a local packet.
    #[arg(long, value_name = "GID")]
    pub gid: Option<u32>,
    /// Source MAC address.
    #[arg(long, value_name = "MAC")]
    pub src_mac: Option<String>,
    /// Destination MAC address.
    #[arg(long, value_name = "MAC")]
    pub dst_mac: Option<String>,
    /// Connection state, instead of looking it up: new, established, related, invalid, untracked.
    #[arg(long, value_name = "STATE", value_parser = ["new", "established", "related", "invalid", "untracked"])]
    pub ct_state: Option<String>,
    /// The packet as JSON (the fields of a case's packets/NN.json); flags given besides win.
    #[arg(long, value_name = "FILE|-")]
    pub packet: Option<PathBuf>,
}

/// A number in decimal or, with 0x, in hex.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a number is wanted, decimal or with 0x".to_string())
}

/// A port, by number or by a name that iptables knows too.
fn port(text: &str) -> Result<u16, String> {
    let named = || SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port);
    text.parse().ok().or_else(named).ok_or_else(|| "one port is wanted, 0 to 65535 or a service's name".to_string())
}

/// An address; names would have to be looked up, and the host may be long gone.
fn addr(text: &str) -> Result<IpAddr, String> {
    let wanted = || "an IP address is wanted, without a prefix length or port; names are not looked up".to_string();
    text.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wanted())
}

impl PacketArgs {
    /// The packet that file and flags describe.
    pub fn spec(&self) -> Result<PacketSpec, Failure> {
        let base = match &self.packet {
            Some(path) => load::one_packet(path)?,
            None => PacketSpec::default(),
        };
        self.spec_over(base)
    }

    /// The packet that a description and flags make; flags win.
    pub fn spec_over(&self, base: PacketSpec) -> Result<PacketSpec, Failure> {
        let six = self.family.as_deref() == Some("ip6")
            || base.family.as_deref() == Some("ip6")
            || [self.src, self.dst].into_iter().flatten().any(|a| a.is_ipv6())
            || [&base.saddr, &base.daddr].into_iter().flatten().any(|a| a.contains(':'));
        let icmp_type = self.icmp_type.as_deref().map(|t| icmp_type(t, six)).transpose()?;
        let proto = self.proto.as_deref().map(proto_name).transpose()?;
        let tcp_flags = self.flags.as_deref().map(flag_names).transpose()?;
        let tos = self.tos.map(u8::try_from).transpose().map_err(|_| Failure::new("--tos is one byte"))?;
        let implied = icmp_type.is_some().then(|| ProtoName::Name(if six { "icmpv6" } else { "icmp" }.to_string()));
        Ok(PacketSpec {
            family: self.family.clone().or(base.family),
            origin: if self.local { Some("node".to_string()) } else { base.origin },
            iif: self.iif.clone().or(base.iif),
            physin: self.physin.clone().or(base.physin),
            proto: proto.or(base.proto).or(implied),
            saddr: self.src.map(|a| a.to_string()).or(base.saddr),
            daddr: self.dst.map(|a| a.to_string()).or(base.daddr),
            sport: self.sport.or(base.sport),
            dport: self.dport.or(base.dport),
            tcp_flags: tcp_flags.or(base.tcp_flags),
            icmp_type: icmp_type.or(base.icmp_type),
            icmp_code: self.icmp_code.or(base.icmp_code),
            icmp_id: self.icmp_id.or(base.icmp_id),
            ttl: self.ttl.or(base.ttl),
            tos: tos.or(base.tos),
            length: self.length.or(base.length),
            mark: self.mark.or(base.mark),
            uid: self.uid.or(base.uid),
            gid: self.gid.or(base.gid),
            src_mac: self.src_mac.clone().or(base.src_mac),
            dst_mac: self.dst_mac.clone().or(base.dst_mac),
            ct_state: self.ct_state.clone().or(base.ct_state),
            ..base
        })
    }
}

impl PacketArgs {
    /// Flags that this packet has no use for, with the reason.
    pub fn idle(&self, world: World, start: &Start) -> Vec<String> {
        let proto = start.packet.or_zero(Field::Proto);
        let name = protocol_name(proto);
        let ported = matches!(proto, 6 | 17 | 33 | 132 | 136);
        let icmp = matches!(proto, 1 | 58);
        let rows: [(bool, &str, bool, String); 9] = [
            (self.dport.is_some(), "--dport", ported, format!("{name} has no ports")),
            (self.sport.is_some(), "--sport", ported, format!("{name} has no ports")),
            (self.flags.is_some(), "--flags", proto == 6, format!("{name} has no TCP flags")),
            (self.icmp_type.is_some(), "--icmp-type", icmp, format!("{name} has no ICMP type")),
            (self.icmp_code.is_some(), "--icmp-code", icmp, format!("{name} has no ICMP code")),
            (self.icmp_id.is_some(), "--icmp-id", icmp, format!("{name} has no ICMP identifier")),
            (self.uid.is_some(), "--uid", start.local, "only a packet of this host has an owner (--local)".to_string()),
            (self.gid.is_some(), "--gid", start.local, "only a packet of this host has an owner (--local)".to_string()),
            (self.physin.is_some(), "--physin", !start.local, "a packet of this host arrives by no port".to_string()),
        ];
        let idle = rows.into_iter().filter(|(given, _, used, _)| *given && !*used);
        let devices = [self.iif.as_deref(), self.physin.as_deref()].into_iter().flatten();
        let unknown = devices.filter_map(|name| unknown_device(world.host, name));
        idle.map(|(_, flag, _, why)| format!("{flag} has no effect: {why}")).chain(unknown).collect()
    }
}

/// What is said of a device that the inputs do not have, although they have others.
fn unknown_device(host: &Host, name: &str) -> Option<String> {
    let links = host.parts().links.as_deref().filter(|l| l.len() > 1)?;
    if host.link(name).is_ok() {
        return None;
    }
    let all = links.iter().map(|l| &*l.name);
    let near = did_you_mean(name, all).map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("the inputs have no device `{name}`{near}"))
}

fn proto_name(text: &str) -> Result<ProtoName, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(ProtoName::Number(number));
    }
    let lower = text.to_ascii_lowercase();
    let name = if lower == "ipv6-icmp" || lower == "icmp6" { "icmpv6" } else { &lower };
    if nettrace_engine::field::PROTOCOLS.iter().any(|p| p.1 == name) {
        return Ok(ProtoName::Name(name.to_string()));
    }
    Err(Failure::new(format!("`{text}` is not a protocol that nettrace knows by name; give its number")))
}

fn icmp_type(text: &str, six: bool) -> Result<u8, Failure> {
    let by_name = type_names(six).find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, n)| n);
    by_name.or_else(|| text.parse().ok()).ok_or_else(|| {
        let names: Vec<_> = type_names(six).map(|(name, _)| name).collect();
        Failure::new(format!("`{text}` is not an ICMP type; a number, or one of {}", names.join(", ")))
    })
}

fn flag_names(text: &str) -> Result<Vec<String>, Failure> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let known = nettrace_engine::field::TCP_FLAGS;
    let one = |flag: &str| {
        let upper = flag.trim().to_ascii_uppercase();
        let found = known.iter().any(|(_, name)| *name == upper);
        found.then(|| upper.to_ascii_lowercase()).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(_, name)| *name).collect();
            Failure::new(format!("`{flag}` is not a TCP flag; one of {}, or none", names.join(", ")))
        })
    };
    text.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_a_packet() {
        let args = PacketArgs {
            dport: Some(31002),
            flags: Some("syn,ACK".to_string()),
            local: true,
            proto: Some("TCP".to_string()),
            ..PacketArgs::default()
        };
        let spec = args.spec().unwrap();
        assert_eq!(spec.dport, Some(31002));
        assert_eq!(spec.origin.as_deref(), Some("node"));
        assert_eq!(spec.tcp_flags, Some(vec!["syn".to_string(), "ack".to_string()]));
        assert_eq!(spec.proto, Some(ProtoName::Name("tcp".to_string())));
    }

    #[test]
    fn icmp_types_have_names_in_both_families() {
        let check = |text, six, expect| assert_eq!(icmp_type(text, six).ok(), expect, "{text}");
        check("ping", false, Some(8));
        check("ping", true, Some(128));
        check("11", false, Some(11));
        check("nonsense", false, None);
    }

    #[test]
    fn numbers_are_decimal_or_hex() {
        assert_eq!(number("0x4000"), Ok(0x4000));
        assert_eq!(number("16"), Ok(16));
        assert!(number("4000h").is_err());
        assert_eq!((port("ssh"), port("65535")), (Ok(22), Ok(65535)));
        assert!(["22-25", "65536", "nonsense"].iter().all(|text| port(text).is_err()));
        assert_eq!(addr("[::1]").ok(), "::1".parse().ok());
        assert!(["10.0.0.1/24", "10.0.0.1:22", "example.com"].iter().all(|text| addr(text).is_err()));
    }
}
