//! `-j HMARK`: `--hmark-tuple src,dst,sport,dport --hmark-rnd 0xfeedcafe --hmark-mod 10 --hmark-offset 1000` sets the mark to
//! a number from 1000 to 1009 that follows from the packet's tuple. What is hashed stands in `eval/hmark.rs`.

use crate::field::{Field, Value};
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, opt};
use crate::lower::iptables::values;
use crate::model::{Expr, HashKind, ones};

const LONG: u64 = 0xffff_ffff;

const OPTIONS: [Opt; 13] = [
    opt("--hmark-tuple"),
    opt("--hmark-mod").must(),
    opt("--hmark-offset"),
    opt("--hmark-src-prefix"),
    opt("--hmark-dst-prefix"),
    opt("--hmark-sport-mask"),
    opt("--hmark-dport-mask"),
    opt("--hmark-spi-mask"),
    opt("--hmark-sport"),
    opt("--hmark-dport"),
    opt("--hmark-spi"),
    opt("--hmark-proto-mask"),
    opt("--hmark-rnd").must(),
];

/// `-j HMARK`.
pub const HMARK: Extension = Extension::of_target("HMARK", &OPTIONS, lower);

/// What is hashed: masks for the addresses, the protocol and the two ports (or the SPI) as one word, and bits set in that.
#[derive(Default)]
struct Masks {
    saddr: Value,
    daddr: Value,
    proto: u64,
    ports: u64,
    set: u64,
    /// Of the connection's tuple.
    connection: bool,
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let number = |name: &str| given.read(name, |t| values::number_to(t, LONG)).map(Option::unwrap_or_default);
    let (modulus, offset, seed) = (number("--hmark-mod")?, number("--hmark-offset")?, number("--hmark-rnd")?);
    if modulus == 0 {
        return Err(given.bad("`--hmark-mod` is at least 1"));
    }
    let masks = masks(cx, given)?;
    let (kind, fields) = if masks.connection {
        let fields = [Field::CtOrigSrc, Field::CtReplSrc, Field::CtProto, Field::CtOrigSport, Field::CtReplSport];
        (HashKind::HmarkCt, fields)
    } else {
        (HashKind::Hmark, [Field::Saddr, Field::Daddr, Field::Proto, Field::Sport, Field::Dport])
    };
    let consts = [masks.saddr, masks.daddr, masks.proto.into(), masks.ports.into(), masks.set.into()];
    let mut parts = fields.map(|f| cx.model.field_expr(f)).to_vec();
    parts.extend(consts.map(|v| cx.model.const_expr(v)));
    let of = cx.model.concat_expr(&parts);
    let hash = Expr::Hash { kind, of, seed: Some(seed as u32), modulus: modulus as u32, offset: offset as u32 };
    let hash = cx.model.push_expr(hash);
    cx.set(Field::Mark, hash);
    Ok(())
}

impl Masks {
    /// One word of `--hmark-tuple`; `None`: it is none.
    fn add(&mut self, word: &str, all: Value) -> Option<()> {
        let names = [(0, "ct"), (1, "src"), (2, "dst"), (3, "sport"), (4, "dport"), (5, "proto"), (6, "spi")];
        match values::shortened(word, &names)? {
            0 => self.connection = true,
            1 => self.saddr = all,
            2 => self.daddr = all,
            3 => self.ports |= 0xffff << 16,
            4 => self.ports |= 0xffff,
            5 => self.proto = 0xffff,
            _ => self.ports = LONG,
        }
        Some(())
    }
}

/// The masks, in the order of the command line, as the tool lays them over each other.
fn masks(cx: &Cx<'_>, given: &Given<'_, '_>) -> Result<Masks, Bad> {
    let family = cx.family;
    let all = ones(values::addr_bits(family));
    let mut m = Masks::default();
    for arg in given.args() {
        let number = |max| arg.value(|t| values::number_to(t, max));
        match arg.opt.name {
            "--hmark-tuple" => {
                let read = arg.text().split(',').try_for_each(|word| m.add(word, all));
                read.ok_or_else(|| arg.bad_value(arg.text()))?;
            }
            "--hmark-src-prefix" => m.saddr = arg.value(|t| values::mask(t, family))?,
            "--hmark-dst-prefix" => m.daddr = arg.value(|t| values::mask(t, family))?,
            "--hmark-sport-mask" => m.ports = m.ports & 0xffff | number(0xffff)? << 16,
            "--hmark-dport-mask" => m.ports = m.ports & 0xffff << 16 | number(0xffff)?,
            "--hmark-spi-mask" => m.ports = number(LONG)?,
            "--hmark-sport" => m.set = m.set & 0xffff | number(0xffff)? << 16,
            "--hmark-dport" => m.set = m.set & 0xffff << 16 | number(0xffff)?,
            "--hmark-spi" => m.set = number(LONG)?,
            "--hmark-proto-mask" => m.proto = number(0xffff)?,
            _ => {}
        }
    }
    combined(given)?;
    Ok(m)
}

/// What may not stand together, and what has to be there.
fn combined(given: &Given<'_, '_>) -> Lowered {
    let words = given.get("--hmark-tuple").map_or("", |a| a.text());
    let has =
        |names: &[&str]| names.iter().any(|n| given.has(n) || words.split(',').any(|w| w.eq_ignore_ascii_case(n)));
    if has(&["spi", "--hmark-spi-mask"]) && has(&["sport", "dport", "--hmark-sport-mask", "--hmark-dport-mask"]) {
        return Err(given.bad("`HMARK` takes ports or an SPI, not both"));
    }
    let plain = ["--hmark-mod", "--hmark-offset", "--hmark-rnd"];
    if given.args().all(|a| plain.contains(&a.opt.name)) {
        return Err(given.bad("`HMARK` needs `--hmark-tuple`, or a mask"));
    }
    Ok(())
}
