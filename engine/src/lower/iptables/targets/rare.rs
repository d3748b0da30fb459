//! Targets that few rulesets use: `AUDIT`, `LED`, `IDLETIMER`, `RATEEST`, `ULOG`, `SECMARK`, `CONNSECMARK`, `SYNPROXY`,
//! `TCPOPTSTRIP`, `SNPT`, `DNPT`, and `CLUSTERIP` and `MIRROR`, which are only kept as text.

use crate::field::{Field, Value};
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt};
use crate::lower::iptables::rule::spelled;
use crate::lower::iptables::values;
use crate::model::{Effect, Expr, Family, Hook, Op};

const LONG: u64 = 0xffff_ffff;

fn note(cx: &mut Cx<'_>, given: &Given<'_, '_>, prefix: &str) {
    let kind = cx.name(given.load.ext.name);
    let prefix = given.get(prefix).map(|a| cx.name(a.text()));
    cx.effect(Effect::Log { kind, prefix });
}

/// `-j AUDIT`.
pub const AUDIT: Extension = Extension::of_target("AUDIT", &[opt("--type").must()], |cx, given| {
    given.read("--type", |t| matches!(t, "accept" | "drop" | "reject").then_some(()))?;
    note(cx, given, "--type");
    Ok(())
});

/// `-j IDLETIMER`.
pub const IDLETIMER: Extension = Extension::of_target(
    "IDLETIMER",
    &[opt("--timeout").must(), opt("--label").must(), flag("--alarm")],
    |cx, given| {
        given.read("--timeout", |t| values::number_to(t, LONG))?;
        note(cx, given, "--label");
        Ok(())
    },
);

/// `-j LED`.
pub const LED: Extension = Extension::of_target(
    "LED",
    &[opt("--led-trigger-id").must(), opt("--led-delay"), flag("--led-always-blink")],
    |cx, given| {
        note(cx, given, "--led-trigger-id");
        Ok(())
    },
);

/// `-j RATEEST`.
pub const RATEEST: Extension = Extension::of_target(
    "RATEEST",
    &[opt("--rateest-name").must(), opt("--rateest-interval").must(), opt("--rateest-ewmalog").must()],
    |cx, given| {
        note(cx, given, "--rateest-name");
        Ok(())
    },
);

/// `-j ULOG`.
pub const ULOG: Extension = Extension::of_target(
    "ULOG",
    &[opt("--ulog-nlgroup"), opt("--ulog-prefix"), opt("--ulog-cprange"), opt("--ulog-qthreshold")],
    |cx, given| {
        note(cx, given, "--ulog-prefix");
        Ok(())
    },
)
.v4();

/// `-j SECMARK`.
pub const SECMARK: Extension = Extension::of_target("SECMARK", &[opt("--selctx").must()], |cx, given| {
    if let Some(arg) = given.get("--selctx") {
        // A context is known by its text; the text's number stands for it.
        let context = cx.name(arg.text());
        cx.set_const(Field::Secmark, Value::from(context.0) + 1);
    }
    Ok(())
})
.tables(&["mangle", "security"]);

/// `-j CONNSECMARK`.
pub const CONNSECMARK: Extension =
    Extension::of_target("CONNSECMARK", &[flag("--save"), flag("--restore")], |cx, given| {
        if given.args().count() != 1 {
            return Err(given.bad("one of `--save` and `--restore` is needed"));
        }
        cx.need_conntrack();
        note(cx, given, "");
        Ok(())
    })
    .note(Status::Full, "no effect on the walk")
    .tables(&["mangle", "security"]);

/// `-j SYNPROXY`.
pub const SYNPROXY: Extension = Extension::of_target(
    "SYNPROXY",
    &[flag("--sack-perm"), flag("--timestamp"), opt("--wscale"), opt("--mss"), flag("--ecn")],
    |cx, given| {
        given.read("--wscale", |t| values::number_to(t, 14))?;
        given.read("--mss", |t| values::number_to(t, 0xffff))?;
        cx.need_conntrack();
        cx.effect(Effect::Synproxy { loose: false });
        Ok(())
    },
)
.protos(&[6])
.hooks(&[Hook::Input, Hook::Forward]);

