//! Sysctls, from `sysctl -a` (`net.ipv4.ip_forward = 1`) or a JSON object (`{"net.ipv4.ip_forward": "1"}`).
//!
//! The keys of a device whose name has a dot are written with a slash (`net.ipv4.conf.bond0/1000.forwarding`); both are
//! understood. Where a key was not given, the lookups use a default and say so.

use std::fmt;

use nettrace_grammar::{Diagnostic, Source};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use super::{Assumed, Family, Host, Parts, json};
use crate::field::{DeviceName, device, device_name};

/// An IPv4 setting that every device has (`net.ipv4.conf.DEVICE.NAME`), as far as a packet's way depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conf4 {
    /// Passes packets on.
    Forwarding,
    /// Checks sources: 0 not, 1 by the way back, 2 by any way.
    RpFilter,
    /// Routes addresses in 127/8.
    RouteLocalnet,
    /// Takes packets from the host's own addresses.
    AcceptLocal,
    /// The source check uses the mark.
    SrcValidMark,
    /// Passes broadcasts on.
    BcForwarding,
    /// Tells senders of a better way.
    SendRedirects,
    /// Takes packets that bring their route.
    AcceptSourceRoute,
}

impl Conf4 {
    const ALL: [Conf4; 8] = [
        Conf4::Forwarding,
        Conf4::RpFilter,
        Conf4::RouteLocalnet,
        Conf4::AcceptLocal,
        Conf4::SrcValidMark,
        Conf4::BcForwarding,
        Conf4::SendRedirects,
        Conf4::AcceptSourceRoute,
    ];

    /// The last part of the key.
    fn name(self) -> &'static str {
        match self {
            Conf4::Forwarding => "forwarding",
            Conf4::RpFilter => "rp_filter",
            Conf4::RouteLocalnet => "route_localnet",
            Conf4::AcceptLocal => "accept_local",
            Conf4::SrcValidMark => "src_valid_mark",
            Conf4::BcForwarding => "bc_forwarding",
            Conf4::SendRedirects => "send_redirects",
            Conf4::AcceptSourceRoute => "accept_source_route",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// What a kernel starts with.
    fn default(self) -> i64 {
        i64::from(self == Conf4::SendRedirects)
    }
}

/// The key of a sysctl; shown as `sysctl -a` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SysctlKey {
    /// A key as it stands.
    Plain(&'static str),
    /// A device's IPv4 setting; the device may be `all` or `default`.
    Device(DeviceName, Conf4),
}

impl SysctlKey {
    fn device(name: &str, conf: Conf4) -> Self {
        SysctlKey::Device(device_name(device(name)), conf)
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SysctlKey::Plain(key) => f.write_str(key),
            SysctlKey::Device(name, conf) => write!(f, "{CONF4}{name}.{}", conf.name()),
        }
    }
}

/// One device's settings, by the number of [`Conf4`]; what was not given is `None`.
type DeviceConf = [Option<i64>; Conf4::ALL.len()];

