//! Sysctls, from `sysctl -a` (`net.ipv4.ip_forward = 1`) or a JSON object (`{"net.ipv4.ip_forward": "1"}`).
//!
//! The keys of a device whose name has a dot are written with a slash (`net.ipv4.conf.bond0/1000.forwarding`); both are
//! understood. Where a key was not given, the lookups use a default and say so.

use nettrace_grammar::{Diagnostic, Source};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use super::{Assumed, Family, Host, Parts, json};

/// Keys and values as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    values: FxHashMap<Box<str>, Box<str>>,
    /// The numbers of `net.ipv4.conf.DEVICE.NAME` by name and device: routing asks for them for every packet.
    conf4: FxHashMap<Box<str>, FxHashMap<Box<str>, i64>>,
}

const CONF4: &str = "net.ipv4.conf.";

impl Sysctls {
    /// The value of a key as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        // Keys are asked for in the spelling that they are kept in, but for those that people give.
        let kept = self.values.get(key);
        let found = if kept.is_none() && key.contains(['/', ' ']) { self.values.get(&*normal(key)) } else { kept };
        found.map(|v| &**v)
    }

    /// The value of a key as a number.
    pub fn number(&self, key: &str) -> Option<i64> {
        number(self.text(key)?)
    }

    /// The number of a device's IPv4 setting.
    fn conf4(&self, dev: &str, name: &str) -> Option<i64> {
        if dev.contains(['/', ' ']) {
            return self.number(&format!("{CONF4}{dev}.{name}"));
        }
        self.conf4.get(name)?.get(dev).copied()
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = normal(key);
        if let Some((dev, name)) = key.strip_prefix(CONF4).and_then(|k| k.rsplit_once('.')) {
            let devices = self.conf4.entry(name.into()).or_default();
            match number(value) {
                Some(n) => devices.insert(dev.into(), n),
                None => devices.remove(dev),
            };
        }
        self.values.insert(key.into(), value.trim().into());
    }

    /// Sets a key as the running kernel does: who turns forwarding on or off for all turns it for every device.
    ///
    /// # Errors
    /// What is wrong with it: no packet's way depends on such a key, or the value is no number.
    pub fn write(&mut self, key: &str, value: &str) -> Result<(), String> {
        let key = normal(key);
        if !is_known(&key) {
            let near = KNOWN.iter().min_by_key(|k| strsim::levenshtein(k, &key)).copied().unwrap_or("");
            return Err(format!("no packet's way depends on a sysctl `{key}`; one that it may depend on is `{near}`"));
        }
        if value.trim().parse::<i64>().is_err() {
            return Err(format!("`{}` is no number, and {key} takes one", value.trim().escape_debug()));
        }
        let family = match &*key {
            "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding" => Some("net.ipv4.conf."),
            "net.ipv6.conf.all.forwarding" => Some("net.ipv6.conf."),
            _ => None,
        };
        if let Some(prefix) = family {
            let device = |k: &&str| k.starts_with(prefix) && k.ends_with(".forwarding");
            let mut all: Vec<String> =
                self.values.keys().map(|k| &**k).filter(device).map(ToString::to_string).collect();
            all.push(format!("{prefix}all.forwarding"));
            all.extend((prefix == "net.ipv4.conf.").then(|| "net.ipv4.ip_forward".to_string()));
            for k in &all {
                self.set(k, value);
            }
        }
        self.set(&key, value);
        Ok(())
    }
}

/// The sysctls that the lookups and the walk read; `*` stands for a device, `all` or `default`.
const KNOWN: &[&str] = &[
    "net.ipv4.ip_forward",
    "net.ipv4.conf.*.forwarding",
    "net.ipv4.conf.*.rp_filter",
    "net.ipv4.conf.*.route_localnet",
    "net.ipv4.conf.*.accept_local",
    "net.ipv4.conf.*.src_valid_mark",
    "net.ipv4.conf.*.bc_forwarding",
    "net.ipv4.conf.*.send_redirects",
    "net.ipv6.conf.*.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.netfilter.nf_conntrack_tcp_loose",
];

fn is_known(key: &str) -> bool {
    KNOWN.iter().any(|known| match known.split_once('*') {
        Some((before, after)) => {
            key.strip_prefix(before).and_then(|k| k.strip_suffix(after)).is_some_and(|d| !d.is_empty())
        }
        None => *known == key,
    })
}

fn number(text: &str) -> Option<i64> {
    text.split_whitespace().next()?.parse().ok()
}

/// One spelling for a key: dots everywhere (`/proc/sys/net/…` and `net/…` too).
fn normal(key: &str) -> String {
    let key = key.trim();
    key.strip_prefix("/proc/sys/").unwrap_or(key).replace('/', ".")
}

pub(super) fn read(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let sysctls = parts.sysctls.get_or_insert_default();
    if source.text.trim_start().starts_with('{') { read_json(sysctls, source) } else { read_text(sysctls, source) }
}

