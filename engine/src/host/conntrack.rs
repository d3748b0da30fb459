//! The connections a host knows, from `conntrack -L` (also `-o extended`, and `/proc/net/nf_conntrack`) or from JSON:
//!
//! ```text
//! tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=4000 dport=80 src=10.0.0.9 dst=10.0.0.1 sport=80 dport=4000 [ASSURED] mark=7 use=1
//! ```
//!
//! A listing has no bits for translations; they are where the reply is not the inverse of the original. Left out:
//! timeouts, and the device that masquerading chose.

use std::net::IpAddr;

use nettrace_grammar::{Diagnostic, Source};
use serde::Deserialize;
use serde_json::Value as Json;

use super::json;
use crate::field::{address, ct_status, device};
use crate::state::{Conn, TcpState, Tuple, Zone};

/// The connections in a listing or a JSON list; a line that cannot be read leaves a diagnostic.
pub fn connections(source: &Source) -> (Vec<Conn>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut found = Vec::new();
    if source.text.trim_start().starts_with('[') {
        for (span, entry) in json::entries::<Entry>(source, |_| Vec::new(), &mut diagnostics) {
            found.extend(keep(entry.conn(), span, &mut diagnostics));
        }
        return (found, diagnostics);
    }
    for text in source.text.lines() {
        // The summary that `conntrack` prints besides, and events of `conntrack -E`.
        let line = text.trim();
        if !line.is_empty() && !line.starts_with("conntrack v") {
            found.extend(keep(listed(line), json::span_of(source, text), &mut diagnostics));
        }
    }
    (found, diagnostics)
}

/// The connections of a packet's `conntrack` list, as a case's `packets/NN.json` has it.
///
/// # Errors
/// What is wrong with the list.
pub fn connections_of_json(list: &Json) -> Result<Vec<Conn>, String> {
    let entries = Vec::<Entry>::deserialize(list).map_err(|e| e.to_string())?;
    entries.into_iter().map(Entry::conn).collect()
}

fn keep(conn: Result<Conn, String>, span: nettrace_grammar::Span, out: &mut Vec<Diagnostic>) -> Option<Conn> {
    conn.map_err(|why| out.push(json::malformed(span, why))).ok()
}

#[derive(Deserialize)]
struct Entry {
    orig: Side,
    reply: Side,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    mark: u32,
    #[serde(default)]
    zone: u16,
    tcp_state: Option<String>,
    helper: Option<String>,
}

#[derive(Deserialize)]
struct Side {
    saddr: IpAddr,
    daddr: IpAddr,
    proto: u8,
    #[serde(default)]
    sport: u16,
    #[serde(default)]
    dport: u16,
    icmp_id: Option<u16>,
    #[serde(default)]
    icmp_type: u8,
    #[serde(default)]
    icmp_code: u8,
}

impl Side {
    fn tuple(&self) -> Result<Tuple, String> {
        if self.saddr.is_ipv4() != self.daddr.is_ipv4() {
            return Err("the two addresses are of different families".to_owned());
        }
        let icmp = u16::from_be_bytes([self.icmp_type, self.icmp_code]);
        let (sport, dport) = self.icmp_id.map_or((self.sport, self.dport), |id| (id, icmp));
        Ok(Tuple {
            family: if self.saddr.is_ipv4() { 2 } else { 10 },
            saddr: address(self.saddr),
            daddr: address(self.daddr),
            proto: self.proto,
            sport,
            dport,
        })
    }
}

impl Entry {
    fn conn(self) -> Result<Conn, String> {
        let named = |name: &String| ct_status::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(name));
        let status = self.status.iter().filter_map(named).fold(0, |bits, (bit, _)| bits | bit);
        Ok(Conn {
            orig: self.orig.tuple()?,
            reply: self.reply.tuple()?,
            status,
            mark: self.mark,
            zone: Zone::both(self.zone),
            tcp: self.tcp_state.as_deref().map_or(Ok(TcpState::None), tcp_state)?,
            helper: self.helper.as_deref().map_or(0, device),
            ..Conn::default()
        })
    }
}

/// A state of a TCP connection by its name in listings.
fn tcp_state(name: &str) -> Result<TcpState, String> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "NONE" => TcpState::None,
        "SYN_SENT" => TcpState::SynSent,
        "SYN_RECV" => TcpState::SynRecv,
        "ESTABLISHED" => TcpState::Established,
        "FIN_WAIT" => TcpState::FinWait,
        "CLOSE_WAIT" => TcpState::CloseWait,
        "LAST_ACK" => TcpState::LastAck,
        "TIME_WAIT" => TcpState::TimeWait,
        "CLOSE" => TcpState::Close,
        "SYN_SENT2" | "LISTEN" => TcpState::SynSent2,
        _ => return Err(format!("`{name}` is not a state of a TCP connection")),
    })
}

