//! A packet in JSON: the header as `expected/NN.json` shows it, and the packet as `packets/NN.json` words it.
//!
//! Keys stand in alphabetical order, as in all objects of this schema. What a packet does not have is left out.

use std::net::IpAddr;

use nettrace_engine::field::{DeviceName, Field, TCP_FLAGS, Value, device_name, protocol_name, to_address};
use nettrace_engine::packet::{Got, Packet};
use serde::{Serialize, Serializer};

/// A packet.
#[derive(PartialEq, Serialize)]
pub struct Header {
    #[serde(skip_serializing_if = "Option::is_none")]
    ct: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctdir: Option<String>,
    daddr: Option<Known<IpAddr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u64>,
    iif: Option<DeviceName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    mark: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oif: Option<OrNull<DeviceName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    physin: Option<DeviceName>,
    proto: Option<Proto>,
    saddr: Option<Known<IpAddr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_flags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

/// A value, or `null`: there is none, and that is said.
#[derive(PartialEq, Serialize)]
#[serde(transparent)]
pub struct OrNull<T>(pub Option<T>);

/// A value, or that the inputs don't tell.
#[derive(PartialEq)]
enum Known<T> {
    Is(T),
    Unknown,
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Known::Is(value) => value.serialize(to),
            Known::Unknown => to.serialize_str("unknown"),
        }
    }
}

/// A protocol by name, or by number where it has none.
#[derive(PartialEq, Serialize)]
#[serde(untagged)]
enum Proto {
    Number(u64),
    Name(String),
}

impl Header {
    /// The header of a packet at a moment.
    pub fn of(packet: &Packet) -> Self {
        let family = packet.family();
        let addr = |field| match packet.get(field) {
            Got::Value(v) => Some(Known::Is(to_address(v, family))),
            Got::Absent => None,
            Got::Unknown => Some(Known::Unknown),
        };
        // Numbers of headers fit 64 bits.
        let number = |field| packet.value(field).map(|v| u64::try_from(v).unwrap_or(u64::MAX));
        let device = |field| packet.value(field).filter(|v| *v != 0).map(device_name);
        let word = |field: Field| match packet.get(field) {
            Got::Value(v) => Some(field.print(v, family).to_ascii_lowercase()),
            Got::Absent => None,
            Got::Unknown => Some("unknown".to_string()),
        };
        Header {
            ct: word(Field::CtState),
            ctdir: word(Field::CtDir),
            daddr: addr(Field::Daddr),
            dport: number(Field::Dport),
            family: None,
            icmp_code: number(Field::IcmpCode),
            icmp_id: number(Field::IcmpId),
            icmp_type: number(Field::IcmpType),
            iif: device(Field::Iif),
            len: number(Field::Length),
            length: None,
            mark: number(Field::Mark).unwrap_or(0),
            oif: Some(OrNull(device(Field::Oif))),
            origin: None,
            physin: None,
            proto: packet.value(Field::Proto).map(proto),
            saddr: addr(Field::Saddr),
            sport: number(Field::Sport),
            tcp_flags: packet.value(Field::TcpFlags).map(flag_names),
            tos: number(Field::Tos),
            ttl: number(Field::Ttl),
        }
    }

    /// The packet that is walked; made by this host, or arriving.
    pub fn of_start(packet: &Packet, local: bool) -> Self {
        let header = Header::of(packet);
        Header {
            ct: None,
            ctdir: None,
            oif: None,
            length: header.len,
            len: None,
            family: Some(Field::Family.print(packet.family(), 2)),
            origin: Some(if local { "node" } else { "remote" }),
            physin: packet.value(Field::PhysIn).map(device_name),
            ..header
        }
    }
}

fn proto(value: Value) -> Proto {
    let name = protocol_name(value);
    name.parse().map_or(Proto::Name(name), Proto::Number)
}

fn flag_names(flags: Value) -> Vec<String> {
    TCP_FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name.to_ascii_lowercase()).collect()
}
