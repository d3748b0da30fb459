//! Matches on headers that few packets have: `ah`, `esp`, `ipcomp`, and IPv6's `hbh`, `dst`, `frag`, `rt`, `srh`, `mh`,
//! `ipv6header`, `eui64`.
//!
//! A packet without the header fails them both ways.

use crate::field::{Field, Value};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, flag, opt};
use crate::lower::iptables::values;
use crate::model::{Base, BinOp, Expr, ExprId, Family, Header, Hook, Program, Relation, Test, Values};

const LONG: u64 = 0xffff_ffff;

/// `-m ah` of iptables.
pub const AH4: Extension = Extension::of_match("ah", &[opt("--ahspi").neg()], |cx, given| {
    cx.need(Header::Ah);
    spi(cx, given, Field::Spi)
})
.v4()
.protos(&[51]);

/// `-m esp`.
pub const ESP: Extension = Extension::of_match("esp", &[opt("--espspi").neg()], |cx, given| {
    cx.need(Header::Esp);
    spi(cx, given, Field::Spi)
})
.protos(&[50]);

/// `-m ipcomp`.
pub const IPCOMP: Extension =
    Extension::of_match("ipcomp", &[opt("--ipcompspi").neg(), flag("--compres")], |cx, given| {
        cx.need(Header::Comp);
        spi(cx, given, Field::Cpi)
    })
    .protos(&[108]);

fn spi(cx: &mut Cx<'_>, given: &Given<'_, '_>, field: Field) -> Lowered {
    for arg in given.args().filter(|a| a.opt.args > 0) {
        let range = arg.value(|t| values::range(t, LONG))?;
        if range != (0, LONG) || arg.neg {
            cx.range(field, arg.neg, range);
        }
    }
    Ok(())
}

/// Protocol numbers of IPv6 extension headers.
const HOP: u8 = 0;
const ROUTING: u8 = 43;
const AUTH: u8 = 51;
const DESTINATION: u8 = 60;

fn part(cx: &mut Cx<'_>, kind: u8, offset: u16, bits: u16) -> ExprId {
    cx.model.push_expr(Expr::ExtHeader { kind, offset, bits })
}

fn exists(cx: &mut Cx<'_>, kind: u8) {
    let header = part(cx, kind, 0, 0);
    cx.test(Test::Exists(header));
}

/// Adds `lo <= bits of the header <= hi`, strictly negated.
fn within(cx: &mut Cx<'_>, (kind, offset, bits): (u8, u16, u16), neg: bool, (lo, hi): (u64, u64)) {
    let expr = part(cx, kind, offset, bits);
    let test = cx.model.expr_test(expr, neg, Values::new([(lo.into(), hi.into())]));
    cx.test(test);
}

/// Adds a test of a header's length in bytes, which stands in its second byte in units of 8, less one.
fn length(cx: &mut Cx<'_>, kind: u8, arg: &Arg<'_>) -> Result<(), Bad> {
    let bytes = arg.value(|t| values::number_to(t, LONG))?;
    match (bytes / 8).checked_sub(1) {
        Some(units) if bytes.is_multiple_of(8) => within(cx, (kind, 8, 8), arg.neg, (units, units)),
        _ => cx.test(Test::Const(arg.neg)),
    }
    Ok(())
}

/// `-m ah` of ip6tables.
pub const AH6: Extension =
    Extension::of_match("ah", &[opt("--ahspi").neg(), opt("--ahlen").neg(), flag("--ahres")], |cx, given| {
        exists(cx, AUTH);
        for arg in given.args() {
            match arg.opt.name {
                "--ahspi" => match arg.value(|t| values::range(t, LONG))? {
                    (0, LONG) if !arg.neg => {}
                    range => within(cx, (AUTH, 32, 32), arg.neg, range),
                },
                "--ahlen" => match arg.value(|t| values::number_to(t, LONG))? {
                    // The header says its length in units of 4 bytes, less two.
                    bytes if bytes.is_multiple_of(4) && bytes >= 8 => {
                        within(cx, (AUTH, 8, 8), arg.neg, (bytes / 4 - 2, bytes / 4 - 2));
                    }
                    _ => cx.test(Test::Const(arg.neg)),
                },
                _ => within(cx, (AUTH, 16, 16), false, (0, 0)),
            }
        }
        Ok(())
    })
    .v6();

