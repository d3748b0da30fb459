//! Targets that only note something: `LOG`, `NFLOG`, `AUDIT`, `CHECKSUM` and the like. The packet goes on unchanged.

use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::Cx;
use crate::lower::iptables::registry::{Extension, Opt, flag, opt};
use crate::lower::iptables::values;
use crate::model::Effect;

/// Notes it, with the prefix cut to so many bytes as the kernel keeps.
fn note(cx: &mut Cx<'_>, given: &Given<'_, '_>, prefix: &str, longest: usize) {
    let kind = cx.name(given.load.ext.name);
    let cut = |text: &str| (0..=longest.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let prefix = given.get(prefix).map(|a| cx.name(&a.text()[..cut(a.text())]));
    cx.effect(Effect::Log { kind, prefix });
}

const LOG_OPTIONS: [Opt; 7] = [
    opt("--log-prefix"),
    opt("--log-level"),
    flag("--log-tcp-sequence"),
    flag("--log-tcp-options"),
    flag("--log-ip-options"),
    flag("--log-uid"),
    flag("--log-macdecode"),
];

const LEVELS: &[(u128, &str)] = &[
    (1, "alert"),
    (2, "crit"),
    (7, "debug"),
    (0, "emerg"),
    (3, "error"),
    (6, "info"),
    (5, "notice"),
    (0, "panic"),
    (4, "warning"),
];

/// `-j LOG`.
pub const LOG: Extension = Extension::of_target("LOG", &LOG_OPTIONS, |cx, given| {
    let level = |t: &str| values::number_to(t, 7).or_else(|| values::named(t, LEVELS).map(|n| n as u64));
    given.read("--log-level", level)?;
    note(cx, given, "--log-prefix", 29);
    Ok(())
});

/// `-j NFLOG`.
pub const NFLOG: Extension = Extension::of_target(
    "NFLOG",
    &[opt("--nflog-group"), opt("--nflog-prefix"), opt("--nflog-range"), opt("--nflog-size"), opt("--nflog-threshold")],
    |cx, given| {
        given.read("--nflog-group", |t| values::number_to(t, 0xffff))?;
        given.read("--nflog-threshold", |t| values::number_to(t, 0xffff))?;
        given.read("--nflog-range", |t| values::number_to(t, 0xffff_ffff))?;
        given.read("--nflog-size", |t| values::number_to(t, 0xffff_ffff))?;
        note(cx, given, "--nflog-prefix", 63);
        Ok(())
    },
);

/// `-j CHECKSUM`.
pub const CHECKSUM: Extension = Extension::of_target("CHECKSUM", &[flag("--checksum-fill").must()], |cx, given| {
    note(cx, given, "", 0);
    Ok(())
})
.tables(&["mangle"]);