const TCP_OPTIONS: &[(Value, &str)] =
    &[(3, "wscale"), (2, "mss"), (4, "sack-permitted"), (5, "sack"), (8, "timestamp"), (19, "md5")];

/// `-j TCPOPTSTRIP`.
pub const TCPOPTSTRIP: Extension = Extension::of_target("TCPOPTSTRIP", &[opt("--strip-options")], |cx, given| {
    let one = |t: &str| {
        let number = values::number_to(t, 255).filter(|n| *n > 1);
        number.map(|n| n as u8).or_else(|| values::named(t, TCP_OPTIONS).map(|n| n as u8))
    };
    let list = given.read("--strip-options", |t| t.split(',').map(one).collect::<Option<Vec<_>>>())?;
    cx.effect(Effect::Strip(list.unwrap_or_default()));
    Ok(())
})
.protos(&[6])
.tables(&["mangle"]);

/// `-j SNPT`.
pub const SNPT: Extension = Extension::of_target("SNPT", &NPT_OPTIONS, |cx, given| npt(cx, given, Field::Saddr))
    .v6()
    .tables(&["mangle"])
    .hooks(&[Hook::Input, Hook::Postrouting]);

/// `-j DNPT`.
pub const DNPT: Extension = Extension::of_target("DNPT", &NPT_OPTIONS, |cx, given| npt(cx, given, Field::Daddr))
    .v6()
    .tables(&["mangle"])
    .hooks(&[Hook::Prerouting, Hook::Output]);

const NPT_OPTIONS: [Opt; 2] = [opt("--src-pfx").must(), opt("--dst-pfx").must()];

fn npt(cx: &mut Cx<'_>, given: &Given<'_, '_>, field: Field) -> Lowered {
    let source = given.read("--src-pfx", |t| values::network(t, Family::Ip6))?;
    let destination = given.read("--dst-pfx", |t| values::network(t, Family::Ip6))?;
    if source.map(|s| s.1) != destination.map(|d| d.1) {
        return Err(given.bad("both prefixes have to be of the same length"));
    }
    let (Some((from, mask)), Some((to, _))) = (source, destination) else { return Ok(()) };
    if mask.leading_ones() > 64 {
        return Err(given.bad("a prefix of at most 64 bits is needed"));
    }
    let (addr, from, to) = (cx.model.field_expr(field), cx.model.const_expr(from), cx.model.const_expr(to));
    let new = cx.model.push_expr(Expr::Npt { addr, from, to, length: mask.leading_ones() as u8 });
    cx.set(field, new);
    Ok(())
}

fn text_only(cx: &mut Cx<'_>, given: &Given<'_, '_>) {
    let text = cx.model.push_text(spelled(&given.load, given));
    cx.draft.ops.push(Op::Opaque(text));
}

const CLUSTERIP_OPTIONS: [Opt; 6] = [
    flag("--new"),
    opt("--hashmode"),
    opt("--clustermac"),
    opt("--total-nodes"),
    opt("--local-node"),
    opt("--hash-init"),
];

/// `-j CLUSTERIP`, gone from current kernels.
pub const CLUSTERIP: Extension = Extension::of_target("CLUSTERIP", &CLUSTERIP_OPTIONS, |cx, given| {
    text_only(cx, given);
    Ok(())
})
.v4()
.note(Status::Opaque, "gone from current kernels");

/// `-j MIRROR`, gone from current kernels.
pub const MIRROR: Extension = Extension::of_target("MIRROR", &[], |cx, given| {
    text_only(cx, given);
    Ok(())
})
.v4()
.note(Status::Opaque, "gone from current kernels");
