//! The plain extensions, as rows: option -> field. `-m ttl --ttl-lt 5` is `ttl` in 0-4, `-m mark --mark 4/4` is `mark & 4 = 4`.

use crate::field::{Field, mac};
use crate::model::{Header, Hook, Test, Values};

use super::args::{Arg, Given};
use super::cx::{Bad, Cx, Lowered};
use super::registry::{Extension, Opt, Read, Status, opt};
use super::values;

const BYTE: u64 = 0xff;
const SHORT: u64 = 0xffff;
const LONG: u64 = 0xffff_ffff;

/// Lowers every option as its row says.
pub fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    for arg in given.args() {
        if let Some((field, read)) = arg.opt.read {
            lower_one(cx, arg, field, read)?;
        }
    }
    if given.args().any(|a| a.opt.read.is_some_and(|(field, _)| field.is_conntrack())) {
        cx.need_conntrack();
    }
    Ok(())
}

fn lower_one(cx: &mut Cx<'_>, arg: &Arg<'_>, field: Field, read: Read) -> Result<(), Bad> {
    let neg = arg.neg;
    let family = cx.family;
    match read {
        Read::Number(max) => cx.range(field, neg, arg.value(|t| values::number_to(t, max)).map(|n| (n, n))?),
        Read::Range(max) => cx.range(field, neg, arg.value(|t| values::range(t, max))?),
        Read::Masked => {
            let (value, mask) = arg.value(|t| values::masked(t, LONG))?;
            cx.test(Test::Masked { field, neg, mask, value });
        }
        Read::Network => cx.masked(field, neg, arg.value(|t| values::network(t, family))?),
        Read::AddrRange => {
            // A range that is turned around is accepted, and holds nothing.
            match arg.value(|t| values::addr_range(t, family))? {
                (lo, hi) if lo > hi => cx.test(Test::Const(neg)),
                range => cx.within(field, neg, Values::new([range])),
            }
        }
        Read::Ports => cx.range(field, neg, arg.value(values::ports)?),
        Read::Protocol => {
            let proto = arg.value(|t| values::protocol(t).filter(|p| *p != 0))?;
            cx.within(field, neg, Values::one(proto.into()));
        }
        Read::Name(names) => cx.within(field, neg, Values::one(arg.value(|t| values::named(t, names))?)),
        Read::Mac => cx.within(field, neg, Values::one(arg.value(mac)?)),
        Read::Below(max) => match arg.value(|t| values::number_to(t, max))? {
            0 => cx.test(Test::Const(neg)),
            n => cx.range(field, neg, (0, n - 1)),
        },
        Read::Above(max) => match arg.value(|t| values::number_to(t, max))? {
            n if n == max => cx.test(Test::Const(neg)),
            n => cx.range(field, neg, (n + 1, max)),
        },
    }
    Ok(())
}

/// `-m comment`: no condition; the text stands beside the rule.
pub const COMMENT: Extension = Extension::of_match("comment", &[opt("--comment").must()], |cx, given| {
    if let Some(arg) = given.get("--comment") {
        if arg.text().len() > 255 {
            return Err(arg.bad("a comment is at most 255 bytes long"));
        }
        cx.draft.comment = Some(cx.model.names.append(arg.text()));
    }
    Ok(())
});

/// `-m connmark`: no connection fails it both ways.
pub const CONNMARK: Extension =
    Extension::of_fields("connmark", &[opt("--mark").neg().reads(Field::CtMark, Read::Masked)]);

/// `-m mark`.
pub const MARK: Extension = Extension::of_fields("mark", &[opt("--mark").neg().reads(Field::Mark, Read::Masked)]);

/// `-m iprange`.
pub const IPRANGE: Extension = Extension::of_fields(
    "iprange",
    &[
        opt("--src-range").neg().reads(Field::Saddr, Read::AddrRange),
        opt("--dst-range").neg().reads(Field::Daddr, Read::AddrRange),
    ],
);

/// `-m length`.
pub const LENGTH: Extension =
    Extension::of_fields("length", &[opt("--length").neg().reads(Field::Length, Read::Range(SHORT))]);

/// `-m mac`: no Ethernet header fails it both ways.
pub const MAC: Extension =
    Extension::of_fields("mac", &[opt("--mac-source").neg().reads(Field::EtherSaddr, Read::Mac)]).hooks(&[
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
    ]);

const TTL_OPTIONS: [Opt; 3] = [
    opt("--ttl-eq").alias("--ttl").neg().reads(Field::Ttl, Read::Number(BYTE)),
    opt("--ttl-lt").reads(Field::Ttl, Read::Below(BYTE)),
    opt("--ttl-gt").reads(Field::Ttl, Read::Above(BYTE)),
];

const HL_OPTIONS: [Opt; 3] = [
    opt("--hl-eq").alias("--hl").neg().reads(Field::Ttl, Read::Number(BYTE)),
    opt("--hl-lt").reads(Field::Ttl, Read::Below(BYTE)),
    opt("--hl-gt").reads(Field::Ttl, Read::Above(BYTE)),
];

/// `-m ttl`.
pub const TTL: Extension = Extension { lower: only_one, ..Extension::of_fields("ttl", &TTL_OPTIONS) }.v4();

