//! Completing a described packet: every default is a listed assumption with the flag that changes it.
//!
//! `nettrace explain --dport 31002` alone means: a TCP SYN from a remote client to this host's own address.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::{PacketSpec, ProtoName, headers};
use crate::World;
use crate::fact::Assumption;
use crate::field::{Field, PROTOCOLS, TCP_FLAGS, Value, ct_state, device, mac};
use crate::host::{Dev, Fib, FibQuery, Mac, PortLookup};
use crate::model::Family;
use crate::packet::{Bytes, Got, Packet};

/// A packet ready to be walked.
#[derive(Clone, Debug)]
pub struct Start {
    /// The packet.
    pub packet: Packet,
    /// Made by this host (enters at OUTPUT) instead of arriving.
    pub local: bool,
    /// Conntrack state given by hand.
    pub ct_state: Option<Value>,
    /// The address that counts as this host's where nothing tells: what the first packet of a conversation arrives for, or
    /// is made with.
    pub own: Option<Value>,
    /// The defaults that were filled in.
    pub assumptions: Arc<[Assumption]>,
}

impl Start {
    /// Adds what was taken for granted elsewhere, as in loading.
    pub fn also_assume(&mut self, more: &[Assumption]) {
        if !more.is_empty() {
            self.assumptions = self.assumptions.iter().chain(more).cloned().collect();
        }
    }
}

/// A described packet that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(pub String);

impl std::fmt::Display for SpecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

/// Fills in what the description leaves out.
///
/// # Errors
/// An address, name or number that cannot be read, or parts that contradict each other.
pub fn complete(spec: &PacketSpec, world: World) -> Result<Start, SpecError> {
    let local = spec.origin.as_deref() == Some("node");
    let mut c = Completer { spec, world, local, packet: Packet::default(), assumptions: Vec::new() };
    c.protocol()?;
    c.addresses()?;
    c.devices()?;
    c.link_layer()?;
    c.layer4()?;
    c.rest()?;
    let ct_state = c.ct_state()?;
    let own = c.packet.value(if local { Field::Saddr } else { Field::Daddr }).filter(|end| c.may_be_own(*end));
    Ok(Start { packet: c.packet, local, ct_state, own, assumptions: c.assumptions.into() })
}

pub(super) struct Completer<'a> {
    pub spec: &'a PacketSpec,
    pub world: World<'a>,
    pub local: bool,
    pub(super) packet: Packet,
    assumptions: Vec<Assumption>,
}

/// The number of a protocol by name or number.
pub fn protocol_number(name: &ProtoName) -> Result<u8, SpecError> {
    match name {
        ProtoName::Number(n) => Ok(*n),
        ProtoName::Name(text) => {
            let named = PROTOCOLS.iter().find(|p| p.1.eq_ignore_ascii_case(text)).map(|p| p.0);
            let alias = matches!(text.as_str(), "icmp6" | "ipv6-icmp").then_some(58);
            let found = named.or(alias).or_else(|| text.parse().ok());
            found.ok_or_else(|| SpecError(format!("`{text}` is not a protocol")))
        }
    }
}