/// A line of a listing: the protocol's number, then `key=value` words; a second `src=` begins the reply.
fn listed(line: &str) -> Result<Conn, String> {
    let mut conn = Conn { status: ct_status::CONFIRMED | ct_status::SEEN_REPLY, ..Conn::default() };
    let mut words = line.split_whitespace().peekable();
    if words.next_if(|w| matches!(*w, "ipv4" | "ipv6")).is_some() {
        words.next();
    }
    let _name = words.next();
    let proto = words.next().and_then(|w| w.parse().ok()).ok_or("expected the protocol's name and number")?;
    let (mut sides, mut ended) = (0, false);
    for word in words {
        match word.split_once('=') {
            // Behind the tuples, and of other protocols than ICMP, it is the connection's own number.
            Some(("id", _)) if ended || !matches!(proto, 1 | 58) => {}
            Some(("src", _)) if sides == 2 => return Err("this line has more than two directions".to_owned()),
            Some((key, value)) => {
                sides += usize::from(key == "src");
                ended |= key == "use";
                set(&mut conn, sides, key, value)?;
            }
            None if word == "[UNREPLIED]" => conn.status &= !ct_status::SEEN_REPLY,
            None if word == "[ASSURED]" => conn.status |= ct_status::ASSURED,
            None if proto == 6 && word.starts_with(|c: char| c.is_ascii_uppercase()) => conn.tcp = tcp_state(word)?,
            None => {}
        }
    }
    if sides != 2 || conn.orig.family != conn.reply.family {
        return Err("expected two directions, each with src= and dst=".to_owned());
    }
    conn.orig.proto = proto;
    conn.reply.proto = proto;
    conn.status |= translated(&conn);
    Ok(conn)
}

fn set(conn: &mut Conn, side: usize, key: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("`{key}={value}` cannot be read");
    let number = || value.parse::<u64>().map_err(|_| wrong());
    let short = || value.parse::<u16>().map_err(|_| wrong());
    let (tuple, index) = if side == 2 { (&mut conn.reply, 1) } else { (&mut conn.orig, 0) };
    match key {
        "src" | "dst" => {
            let addr: IpAddr = value.parse().map_err(|_| wrong())?;
            tuple.family = if addr.is_ipv4() { 2 } else { 10 };
            *(if key == "src" { &mut tuple.saddr } else { &mut tuple.daddr }) = address(addr);
        }
        "sport" | "id" => tuple.sport = short()?,
        "dport" => tuple.dport = short()?,
        "type" => tuple.dport |= u16::from(value.parse::<u8>().map_err(|_| wrong())?) << 8,
        "code" => tuple.dport |= u16::from(value.parse::<u8>().map_err(|_| wrong())?),
        "srckey" | "dstkey" => {
            let hex = value.trim_start_matches("0x");
            let key_value = u16::from_str_radix(hex, 16).map_err(|_| wrong())?;
            *(if key == "srckey" { &mut tuple.sport } else { &mut tuple.dport }) = key_value;
        }
        "packets" => conn.packets[index] = number()?,
        "bytes" => conn.bytes[index] = number()?,
        "mark" => conn.mark = value.parse().map_err(|_| wrong())?,
        "zone" => conn.zone = Zone::both(short()?),
        "zone-orig" => conn.zone = Zone { id: short()?, counts: [true, false] },
        "zone-reply" => conn.zone = Zone { id: short()?, counts: [false, true] },
        "helper" => conn.helper = device(value),
        _ => {}
    }
    Ok(())
}

/// The status bits of translations: a destination that does not answer itself, a source that is not answered to.
fn translated(conn: &Conn) -> u128 {
    let plain = conn.orig.inverse();
    let dst = (plain.saddr, plain.sport) != (conn.reply.saddr, conn.reply.sport);
    let src = (plain.daddr, plain.dport) != (conn.reply.daddr, conn.reply.dport);
    let bit = |set: bool, bit: u128| if set { bit } else { 0 };
    ct_status::SRC_NAT_DONE | ct_status::DST_NAT_DONE | bit(src, ct_status::SRC_NAT) | bit(dst, ct_status::DST_NAT)
}

#[cfg(test)]
mod tests {
    use nettrace_grammar::Sources;

    use super::*;
    use crate::field::{bit_names, to_address};

