//! `-m tcp`, `udp`, `sctp`, `dccp`: ports and what else stands in these headers.
//!
//! In the kernel they need their header first: a non-first fragment fails, a short packet is dropped on the spot.
//! iptables-nft compiles tcp's and udp's ports and flags to plain comparisons, without that need.

use crate::field::{Field, Value};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, flag, opt, pair};
use crate::lower::iptables::values;
use crate::model::{ChunkMatch, Expr, Header, Program, Test, Values};

const SPORT: Opt = opt("--sport").alias("--source-port").neg();
const DPORT: Opt = opt("--dport").alias("--destination-port").neg();

/// `-m tcp`.
pub const TCP: Extension = Extension::of_match(
    "tcp",
    &[SPORT, DPORT, pair("--tcp-flags").neg(), flag("--syn").neg(), opt("--tcp-option").neg()],
    lower_tcp,
)
.protos(&[6]);

/// `-m udp`.
pub const UDP: Extension = Extension::of_match("udp", &[SPORT, DPORT], lower_udp).protos(&[17]);

/// `-m sctp`.
pub const SCTP: Extension =
    Extension::of_match("sctp", &[SPORT, DPORT, pair("--chunk-types").neg()], lower_sctp).protos(&[132]);

/// `-m dccp`.
pub const DCCP: Extension =
    Extension::of_match("dccp", &[SPORT, DPORT, opt("--dccp-types").neg(), opt("--dccp-option").neg()], lower_dccp)
        .protos(&[33]);