/// Keys and values as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    values: FxHashMap<Box<str>, Box<str>>,
    /// The same values of the devices' IPv4 settings: routing asks for them for every packet.
    conf4: FxHashMap<Box<str>, DeviceConf>,
    /// Those of `all`, by which a device's are overruled.
    all4: DeviceConf,
    /// Those of `default`, which a new device gets.
    default4: DeviceConf,
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

    /// A device's IPv4 settings.
    fn conf4(&self, dev: &str) -> Option<&DeviceConf> {
        match dev {
            "all" => Some(&self.all4),
            "default" => Some(&self.default4),
            _ => self.conf4.get(dev),
        }
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = normal(key);
        let conf = key.strip_prefix(CONF4).and_then(|k| k.rsplit_once('.'));
        if let Some((dev, conf)) = conf.and_then(|(dev, name)| Some((dev, Conf4::from_name(name)?))) {
            let of = match dev {
                "all" => &mut self.all4,
                "default" => &mut self.default4,
                _ => self.conf4.entry(dev.into()).or_default(),
            };
            of[conf as usize] = number(value);
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
            let near = nearest(&key);
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

/// The sysctls that the lookups and the walk read, besides those of [`Conf4`]; `*` stands for a device, `all` or `default`.
const KNOWN: &[&str] = &[
    "net.ipv4.ip_forward",
    "net.ipv6.conf.*.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.netfilter.nf_conntrack_checksum",
    "net.netfilter.nf_conntrack_tcp_loose",
];

/// All of them.
fn known() -> impl Iterator<Item = String> {
    let of_devices = Conf4::ALL.into_iter().map(|c| format!("{CONF4}*.{}", c.name()));
    KNOWN.iter().map(ToString::to_string).chain(of_devices)
}

/// The one that a wrong key is most likely meant for: `rp_filter` is that of a device.
fn nearest(key: &str) -> String {
    let last = |k: &str| k.rsplit('.').next().unwrap_or(k).to_string();
    let far = |k: &String| (strsim::levenshtein(&last(k), &last(key)), strsim::levenshtein(k, key));
    known().min_by_key(far).unwrap_or_default().replace('*', "all")
}

fn is_known(key: &str) -> bool {
    known().any(|known| match known.split_once('*') {
        Some((before, after)) => {
            key.strip_prefix(before).and_then(|k| k.strip_suffix(after)).is_some_and(|d| !d.is_empty())
        }
        None => known == key,
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
    pub fn sysctl_or(&self, key: SysctlKey, default: i64, assumed: &mut Vec<Assumed>) -> i64 {
        let given = match key {
            SysctlKey::Plain(key) => self.sysctl(key),
            SysctlKey::Device(dev, conf) => self.given4(&dev, conf),
        };
        given.unwrap_or_else(|| {
            let note = Assumed::Sysctl { key, value: default };
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
        let all = if v4 { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" };
        let given = |dev| self.given4(dev, Conf4::Forwarding).filter(|_| v4);
        let own = given(dev).or_else(|| given("all"));
        own.unwrap_or_else(|| self.sysctl_or(SysctlKey::Plain(all), 1, assumed)) > 0
    }

    pub(super) fn given4(&self, dev: &str, conf: Conf4) -> Option<i64> {
        self.parts.sysctls.as_ref()?.conf4(dev)?[conf as usize]
    }

    /// An IPv4 setting of a device, combined with that of `all` as the kernel does.
    pub(super) fn conf4(&self, dev: &str, conf: Conf4, how: Combine, assumed: &mut Vec<Assumed>) -> i64 {
        let default = conf.default();
        let get = |of: &str| self.given4(of, conf);
        let decided = |v: i64| match how {
            Combine::Or => v > 0,
            Combine::And => v == 0,
            Combine::Max => false,
        };
        let all = get("all");
        if let Some(v) = all.filter(|v| decided(*v)) {
            return v;
        }
        let own = get(dev);
        if let Some(v) = own.filter(|v| decided(*v)) {
            return v;
        }
        let mut value = |of: &str, default| self.sysctl_or(SysctlKey::device(of, conf), default, assumed);
        let all = all.unwrap_or_else(|| value("all", default));
        let own = own.unwrap_or_else(|| match get("default") {
            // A device that is not known has what new devices get.
            Some(given) if dev.is_empty() => given,
            given => value(if dev.is_empty() { "default" } else { dev }, given.unwrap_or(default)),
        });
        match how {
            Combine::Or => i64::from(all > 0 || own > 0),
            Combine::And => i64::from(all > 0 && own > 0),
            Combine::Max => all.max(own),
        }
    }

    /// Whether addresses in 127/8 are routed by the device.
    pub fn route_localnet(&self, dev: &str, assumed: &mut Vec<Assumed>) -> bool {
        self.conf4(dev, Conf4::RouteLocalnet, Combine::Or, assumed) > 0
    }

    /// Whether bridged packets of a family pass the IP hooks; 1 is what a loaded `br_netfilter` starts with.
    pub fn bridge_nf_call(&self, family: Family, assumed: &mut Vec<Assumed>) -> bool {
        let key = match family {
            Family::V4 => "net.bridge.bridge-nf-call-iptables",
            Family::V6 => "net.bridge.bridge-nf-call-ip6tables",
        };
        self.sysctl_or(SysctlKey::Plain(key), 1, assumed) > 0
    }

    /// Whether a device takes IPv4 packets that bring their route (RFC 791 source routes): `all` and the device have to.
    pub fn accepts_source_routes(&self, dev: &str, assumed: &mut Vec<Assumed>) -> bool {
        let mut is_on =
            |of, default| self.sysctl_or(SysctlKey::device(of, Conf4::AcceptSourceRoute), default, assumed) != 0;
        is_on("all", 0) && is_on(dev, 1)
    }
}