    fn show(conn: &Conn) -> String {
        let side = |t: Tuple| {
            let addr = |a| to_address(a, u128::from(t.family));
            format!("{}:{}>{}:{}", addr(t.saddr), t.sport, addr(t.daddr), t.dport)
        };
        let status = bit_names(conn.status & !(ct_status::SRC_NAT_DONE | ct_status::DST_NAT_DONE), ct_status::ALL);
        let rest = format!("{} mark {} zone {} {:?}", conn.orig.proto, conn.mark, conn.zone.id, conn.tcp);
        format!("{} {} {status} {rest}", side(conn.orig), side(conn.reply))
    }

    fn check(text: &str, expect: &[&str], errors: usize) {
        let mut sources = Sources::default();
        let (found, diagnostics) = connections(sources.add("conntrack", text).unwrap());
        assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expect, "{text}");
        assert_eq!(diagnostics.len(), errors, "{diagnostics:?}");
    }

    #[test]
    fn listings() {
        let tcp = "1.0.0.1:4000>1.0.0.2:80 1.0.0.9:8080>1.0.0.1:4000 SEEN_REPLY,ASSURED,CONFIRMED,DNAT 6 mark 7 zone 0 Established";
        let line = "6 431999 ESTABLISHED src=1.0.0.1 dst=1.0.0.2 sport=4000 dport=80 packets=2 bytes=112 src=1.0.0.9 \
            dst=1.0.0.1 sport=8080 dport=4000 packets=1 bytes=60 [ASSURED] mark=7 use=1 id=3925245954";
        check(&format!("tcp      {line}\nconntrack v1.4.7: 1 flow entries\n"), &[tcp], 0);
        check(&format!("ipv4     2 tcp      {line}"), &[tcp], 0);
        check(
            "udp 17 29 src=fd00::1 dst=fd00::2 sport=1 dport=2 [UNREPLIED] src=fd00::2 dst=fd00::9 sport=2 dport=7 zone=5 use=1",
            &["fd00::1:1>fd00::2:2 fd00::2:2>fd00::9:7 CONFIRMED,SNAT 17 mark 0 zone 5 None"],
            0,
        );
        check(
            "icmp 1 29 src=1.0.0.1 dst=1.0.0.2 type=8 code=0 id=77 src=1.0.0.2 dst=1.0.0.1 type=0 code=0 id=77 mark=0 use=1 id=3925245954",
            &["1.0.0.1:77>1.0.0.2:2048 1.0.0.2:77>1.0.0.1:0 SEEN_REPLY,CONFIRMED 1 mark 0 zone 0 None"],
            0,
        );
        check(
            "unknown 2 598 src=1.0.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=1.0.0.1 use=1",
            &["1.0.0.1:0>224.0.0.22:0 224.0.0.22:0>1.0.0.1:0 CONFIRMED 2 mark 0 zone 0 None"],
            0,
        );
        check("nonsense\ntcp 6 1 ESTABLISHED src=1.0.0.1 dst=x\ntcp 6 1 ESTABLISHED src=1.0.0.1 dst=1.0.0.2\n", &[], 3);
    }

    #[test]
    fn json_lists() {
        let text = r#"[{"orig":{"saddr":"1.0.0.1","daddr":"1.0.0.2","proto":6,"sport":4000,"dport":80},
            "reply":{"saddr":"1.0.0.9","daddr":"1.0.0.1","proto":6,"sport":80,"dport":4000},
            "status":["confirmed","dnat","snat_done","dnat_done"],"mark":0,"tcp_state":"syn_sent"},
            {"orig":{"saddr":"fd00::1","daddr":"fd00::2","proto":58,"icmp_id":77,"icmp_type":128,"icmp_code":0},
            "reply":{"saddr":"fd00::2","daddr":"fd00::1","proto":58,"icmp_id":77,"icmp_type":129,"icmp_code":0},
            "status":["confirmed","seen_reply"],"mark":0}, {"orig": 1}]"#;
        let tcp = "1.0.0.1:4000>1.0.0.2:80 1.0.0.9:80>1.0.0.1:4000 CONFIRMED,DNAT 6 mark 0 zone 0 SynSent";
        let icmp = "fd00::1:77>fd00::2:32768 fd00::2:77>fd00::1:33024 SEEN_REPLY,CONFIRMED 58 mark 0 zone 0 None";
        check(text, &[tcp, icmp], 1);
        let list = serde_json::json!([{"orig": {"saddr": "1.0.0.1", "daddr": "fd00::2", "proto": 6},
            "reply": {"saddr": "1.0.0.1", "daddr": "1.0.0.2", "proto": 6}}]);
        assert!(connections_of_json(&list).is_err());
    }
}