impl Completer<'_> {
    pub(super) fn assume(
        &mut self,
        fact: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
        why: &'static str,
        flag: &'static str,
    ) {
        let (fact, value) = (fact.into(), value.into());
        self.assumptions.push(Assumption { fact, value, why: why.into(), flag: flag.into() });
    }

    pub(super) fn set(&mut self, field: Field, value: impl Into<Value>) {
        self.packet.set(field, value.into());
    }

    /// What was given, or a default that is listed where a rule asks for it.
    fn set_or(&mut self, field: Field, given: Option<impl Into<Value>>, default: impl Into<Value>) {
        match given {
            Some(value) => self.packet.set(field, value.into()),
            None => self.packet.stand_in(field, default.into()),
        }
    }

    fn protocol(&mut self) -> Result<(), SpecError> {
        let number = match &self.spec.proto {
            Some(name) => protocol_number(name)?,
            None if self.spec.icmp_type.is_some() => 1,
            None => {
                self.assume("protocol", "tcp", "not given", "--proto");
                6
            }
        };
        self.set(Field::Proto, number);
        Ok(())
    }

    pub(super) fn family(&mut self, known: &[Option<IpAddr>]) -> Result<Value, SpecError> {
        let by_addr = known.iter().flatten().next().map(|a| if a.is_ipv4() { 2 } else { 10 });
        let by_name = match self.spec.family.as_deref() {
            None => None,
            Some("ip" | "ipv4" | "4" | "inet") => Some(2),
            Some("ip6" | "ipv6" | "6" | "inet6") => Some(10),
            Some(other) => return Err(SpecError(format!("`{other}` is not a family: `ip` or `ip6`"))),
        };
        let family = by_name.or(by_addr).unwrap_or_else(|| self.default_family());
        if known.iter().flatten().any(|a| a.is_ipv4() != (family == 2)) {
            return Err(SpecError("the addresses are not of one family".to_string()));
        }
        Ok(family)
    }

    /// IPv4, unless the protocol is IPv6's or no rule is for anything else.
    fn default_family(&mut self) -> Value {
        match self.packet.or_zero(Field::Proto) {
            1 => return 2,
            58 => return 10,
            _ => {}
        }
        let mut tables = self.world.model.tables.iter().peekable();
        if tables.peek().is_none() || tables.any(|t| t.family != Family::Ip6) {
            return 2;
        }
        self.assume("family", "IPv6", "all rules that were given are for IPv6", "--dst");
        10
    }

    fn devices(&mut self) -> Result<(), SpecError> {
        for field in [Field::Iif, Field::Oif, Field::SdifName, Field::Priority, Field::NfTrace, Field::PktType] {
            self.set(field, 0u8);
        }
        for field in [Field::Ipsec, Field::IpsecReqid, Field::IpsecSpi, Field::OsfName] {
            self.packet.put(field, Got::Unknown);
        }
        self.packet.put(Field::Ipvs, Got::Unknown);
        if self.local {
            if self.spec.iif.is_some() {
                return Err(SpecError("a packet of this host does not arrive by a device".to_string()));
            }
            return Ok(());
        }
        let (iif, physin) = (self.spec.iif.clone(), self.spec.physin.clone());
        match iif {
            Some(name) => self.arrives_by(&name, physin.as_deref()),
            None => self.default_device(),
        }
        Ok(())
    }

    /// A bridge port given as the incoming device is the port; the IP layer sees its bridge.
    fn arrives_by(&mut self, name: &str, physin: Option<&str>) {
        let bridge = self.world.host.bridge_of(name).ok().flatten();
        match (physin, bridge) {
            (Some(port), _) => {
                self.set(Field::PhysIn, device(port));
                self.set(Field::Iif, device(name));
            }
            (None, Some(bridge)) => {
                self.set(Field::PhysIn, device(name));
                self.set(Field::Iif, device(&bridge));
            }
            (None, None) => {
                self.set(Field::Iif, device(name));
                if self.world.host.is_bridge(name) == Ok(true) {
                    self.port_of_source(name);
                }
            }
        }
    }

    /// The device by which the way back to the source leads.
    fn default_device(&mut self) {
        let src = crate::field::to_address(self.packet.or_zero(Field::Saddr), self.packet.family());
        let back = match self.world.host.fib(&FibQuery::to(src), &mut Vec::new()) {
            Ok(Fib::Route { .. }) => self.device_towards(src),
            _ => None,
        };
        let dst = crate::field::to_address(self.packet.or_zero(Field::Daddr), self.packet.family());
        let holds = |d: &Dev| *d != Dev::from("lo");
        let by_dst = self.world.host.parts().addresses.iter().flatten().find(|a| a.ip == dst).map(|a| a.dev.clone());
        match back.or(by_dst).filter(holds) {
            Some(dev) => {
                self.assume("incoming device", dev.to_string(), "the way back to the source", "--in");
                self.arrives_by(&dev, None);
            }
            None => self.packet.put(Field::Iif, Got::Unknown),
        }
    }

    /// The bridge port behind which the source is, when neighbours and the forwarding table tell.
    fn port_of_source(&mut self, bridge: &str) {
        let src = crate::field::to_address(self.packet.or_zero(Field::Saddr), self.packet.family());
        let port = self.world.host.next_hop_mac(bridge, src).and_then(|m| self.world.host.bridge_port(bridge, m, None));
        match port {
            Ok(PortLookup::Port(dev)) => {
                self.assume("bridge port", dev.to_string(), "the source's MAC address is behind it", "--in");
                self.set(Field::PhysIn, device(&dev));
            }
            _ => self.packet.put(Field::PhysIn, Got::Unknown),
        }
    }

    /// MAC addresses and what the frame's destination makes of it.
    fn link_layer(&mut self) -> Result<(), SpecError> {
        let six = self.packet.family() == 10;
        self.set(Field::EtherType, if six { 0x86dd_u16 } else { 0x0800 });
        if self.local {
            return Ok(());
        }
        let read = |text: &Option<String>| {
            text.as_deref().map(|t| mac(t).ok_or_else(|| SpecError(format!("`{t}` is not a MAC address")))).transpose()
        };
        let iif = crate::field::device_name(self.packet.or_zero(Field::Iif));
        let src = crate::field::to_address(self.packet.or_zero(Field::Saddr), self.packet.family());
        let known = self.world.host.next_hop_mac(&iif, src).ok().map(Mac::value);
        match read(&self.spec.src_mac)?.or(known) {
            Some(m) => self.set(Field::EtherSaddr, m),
            None => self.packet.put(Field::EtherSaddr, Got::Unknown),
        }
        let own = self.world.host.link(&iif).ok().and_then(|l| l.mac).map(Mac::value);
        let bridged = self.packet.get(Field::PhysIn) != Got::Absent;
        let dst = self.packet.or_zero(Field::Daddr);
        let group = if six { dst >> 120 == 0xff } else { dst >> 28 == 0xe };
        let given = read(&self.spec.dst_mac)?;
        let kind = match given {
            Some(0xffff_ffff_ffff) => 1,
            Some(m) if m >> 40 & 1 == 1 => 2,
            Some(m) if own.is_some_and(|o| o != m) && !bridged => 3,
            Some(_) => 0,
            None if group => 2,
            None if !six && dst == 0xffff_ffff => 1,
            None => 0u8,
        };
        self.set(Field::PktType, kind);
        match given {
            Some(m) => self.set(Field::EtherDaddr, m),
            None if bridged => {}
            None => self.packet.put(Field::EtherDaddr, own.map_or(Got::Unknown, Got::Value)),
        }
        Ok(())
    }

    fn layer4(&mut self) -> Result<(), SpecError> {
        match self.packet.or_zero(Field::Proto) {
            6 | 17 | 33 | 132 | 136 => self.ports()?,
            1 | 58 => self.icmp(),
            50 | 51 => self.packet.put(Field::Spi, Got::Unknown),
            108 => self.packet.put(Field::Cpi, Got::Unknown),
            _ => {}
        }
        Ok(())
    }

    fn ports(&mut self) -> Result<(), SpecError> {
        let sport = self.spec.sport.unwrap_or_else(|| {
            self.assume("source port", "40000", "not given", "--sport");
            40000
        });
        let dport = self.spec.dport.unwrap_or_else(|| {
            self.assume("destination port", "80", "not given", "--dport");
            80
        });
        self.set(Field::Sport, sport);
        self.set(Field::Dport, dport);
        match self.packet.or_zero(Field::Proto) {
            33 => self.packet.put(Field::DccpType, Got::Unknown),
            132 => self.packet.put(Field::SctpVtag, Got::Unknown),
            _ => {}
        }
        if self.packet.or_zero(Field::Proto) != 6 {
            return Ok(());
        }
        let mut flags = 0;
        if let Some(list) = &self.spec.tcp_flags {
            for name in list {
                let bit = TCP_FLAGS.iter().find(|f| f.1.eq_ignore_ascii_case(name));
                flags |= bit.ok_or_else(|| SpecError(format!("`{name}` is not a TCP flag")))?.0;
            }
        } else {
            self.assume("TCP flags", "SYN", "the first packet of a connection", "--flags");
            flags = 2;
        }
        self.set(Field::TcpFlags, flags);
        self.set_or(Field::TcpSeq, self.spec.seq, 0u8);
        self.set_or(Field::TcpAck, self.spec.ack_seq, 0u8);
        self.set_or(Field::TcpWindow, self.spec.window, 64240u16);
        match self.spec.mss {
            Some(mss) => self.set(Field::TcpMss, mss),
            // Whoever opens a connection mostly has one.
            None if flags & 2 != 0 && self.spec.tcp_options_hex.is_none() => self.packet.stand_in_absent(Field::TcpMss),
            None => {}
        }
        Ok(())
    }

    fn icmp(&mut self) {
        let six = self.packet.family() == 10;
        let kind = self.spec.icmp_type.unwrap_or(if six { 128 } else { 8 });
        if self.spec.icmp_type.is_none() {
            self.assume("ICMP type", "echo request", "not given", "--icmp-type");
        }
        self.set(Field::IcmpType, kind);
        self.set(Field::IcmpCode, self.spec.icmp_code.unwrap_or(0));
        self.set_or(Field::IcmpId, self.spec.icmp_id, 1u8);
        self.set_or(Field::IcmpSeq, self.spec.icmp_seq, 1u8);
    }

    fn rest(&mut self) -> Result<(), SpecError> {
        let hex = |text: &Option<String>| text.as_deref().map(parse_hex).transpose();
        let payload = hex(&self.spec.inner_hex)?.or(hex(&self.spec.payload_hex)?);
        let (ip_options, tcp_options) =
            (self.options(self.spec.ip_options_hex.as_ref(), 2)?, self.options(self.spec.tcp_options_hex.as_ref(), 6)?);
        let tcp_options = self.with_mss(tcp_options);
        let header = self.header_length() + tcp_options.len() as Value;
        let six = self.packet.family() == 10;
        let ext_headers =
            if six { headers::extension(self.spec, self.packet.or_zero(Field::Proto) as u8)? } else { Vec::new() };
        let ip = if six { 40 } else { 20 + ip_options.len() as Value };
        let before = ip + ext_headers.iter().map(|h| h.1.len() as Value).sum::<Value>();
        let shortest = before + header + payload.as_ref().map_or(0, |p| p.len() as Value);
        let behind = |length: Value| length.saturating_sub(before);
        self.set_or(Field::Length, self.spec.length, shortest);
        self.set_or(Field::ThLength, self.spec.length.map(|l| behind(l.into())), behind(shortest));
        self.set(Field::IpHdrLen, ip);
        if self.spec.length.is_some() {
            headers::cut_short(&mut self.packet);
        }
        self.set_or(Field::Ttl, self.spec.ttl, 64u8);
        self.set_or(Field::Tos, self.spec.tos, 0u8);
        let more = self.spec.more_fragments.unwrap_or(false);
        self.set(Field::FragOffset, self.spec.frag_offset.unwrap_or(0));
        self.set_or(
            Field::FragFlags,
            self.spec.df.map(|df| u8::from(more) | u8::from(df) << 1),
            if more { 1u8 } else { 2 },
        );
        self.set_or(Field::IpId, self.spec.ip_id, 1u8);
        self.packet.put(Field::NextHeader, self.packet.get(Field::Proto));
        self.set(Field::ExtHeaders, 0u8);
        headers::describe(&mut self.packet, &ext_headers);
        self.set_or(Field::FlowLabel, self.spec.flow_label.map(|l| l & 0xf_ffff), 0u8);
        self.set_or(Field::Mark, self.spec.mark, 0u8);
        self.set(Field::CtState, ct_state::INVALID);
        if let Some(mss) = max_segment(&tcp_options) {
            self.set(Field::TcpMss, mss);
        }
        let bad_checksum = self.spec.bad_checksum.unwrap_or(false);
        self.packet.bytes = Bytes { tcp_options, ip_options, payload, bad_checksum, ext_headers }.into();
        for field in [Field::Time, Field::Day, Field::MonthDay, Field::Hour, Field::Cpu] {
            self.packet.put(field, Got::Unknown);
        }
        if let Some(time) = &self.spec.time {
            headers::clock(&mut self.packet, time)?;
        }
        for field in [Field::SockTransparent, Field::SockMark, Field::SockWildcard] {
            self.packet.put(field, Got::Unknown);
        }
        if self.local {
            self.socket();
        }
        Ok(())
    }

    /// TCP options with the segment size that was given beside them.
    fn with_mss(&self, options: Vec<u8>) -> Vec<u8> {
        match self.packet.value(Field::TcpMss) {
            Some(mss) if options.is_empty() => {
                let [.., high, low] = mss.to_be_bytes();
                vec![MSS, 4, high, low]
            }
            _ => options,
        }
    }

    /// Options given as hex digits: of IPv4 (2) or TCP (6), nothing for other packets.
    fn options(&self, hex: Option<&String>, of: Value) -> Result<Vec<u8>, SpecError> {
        let Some(text) = hex else { return Ok(Vec::new()) };
        let bytes = parse_hex(text)?;
        if bytes.len() > 40 || !bytes.len().is_multiple_of(4) {
            return Err(SpecError("options take a multiple of four bytes, 40 at most".to_string()));
        }
        let fits = if of == 2 { self.packet.family() == 2 } else { self.packet.or_zero(Field::Proto) == of };
        Ok(if fits { bytes } else { Vec::new() })
    }

    /// The owner of a packet of this host.
    fn socket(&mut self) {
        if self.spec.uid.is_none() {
            self.assume("socket owner", "root", "not given", "--uid");
        }
        self.set(Field::SkExists, 1u8);
        self.set(Field::SkUid, self.spec.uid.unwrap_or(0));
        self.set(Field::SkGid, self.spec.gid.unwrap_or(0));
        self.set(Field::Cgroup, 0u8);
        // What `socket …` finds in OUTPUT is the sender itself.
        self.set(Field::SockTransparent, 0u8);
        self.packet.stand_in(Field::SockWildcard, 0);
        self.set_or(Field::SockMark, self.spec.mark, 0u8);
    }

    fn header_length(&self) -> Value {
        match self.packet.or_zero(Field::Proto) {
            6 => 20,
            1 | 17 | 58 | 136 => 8,
            33 | 51 | 132 => 12,
            108 => 4,
            _ => 8,
        }
    }

    fn ct_state(&self) -> Result<Option<Value>, SpecError> {
        let Some(name) = self.spec.ct_state.as_deref() else { return Ok(None) };
        let found = ct_state::ALL.iter().find(|s| s.1.eq_ignore_ascii_case(name));
        found.map(|s| Some(s.0)).ok_or_else(|| SpecError(format!("`{name}` is not a conntrack state")))
    }
}

/// The maximum segment size among TCP options.
/// The kind of the TCP option "maximum segment size".
const MSS: u8 = 2;

fn max_segment(options: &[u8]) -> Option<u16> {
    let mut rest = options;
    while let [kind, tail @ ..] = rest {
        match (kind, tail) {
            (0, _) => return None,
            (1, _) => rest = tail,
            (&MSS, [4, a, b, ..]) => return Some(u16::from_be_bytes([*a, *b])),
            (_, [length, ..]) if *length >= 2 => rest = rest.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
    None
}

pub(super) fn parse_hex(text: &str) -> Result<Vec<u8>, SpecError> {
    let bad = || SpecError("the payload is not pairs of hex digits".to_string());
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return Err(bad());
    }
    let pair = |p: &[u8]| std::str::from_utf8(p).ok().and_then(|s| u8::from_str_radix(s, 16).ok()).ok_or_else(bad);
    digits.chunks(2).map(pair).collect()
}