const FLAGS: &[(Value, &str)] =
    &[(1, "FIN"), (2, "SYN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (0x3f, "ALL"), (0, "NONE")];

/// Mask and value of `--tcp-flags MASK FLAGS`.
fn flags(arg: &Arg<'_>) -> Result<(u32, u32), Bad> {
    if arg.opt.name == "--syn" {
        return Ok((0x17, 0x02));
    }
    let read = |text: &str| text.split(',').map(|f| values::named(f, FLAGS)).try_fold(0, |all, f| Some(all | f?));
    match arg.values.map(read) {
        [Some(mask), Some(value)] => Ok((mask as u32, value as u32)),
        [None, _] => Err(arg.bad_value(arg.values[0])),
        _ => Err(arg.bad_value(arg.values[1])),
    }
}

/// Whether iptables-nft compiles these options itself: a port or flags that say something.
fn native(cx: &Cx<'_>, given: &Given<'_, '_>) -> bool {
    let says = |a: &Arg<'_>| a.neg || values::ports(a.text()) != Some((0, 0xffff));
    let ports = given.args().any(|a| matches!(a.opt.name, "--sport" | "--dport") && says(a));
    let flags = given.has("--tcp-flags") || given.has("--syn");
    !cx.legacy() && !given.has("--tcp-option") && (ports || flags)
}

/// `! --sport A ! --dport B`, which iptables-nft compiles to one comparison of both ports: it fails only for A to B.
fn both_inverted(given: &Given<'_, '_>) -> Result<Option<[u32; 2]>, Bad> {
    let (Some(sport), Some(dport)) = (given.get("--sport"), given.get("--dport")) else { return Ok(None) };
    let one = |arg: &Arg<'_>| arg.value(values::ports).map(|(lo, hi)| (lo == hi && lo != 0).then_some(lo as u32));
    let (a, b) = (one(sport)?, one(dport)?);
    Ok(a.zip(b).filter(|_| sport.neg && dport.neg).map(|(a, b)| [a, b]))
}

fn ports(cx: &mut Cx<'_>, given: &Given<'_, '_>, native: bool) -> Result<(), Bad> {
    if native && let Some(values) = both_inverted(given)? {
        let tests = [Field::Sport, Field::Dport].into_iter().zip(values);
        let tests: Vec<_> =
            tests.map(|(field, value)| Test::Masked { field, neg: true, mask: u32::MAX, value }).collect();
        let either = cx.model.any_of(&tests);
        cx.test(either);
        return Ok(());
    }
    for (name, field) in [("--sport", Field::Sport), ("--dport", Field::Dport)] {
        let Some(arg) = given.get(name) else { continue };
        match arg.value(values::ports)? {
            (0, 0xffff) if native || !arg.neg => {}
            (0, 0xffff) => cx.test(Test::Const(false)),
            range => cx.range(field, arg.neg, range),
        }
    }
    Ok(())
}

fn lower_tcp(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let native = native(cx, given);
    if !native {
        cx.need(Header::Tcp);
    }
    ports(cx, given, native)?;
    if let (Some(_), Some(arg)) = (given.get("--tcp-flags"), given.get("--syn")) {
        return Err(arg.bad("`--tcp-flags` was given already"));
    }
    for arg in given.args() {
        match arg.opt.name {
            "--tcp-flags" | "--syn" => {
                let (mask, value) = flags(arg)?;
                cx.test(Test::Masked { field: Field::TcpFlags, neg: arg.neg, mask, value });
            }
            "--tcp-option" => {
                let kind = arg.value(|t| values::number_to(t, 255).filter(|n| *n > 0))? as u8;
                let option = cx.model.push_expr(Expr::TcpOption { kind, offset: 0, bits: 0 });
                cx.loose(arg.neg, Test::Exists(option));
            }
            _ => {}
        }
    }
    Ok(())
}

fn lower_udp(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let native = native(cx, given);
    if !native {
        cx.need(Header::Udp);
    }
    ports(cx, given, native)
}

const CHUNKS: &[(Value, &str)] = &[
    (0, "DATA"),
    (1, "INIT"),
    (2, "INIT_ACK"),
    (3, "SACK"),
    (4, "HEARTBEAT"),
    (5, "HEARTBEAT_ACK"),
    (6, "ABORT"),
    (7, "SHUTDOWN"),
    (8, "SHUTDOWN_ACK"),
    (9, "ERROR"),
    (10, "COOKIE_ECHO"),
    (11, "COOKIE_ACK"),
    (12, "ECN_ECNE"),
    (13, "ECN_CWR"),
    (14, "SHUTDOWN_COMPLETE"),
    (0xc1, "ASCONF"),
    (0x80, "ASCONF_ACK"),
    (0xc0, "FORWARD_TSN"),
    (0xc0, "FORWARD-TSN"),
    (0x40, "I_DATA"),
    (0x82, "RE_CONFIG"),
    (0x84, "PAD"),
    (0xc2, "I_FORWARD_TSN"),
];

/// Flag letters of a chunk: an upper-case one has to be set, a lower-case one unset.
const CHUNK_FLAGS: &[(char, u8)] = &[('I', 8), ('U', 4), ('B', 2), ('E', 1), ('T', 1)];

/// `DATA:Be` as type, flag mask and flag value.
fn chunk(text: &str) -> Option<(u8, u8, u8)> {
    let (name, letters) = text.split_once(':').unwrap_or((text, ""));
    let kind = values::named(name, CHUNKS)? as u8;
    let (mut mask, mut value) = (0, 0);
    for letter in letters.chars() {
        let bit = CHUNK_FLAGS.iter().find(|f| f.0 == letter.to_ascii_uppercase())?.1;
        mask |= bit;
        value |= if letter.is_ascii_uppercase() { bit } else { 0 };
    }
    Some((kind, mask, value))
}

fn lower_sctp(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need(Header::Sctp);
    ports(cx, given, false)?;
    let Some(arg) = given.get("--chunk-types") else { return Ok(()) };
    let match_kind = match arg.values[0].to_ascii_lowercase().as_str() {
        "all" => ChunkMatch::All,
        "any" => ChunkMatch::Any,
        "only" => ChunkMatch::Only,
        other => return Err(arg.bad_value(other)),
    };
    let list = arg.values[1];
    let chunks = if list.eq_ignore_ascii_case("ALL") {
        (0..=255).map(|kind| (kind, 0, 0)).collect()
    } else if list.eq_ignore_ascii_case("NONE") {
        Vec::new()
    } else {
        let read: Option<Vec<_>> = list.split(',').map(chunk).collect();
        read.ok_or_else(|| arg.bad_value(list))?
    };
    let test = cx.model.program_test(Program::SctpChunks { match_kind, chunks });
    cx.loose(arg.neg, test);
    Ok(())
}

const DCCP_TYPES: &[(Value, &str)] = &[
    (0, "REQUEST"),
    (1, "RESPONSE"),
    (2, "DATA"),
    (3, "ACK"),
    (4, "DATAACK"),
    (5, "CLOSEREQ"),
    (6, "CLOSE"),
    (7, "RESET"),
    (8, "SYNC"),
    (9, "SYNCACK"),
    (10, "INVALID"),
];

fn lower_dccp(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    cx.need(Header::Dccp);
    ports(cx, given, false)?;
    for arg in given.args() {
        match arg.opt.name {
            "--dccp-types" => {
                let read: Option<Vec<_>> = arg.text().split(',').map(|t| values::named(t, DCCP_TYPES)).collect();
                let types = read.ok_or_else(|| arg.bad_value(arg.text()))?;
                // Types 10 to 15 are all INVALID.
                let ranges = types.iter().map(|t| (*t, if *t == 10 { 15 } else { *t }));
                cx.within(Field::DccpType, arg.neg, Values::new(ranges));
            }
            "--dccp-option" => {
                let kind = arg.value(|t| values::number_to(t, 255))?;
                let test = cx.model.opaque_test(format!("--dccp-option {kind}"));
                cx.loose(arg.neg, test);
            }
            _ => {}
        }
    }
    Ok(())
}
