//! The connections a host expects, from `conntrack -L expect`: what a helper foresaw for a connection that is there.
//!
//! ```text
//! 299 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=5000 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535
//!     master-src=10.0.0.1 master-dst=10.0.0.2 sport=4000 dport=21 class=0 helper=ftp
//! ```
//!
//! On one line. Left out: the time left, the class, what the helper lets be translated (no listing tells), and JSON and XML.

use std::net::IpAddr;

use nettrace_grammar::{Diagnostic, Source};

use super::json;
use crate::field::{address, device};
use crate::state::{Expectation, Tuple};

/// The expectations of a listing; a line that cannot be read leaves a diagnostic.
pub fn expectations(source: &Source) -> (Vec<Expectation>, Vec<Diagnostic>) {
    let (mut found, mut diagnostics) = (Vec::new(), Vec::new());
    for text in source.text.lines() {
        let line = text.trim();
        if line.is_empty() || line.starts_with("conntrack v") {
            continue;
        }
        match listed(line) {
            Ok(expected) => found.extend(expected),
            Err(why) => diagnostics.push(json::malformed(json::span_of(source, text), why)),
        }
    }
    (found, diagnostics)
}

/// What the values of a line belong to.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Expected,
    Mask,
    Master,
}

/// The expectation of a line; none for one that is not in force.
fn listed(line: &str) -> Result<Option<Expectation>, String> {
    let mut e = Expectation::default();
    let (mut side, mut addresses) = (Side::Expected, 0);
    for word in line.split_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            if word.contains("INACTIVE") {
                return Ok(None);
            }
            e.permanent |= word.contains("PERMANENT");
            continue;
        };
        let wrong = || format!("`{word}` cannot be read");
        let (tuple, key) = match (key.strip_prefix("mask-"), key.strip_prefix("master-")) {
            (Some(key), _) => {
                side = Side::Mask;
                (&mut e.mask, key)
            }
            (_, Some(key)) => {
                side = Side::Master;
                (&mut e.master, key)
            }
            _ => match side {
                Side::Expected => (&mut e.tuple, key),
                Side::Mask => (&mut e.mask, key),
                Side::Master => (&mut e.master, key),
            },
        };
        match key {
            "src" | "dst" => {
                address_of(tuple, key == "src", value).ok_or_else(wrong)?;
                addresses += 1;
            }
            "sport" => tuple.sport = value.parse().map_err(|_| wrong())?,
            "dport" => tuple.dport = value.parse().map_err(|_| wrong())?,
            "proto" => e.tuple.proto = value.parse().map_err(|_| wrong())?,
            "zone" => e.zone = value.parse().map_err(|_| wrong())?,
            "helper" => e.helper = device(value),
            _ => {}
        }
    }
    if addresses != 6 {
        return Err("expected a connection, a mask and the connection that it belongs to".to_owned());
    }
    e.master.proto = e.tuple.proto;
    Ok(Some(e))
}

fn address_of(tuple: &mut Tuple, source: bool, text: &str) -> Option<()> {
    let addr: IpAddr = text.parse().ok()?;
    tuple.family = if addr.is_ipv4() { 2 } else { 10 };
    *(if source { &mut tuple.saddr } else { &mut tuple.daddr }) = address(addr);
    Some(())
}

#[cfg(test)]
mod tests {
    use nettrace_grammar::Sources;

    use super::*;

    #[test]
    fn lines_as_conntrack_prints_them() {
        let text = "299 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=5000 mask-src=255.255.255.255 mask-dst=255.255.255.255 \
                    sport=0 dport=65535 master-src=10.0.0.1 master-dst=10.0.0.2 sport=4000 dport=21 class=0 helper=ftp\n\
                    conntrack v1.4.7 (conntrack-tools): 1 expectations have been shown.\n3 proto=6 src=x\n";
        let mut sources = Sources::default();
        let (found, diagnostics) = expectations(sources.add("expect", text).unwrap());
        assert_eq!((found.len(), diagnostics.len()), (1, 1));
        let e = &found[0];
        assert_eq!((e.tuple.dport, e.mask.sport, e.master.dport, e.helper), (5000, 0, 21, device("ftp")));
        let mut tuple = Tuple { sport: 777, ..e.tuple };
        assert!(e.foresees(&tuple, 0));
        tuple.saddr += 1;
        assert!(!e.foresees(&tuple, 0));
    }
}