/// `-m hl`.
pub const HL: Extension = Extension { lower: only_one, ..Extension::of_fields("hl", &HL_OPTIONS) }.v6();

fn only_one(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    match given.args().nth(1) {
        Some(arg) => Err(arg.bad("only one of these options is allowed")),
        None => lower(cx, given),
    }
}

/// `-m pkttype`.
pub const PKTTYPE: Extension = Extension::of_fields(
    "pkttype",
    &[opt("--pkt-type").neg().reads(
        Field::PktType,
        Read::Name(&[(0, "unicast"), (1, "broadcast"), (2, "multicast"), (0, "host"), (1, "bcast"), (2, "mcast")]),
    )],
);

/// Names of TOS values; a name's mask is 0x3f.
const TOS_NAMES: &[(u128, &str)] = &[
    (0x10, "Minimize-Delay"),
    (0x08, "Maximize-Throughput"),
    (0x04, "Maximize-Reliability"),
    (0x02, "Minimize-Cost"),
    (0x00, "Normal-Service"),
];

/// A TOS value with its mask: `0x10`, `0x10/0x3f`, `Minimize-Delay`.
pub fn tos(text: &str, plain_mask: u32) -> Option<(u32, u32)> {
    if let Some(value) = values::named(text, TOS_NAMES) {
        return Some((value as u32, 0x3f));
    }
    let (value, mask) = values::masked(text, BYTE)?;
    Some((value, if text.contains('/') { mask } else { plain_mask }))
}

/// `-m tos`: a name counts without the ECN bits.
pub const TOS: Extension = Extension::of_match("tos", &[opt("--tos").neg().must()], |cx, given| {
    for arg in given.args() {
        let (value, mask) = arg.value(|t| tos(t, 0xff))?;
        cx.test(Test::Masked { field: Field::Tos, neg: arg.neg, mask, value });
    }
    Ok(())
});

/// DSCP classes.
const DSCP_CLASSES: &[(u128, &str)] = &[
    (0x00, "CS0"),
    (0x08, "CS1"),
    (0x10, "CS2"),
    (0x18, "CS3"),
    (0x20, "CS4"),
    (0x28, "CS5"),
    (0x30, "CS6"),
    (0x38, "CS7"),
    (0x00, "BE"),
    (0x0a, "AF11"),
    (0x0c, "AF12"),
    (0x0e, "AF13"),
    (0x12, "AF21"),
    (0x14, "AF22"),
    (0x16, "AF23"),
    (0x1a, "AF31"),
    (0x1c, "AF32"),
    (0x1e, "AF33"),
    (0x22, "AF41"),
    (0x24, "AF42"),
    (0x26, "AF43"),
    (0x2e, "EF"),
];

/// The DSCP value that `value_option` or `class_option` gives; exactly one of them has to be there.
pub fn dscp(given: &Given<'_, '_>, value_option: &str, class_option: &str) -> Result<(u32, bool), Bad> {
    match (given.get(value_option), given.get(class_option)) {
        (Some(_), Some(arg)) => Err(arg.bad("the value was given already")),
        (Some(arg), None) => Ok((arg.value(|t| values::number_to(t, 0x3f))? as u32, arg.neg)),
        (None, Some(arg)) => Ok((arg.value(|t| values::named(t, DSCP_CLASSES))? as u32, arg.neg)),
        (None, None) => Err(given.bad(format!("`{value_option}` or `{class_option}` is missing"))),
    }
}

/// `-m dscp`.
pub const DSCP: Extension =
    Extension::of_match("dscp", &[opt("--dscp").neg(), opt("--dscp-class").neg()], |cx, given| {
        let (value, neg) = dscp(given, "--dscp", "--dscp-class")?;
        cx.test(Test::Masked { field: Field::Tos, neg, mask: 0xfc, value: value << 2 });
        Ok(())
    });

/// `-m cpu`.
pub const CPU: Extension =
    Extension::of_fields("cpu", &[opt("--cpu").neg().must().reads(Field::Cpu, Read::Number(LONG))])
        .note(Status::Assumed, "which processor it will be is a fact");

/// `-m devgroup`.
pub const DEVGROUP: Extension = Extension::of_fields(
    "devgroup",
    &[
        opt("--src-group").neg().reads(Field::IifGroup, Read::Masked),
        opt("--dst-group").neg().reads(Field::OifGroup, Read::Masked),
    ],
)
.note(Status::Full, "groups by number");

/// `-m realm`.
pub const REALM: Extension =
    Extension::of_fields("realm", &[opt("--realm").neg().must().reads(Field::Realm, Read::Masked)])
        .v4()
        .note(Status::Full, "realms by number")
        .hooks(&[Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting]);

/// `-m tcpmss`: no such option fails it, and `!` then holds.
pub const TCPMSS: Extension = Extension::of_match("tcpmss", &[opt("--mss").neg().must()], |cx, given| {
    cx.need(Header::TcpAnywhere);
    for arg in given.args() {
        let (lo, hi) = arg.value(|t| values::range(t, SHORT))?;
        let test = cx.model.field_test(Field::TcpMss, false, Values::new([(lo.into(), hi.into())]));
        cx.loose(arg.neg, test);
    }
    Ok(())
})
.protos(&[6]);