/// `-m hbh`.
pub const HBH: Extension =
    Extension::of_match("hbh", &[opt("--hbh-len").neg(), opt("--hbh-opts"), flag("--hbh-not-strict")], |cx, given| {
        options(cx, given, HOP)
    })
    .v6();

/// `-m dst`.
pub const DST: Extension =
    Extension::of_match("dst", &[opt("--dst-len").neg(), opt("--dst-opts"), flag("--dst-not-strict")], |cx, given| {
        options(cx, given, DESTINATION)
    })
    .v6();

/// `TYPE[:LENGTH]`.
fn option(text: &str) -> Option<(u8, Option<u8>)> {
    let byte = |t: &str| values::number_to(t, 255).map(|n| n as u8);
    match text.split_once(':') {
        Some((kind, len)) => Some((byte(kind)?, Some(byte(len)?))),
        None => byte(text).map(|kind| (kind, None)),
    }
}

fn options(cx: &mut Cx<'_>, given: &Given<'_, '_>, header: u8) -> Lowered {
    exists(cx, header);
    let strict = !given.args().any(|a| a.opt.name.ends_with("-not-strict"));
    for arg in given.args() {
        if arg.opt.name.ends_with("-len") {
            length(cx, header, arg)?;
        } else if arg.opt.name.ends_with("-opts") {
            let options = arg.value(|t| t.split(',').map(option).collect::<Option<Vec<_>>>())?;
            let test = cx.model.program_test(Program::Ipv6Options { header, options, strict });
            cx.test(test);
        }
    }
    Ok(())
}

const FRAG_OPTIONS: [Opt; 6] = [
    opt("--fragid").neg(),
    opt("--fraglen").neg(),
    flag("--fragres"),
    flag("--fragfirst"),
    flag("--fragmore"),
    flag("--fraglast"),
];

/// `-m frag`.
pub const FRAG: Extension = Extension::of_match("frag", &FRAG_OPTIONS, |cx, given| {
    const FRAGMENT: u8 = 44;
    cx.test(Test::Masked { field: Field::ExtHeaders, neg: false, mask: 8, value: 8 });
    if let (Some(_), Some(arg)) = (given.get("--fragmore"), given.get("--fraglast")) {
        return Err(arg.bad("`--fragmore` was given already"));
    }
    for arg in given.args() {
        match arg.opt.name {
            "--fragid" => within(cx, (FRAGMENT, 32, 32), arg.neg, arg.value(|t| values::range(t, LONG))?),
            "--fragres" => within(cx, (FRAGMENT, 8, 8), false, (0, 0)),
            "--fragfirst" => cx.range(Field::FragOffset, false, (0, 0)),
            "--fragmore" => cx.test(Test::Masked { field: Field::FragFlags, neg: false, mask: 1, value: 1 }),
            "--fraglast" => cx.test(Test::Masked { field: Field::FragFlags, neg: false, mask: 1, value: 0 }),
            _ => {}
        }
    }
    Ok(())
})
.v6();

const RT_OPTIONS: [Opt; 6] = [
    opt("--rt-type").neg(),
    opt("--rt-segsleft").neg(),
    opt("--rt-len").neg(),
    flag("--rt-0-res"),
    opt("--rt-0-addrs"),
    flag("--rt-0-not-strict"),
];

/// `-m rt`.
pub const RT: Extension = Extension::of_match("rt", &RT_OPTIONS, |cx, given| {
    exists(cx, ROUTING);
    for arg in given.args() {
        match arg.opt.name {
            "--rt-type" => within(cx, (ROUTING, 16, 8), arg.neg, arg.value(|t| values::range(t, 255))?),
            "--rt-segsleft" => within(cx, (ROUTING, 24, 8), arg.neg, arg.value(|t| values::range(t, LONG))?),
            "--rt-len" => length(cx, ROUTING, arg)?,
            "--rt-0-res" => within(cx, (ROUTING, 32, 32), false, (0, 0)),
            "--rt-0-addrs" => {
                let one = |t: &str| values::addr(t, Family::Ip6);
                let addrs = arg.value(|t| t.split(',').map(one).collect::<Option<Vec<_>>>())?;
                let strict = !given.has("--rt-0-not-strict");
                let test = cx.model.program_test(Program::RtAddrs { addrs, strict });
                cx.test(test);
            }
            _ => {}
        }
    }
    Ok(())
})
.v6();