fn read_json(sysctls: &mut Sysctls, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let object: Result<std::collections::BTreeMap<String, &RawValue>, _> = serde_json::from_str(&source.text);
    let object = match object {
        Ok(object) => object,
        Err(error) => {
            let span = json::span_of(source, &source.text);
            return vec![Diagnostic::error("NT401", span, format!("this is not a JSON object: {error}"))];
        }
    };
    for (key, raw) in object {
        match serde_json::from_str::<serde_json::Value>(raw.get()) {
            Ok(serde_json::Value::String(text)) => sysctls.set(&key, &text),
            Ok(value @ serde_json::Value::Number(_)) => sysctls.set(&key, &value.to_string()),
            Ok(serde_json::Value::Bool(value)) => sysctls.set(&key, if value { "1" } else { "0" }),
            _ => diagnostics.push(json::malformed(
                json::span_of(source, raw.get()),
                format!("the value of `{key}` is neither text nor a number"),
            )),
        }
    }
    diagnostics
}

fn read_text(sysctls: &mut Sysctls, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for line in source.text.lines() {
        let text = line.trim();
        // `sysctl -a` mixes what it could not read into its output; configuration files have comments.
        if text.is_empty() || text.starts_with(['#', ';']) || text.starts_with("sysctl: ") {
            continue;
        }
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => sysctls.set(key.trim_start_matches('-'), value),
            _ => diagnostics.push(json::malformed(json::span_of(source, line), "expected `key = value`")),
        }
    }
    diagnostics
}

/// How the kernel combines a device's setting with that of `all`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Combine {
    /// On if either is.
    Or,
    /// The greater of both.
    Max,
    /// On only if both are.
    And,
}

impl Host {
    /// A sysctl's value, if given.
    pub fn sysctl(&self, key: &str) -> Option<i64> {
        self.parts.sysctls.as_ref()?.number(key)
    }

    /// A sysctl's value, or `default`, which then is an assumption.
    pub fn sysctl_or(&self, key: &str, default: i64, assumed: &mut Vec<Assumed>) -> i64 {
        self.sysctl(key).unwrap_or_else(|| {
            let note = Assumed::Sysctl { key: key.to_owned(), value: default };
            if !assumed.contains(&note) {
                assumed.push(note);
            }
            default
        })
    }

    /// Whether the device passes packets of a family on.
    ///
    /// Where nothing tells, it does: unlike a new kernel's default, but a host that is asked about a packet for somewhere
    /// else most probably forwards, and the assumption is listed.
    pub fn forwards(&self, dev: &str, family: Family, assumed: &mut Vec<Assumed>) -> bool {
        let v4 = family == Family::V4;
        let (all, old) = if v4 {
            ("net.ipv4.conf.all.forwarding", "net.ipv4.ip_forward")
        } else {
            ("net.ipv6.conf.all.forwarding", "net.ipv6.conf.all.forwarding")
        };
        let own = v4.then(|| self.given4(dev, "forwarding")).flatten();
        let given = own.or_else(|| self.sysctl(all)).or_else(|| self.sysctl(old));
        given.unwrap_or_else(|| self.sysctl_or(old, 1, assumed)) > 0
    }

    fn given4(&self, dev: &str, name: &str) -> Option<i64> {
        self.parts.sysctls.as_ref()?.conf4(dev, name)
    }

    /// An IPv4 setting of a device, combined with that of `all` as the kernel does.
    pub(super) fn conf4(&self, dev: &str, name: &str, how: Combine, assumed: &mut Vec<Assumed>) -> i64 {
        let default = i64::from(name == "send_redirects");
        let get = |of: &str| self.given4(of, name);
        let (all, own) = (get("all"), get(dev));
        let decided = |v: i64| match how {
            Combine::Or => v > 0,
            Combine::And => v == 0,
            Combine::Max => false,
        };
        if let Some(v) = all.filter(|v| decided(*v)).or_else(|| own.filter(|v| decided(*v))) {
            return v;
        }
        let mut value = |of: &str, given: Option<i64>, default| {
            given.unwrap_or_else(|| self.sysctl_or(&format!("net.ipv4.conf.{of}.{name}"), default, assumed))
        };
        let all = value("all", all, default);
        // A device that is not known has what new devices get.
        let of = if dev.is_empty() { "default" } else { dev };
        let own =
            value(of, own.or_else(|| get("default").filter(|_| dev.is_empty())), get("default").unwrap_or(default));
        match how {
            Combine::Or => i64::from(all > 0 || own > 0),
            Combine::And => i64::from(all > 0 && own > 0),
            Combine::Max => all.max(own),
        }
    }

    /// Whether addresses in 127/8 are routed by the device.
    pub fn route_localnet(&self, dev: &str, assumed: &mut Vec<Assumed>) -> bool {
        self.conf4(dev, "route_localnet", Combine::Or, assumed) > 0
    }

    /// Whether bridged packets of a family pass the IP hooks; 1 is what a loaded `br_netfilter` starts with.
    pub fn bridge_nf_call(&self, family: Family, assumed: &mut Vec<Assumed>) -> bool {
        let key = match family {
            Family::V4 => "net.bridge.bridge-nf-call-iptables",
            Family::V6 => "net.bridge.bridge-nf-call-ip6tables",
        };
        self.sysctl_or(key, 1, assumed) > 0
    }
}
