//! `sysctl -w net.ipv4.ip_forward=0 net.ipv4.conf.eth0.rp_filter=2`: each word sets one key.
//!
//! Left out: reading files (`-p`, `--system`).

use nettrace_grammar::{Diagnostic, Sources};

use super::{keep, refused};
use crate::host::Parts;

const HELP: &str = "`sysctl -w net.ipv4.ip_forward=1`";

/// Carries out a command on the sysctls.
pub(super) fn apply(parts: &mut Parts, sources: &mut Sources, command: &str) -> Result<(), Vec<Diagnostic>> {
    let (_, span) = keep(sources, command)?;
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    if let Some(option) = words.iter().find(|w| w.starts_with('-') && !matches!(**w, "-w" | "--write" | "-q" | "-n")) {
        return Err(refused(span, format!("`{}` is not understood here", option.escape_debug()), HELP));
    }
    let settings: Vec<&str> = words.into_iter().filter(|w| !w.starts_with('-')).collect();
    if settings.is_empty() {
        return Err(refused(span, "which sysctl is to be set?", HELP));
    }
    for setting in settings {
        let plain = setting.trim_matches(['"', '\'']);
        let Some((key, value)) = plain.split_once('=').filter(|(k, _)| !k.is_empty()) else {
            let message = format!("`{}` is not KEY=VALUE", setting.escape_debug());
            return Err(refused(span, message, HELP));
        };
        let value = value.trim_matches(['"', '\'']);
        parts.sysctls.get_or_insert_default().write(key, value).map_err(|why| refused(span, why, HELP))?;
    }
    Ok(())
}