const SRH_OPTIONS: [Opt; 14] = [
    opt("--srh-next-hdr").neg(),
    opt("--srh-hdr-len-eq").neg(),
    opt("--srh-hdr-len-gt").neg(),
    opt("--srh-hdr-len-lt").neg(),
    opt("--srh-segs-left-eq").neg(),
    opt("--srh-segs-left-gt").neg(),
    opt("--srh-segs-left-lt").neg(),
    opt("--srh-last-entry-eq").neg(),
    opt("--srh-last-entry-gt").neg(),
    opt("--srh-last-entry-lt").neg(),
    opt("--srh-tag").neg(),
    opt("--srh-psid").neg(),
    opt("--srh-nsid").neg(),
    opt("--srh-lsid").neg(),
];

/// `-m srh`: a routing header of type 4.
pub const SRH: Extension = Extension::of_match("srh", &SRH_OPTIONS, |cx, given| {
    within(cx, (ROUTING, 16, 8), false, (4, 4));
    given.args().try_for_each(|arg| srh_option(cx, arg))
})
.v6();

fn srh_option(cx: &mut Cx<'_>, arg: &Arg<'_>) -> Result<(), Bad> {
    let name = arg.opt.name;
    let offset = match name {
        "--srh-next-hdr" => {
            let proto = arg.value(|t| values::protocol(t).map(u64::from))?;
            within(cx, (ROUTING, 0, 8), arg.neg, (proto, proto));
            return Ok(());
        }
        "--srh-tag" => {
            let tag = arg.value(|t| values::number_to(t, 0xffff))?;
            within(cx, (ROUTING, 48, 16), arg.neg, (tag, tag));
            return Ok(());
        }
        "--srh-psid" | "--srh-nsid" | "--srh-lsid" => return segment(cx, arg),
        _ if name.starts_with("--srh-hdr-len") => 8,
        _ if name.starts_with("--srh-segs-left") => 24,
        _ => 32,
    };
    let n = arg.value(|t| values::number_to(t, 255))?;
    let range = match name.rsplit('-').next() {
        Some("eq") => (n, n),
        Some("gt") => (n + 1, 255),
        _ => (0, n.saturating_sub(1)),
    };
    if range.0 > 255 || (name.ends_with("-lt") && n == 0) {
        cx.test(Test::Const(arg.neg));
    } else {
        within(cx, (ROUTING, offset, 8), arg.neg, range);
    }
    Ok(())
}

/// The last segment stands first in the list; where the one before and the next stand, the packet tells.
fn segment(cx: &mut Cx<'_>, arg: &Arg<'_>) -> Result<(), Bad> {
    let (value, mask) = arg.value(|t| values::network(t, Family::Ip6))?;
    if arg.opt.name != "--srh-lsid" {
        let next = arg.opt.name == "--srh-nsid";
        let test = cx.model.program_test(Program::Segment { next, value, mask, neg: arg.neg });
        cx.test(test);
        return Ok(());
    }
    let last = part(cx, ROUTING, 64, 128);
    let mask = cx.model.const_expr(mask);
    let masked = cx.model.bin_expr(BinOp::And, last, mask);
    let test = cx.model.expr_test(masked, arg.neg, Values::one(value));
    cx.test(test);
    Ok(())
}

const MH_TYPES: &[(Value, &str)] = &[
    (0, "binding-refresh-request"),
    (0, "brr"),
    (1, "home-test-init"),
    (1, "hoti"),
    (2, "careof-test-init"),
    (2, "coti"),
    (3, "home-test"),
    (3, "hot"),
    (4, "careof-test"),
    (4, "cot"),
    (5, "binding-update"),
    (5, "bu"),
    (6, "binding-acknowledgement"),
    (6, "ba"),
    (7, "binding-error"),
    (7, "be"),
];

/// `-m mh`.
pub const MH: Extension = Extension::of_match("mh", &[opt("--mh-type").neg()], |cx, given| {
    cx.need(Header::Mh);
    let one = |t: &str| values::number_to(t, 255).or_else(|| values::named(t, MH_TYPES).map(|n| n as u64));
    for arg in given.args() {
        let (lo, hi) = arg.value(|t| values::range_by(t, b':', 255, one))?;
        let kind = cx.model.push_expr(Expr::Bytes { base: Base::Transport, offset: 16, bits: 8 });
        let test = cx.model.expr_test(kind, arg.neg, Values::new([(lo.into(), hi.into())]));
        cx.test(test);
    }
    Ok(())
})
.v6()
.protos(&[135]);

/// Bits of [`Field::ExtHeaders`], and one more for "a protocol follows".
const PROT: Value = 0x100;
const NO_PROTOCOL: Value = 0x60;
const HEADERS: &[(Value, &str)] = &[
    (1, "hop"),
    (1, "hop-by-hop"),
    (2, "dst"),
    (2, "ipv6-opts"),
    (4, "route"),
    (4, "ipv6-route"),
    (8, "frag"),
    (8, "ipv6-frag"),
    (16, "auth"),
    (16, "ah"),
    (32, "esp"),
    (64, "none"),
    (64, "ipv6-nonxt"),
    (PROT, "prot"),
    (PROT, "proto"),
    (PROT, "protocol"),
];

/// `-m ipv6header`: exactly these headers, or (`--soft`) at least these.
pub const IPV6HEADER: Extension =
    Extension::of_match("ipv6header", &[opt("--header").neg().must(), flag("--soft")], |cx, given| {
        let Some(arg) = given.get("--header") else { return Ok(()) };
        let one = |t: &str| match values::number_to(t, 255) {
            Some(0) => Some(1),
            Some(60) => Some(2),
            Some(43) => Some(4),
            Some(44) => Some(8),
            Some(51) => Some(16),
            Some(50) => Some(32),
            Some(59) => Some(64),
            Some(_) => None,
            None => values::named(t, HEADERS),
        };
        let all = arg.value(|t| t.split(',').map(one).try_fold(0, |all, bit| Some(all | bit?)))?;
        let (prot, wanted) = (all & PROT != 0, (all & 0xff) as u32);
        let masked = |mask, value, neg| Test::Masked { field: Field::ExtHeaders, neg, mask, value };
        if given.has("--soft") {
            if wanted != 0 {
                cx.test(masked(wanted, if arg.neg { 0 } else { wanted }, false));
            }
            if prot {
                cx.test(masked(NO_PROTOCOL as u32, 0, arg.neg));
            }
            return Ok(());
        }
        // Either a protocol follows, or the list ends with ESP or "none".
        let possible = prot != (wanted & NO_PROTOCOL as u32 != 0);
        let test = if possible { masked(0xff, wanted, arg.neg) } else { Test::Const(arg.neg) };
        cx.test(test);
        Ok(())
    })
    .v6();

/// `-m eui64`: the address's last half is made of the sender's MAC address.
pub const EUI64: Extension = Extension::of_match("eui64", &[], |cx, _| {
    let part = |cx: &mut Cx<'_>, field: Field, shift: Value, mask: Value, flip: Value| {
        let whole = cx.model.field_expr(field);
        let (shift, mask, flip) = (cx.model.const_expr(shift), cx.model.const_expr(mask), cx.model.const_expr(flip));
        let moved = cx.model.bin_expr(BinOp::Shr, whole, shift);
        let cut = cx.model.bin_expr(BinOp::And, moved, mask);
        cx.model.bin_expr(BinOp::Xor, cut, flip)
    };
    for (shift, mac_shift, flip) in [(40, 24, 0x02_0000), (0, 0, 0)] {
        let left = part(cx, Field::Saddr, shift, 0xff_ffff, flip);
        let right = part(cx, Field::EtherSaddr, mac_shift, 0xff_ffff, 0);
        cx.test(Test::Relation { rel: Relation::Eq, left, right });
    }
    cx.masked(Field::Saddr, false, (0xfffe << 24, 0xffff << 24));
    Ok(())
})
.v6()
.hooks(&[Hook::Prerouting, Hook::Input, Hook::Forward]);
