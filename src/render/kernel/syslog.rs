//! A packet's bytes as LOG and TRACE print them (`nf_log_syslog.c`): `SRC=10.0.0.1 DST=… PROTO=ICMP TYPE=3 CODE=1 [SRC=… ] `.
//!
//! With all that the kernel's trace asks for: sequence numbers and the options of TCP and IP. Every item ends with a blank. What is
//! known of no byte is a zero.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The bytes, and what is printed so far.
struct Dump<'a> {
    bytes: &'a [u8],
    out: String,
}

/// Prints a packet; `false`: its end is missing, and the kernel prints nothing behind it.
pub(super) fn packet(bytes: &[u8], v6: bool) -> (String, bool) {
    let mut dump = Dump { bytes, out: String::new() };
    let whole = if v6 { dump.ip6(0, true) } else { dump.ip4(0) };
    (dump.out, whole.is_some())
}

/// Bytes that an ICMP message of a type must have to be printed further (`required_len`).
fn required(kind: u8) -> usize {
    match kind {
        0 | 8 => 4,
        3 | 4 | 5 | 11 | 12 => 28,
        13 | 14 => 20,
        17 | 18 => 12,
        _ => 0,
    }
}

impl Dump<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from(self.byte(at)) << 8 | u16::from(self.byte(at + 1))
    }

    fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at)) << 16 | u32::from(self.word(at + 2))
    }

    fn say(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.out.write_fmt(args);
    }

    /// Whether a header of this size is there; says so if it is not.
    fn has(&mut self, at: usize, size: usize) -> bool {
        let left = self.bytes.len().saturating_sub(at);
        if left < size {
            self.say(format_args!("INCOMPLETE [{left} bytes] "));
        }
        left >= size
    }

    fn options(&mut self, at: usize, size: usize) -> Option<()> {
        if size > 0 {
            let hex = super::hex(self.bytes.get(at..at + size)?).to_uppercase();
            self.say(format_args!("OPT ({hex}) "));
        }
        Some(())
    }

    fn ip4(&mut self, at: usize) -> Option<()> {
        let left = self.bytes.len().saturating_sub(at);
        if left < 20 {
            self.out.push_str("TRUNCATED");
            return None;
        }
        let (src, dst) = (Ipv4Addr::from(self.long(at + 12)), Ipv4Addr::from(self.long(at + 16)));
        let (tos, ttl, id) = (self.byte(at + 1), self.byte(at + 8), self.word(at + 4));
        let length = self.word(at + 2);
        self.say(format_args!("SRC={src} DST={dst} LEN={length} TOS=0x{:02X} PREC=0x{:02X} ", tos & 0x1e, tos & 0xe0));
        self.say(format_args!("TTL={ttl} ID={id} "));
        let fragment = self.word(at + 6);
        for (bit, name) in [(0x8000, "CE "), (0x4000, "DF "), (0x2000, "MF ")] {
            if fragment & bit != 0 {
                self.out.push_str(name);
            }
        }
        let offset = fragment & 0x1fff;
        if offset != 0 {
            self.say(format_args!("FRAG:{offset} "));
        }
        let header = usize::from(self.byte(at) & 15) * 4;
        self.options(at + 20, header.saturating_sub(20))?;
        let next = at + header;
        match self.byte(at + 9) {
            1 => self.icmp4(next, offset != 0, at == 0),
            51 if offset != 0 => {}
            proto @ (50 | 51) => self.ipsec(proto, next, offset != 0),
            proto => return self.layer4(proto, next, offset != 0),
        }
        Some(())
    }

    fn icmp4(&mut self, at: usize, later: bool, outermost: bool) {
        self.out.push_str("PROTO=ICMP ");
        if later || !self.has(at, 8) {
            return;
        }
        let (kind, code) = (self.byte(at), self.byte(at + 1));
        self.say(format_args!("TYPE={kind} CODE={code} "));
        if !self.has(at, required(kind)) {
            return;
        }
        match kind {
            0 | 8 => self.say(format_args!("ID={} SEQ={} ", self.word(at + 4), self.word(at + 6))),
            12 => self.say(format_args!("PARAMETER={} ", self.byte(at + 4))),
            3 | 4 | 5 | 11 => {
                if kind == 5 {
                    self.say(format_args!("GATEWAY={} ", Ipv4Addr::from(self.long(at + 4))));
                }
                if outermost {
                    self.out.push('[');
                    let _ = self.ip4(at + 8);
                    self.out.push_str("] ");
                }
                if (kind, code) == (3, 4) {
                    self.say(format_args!("MTU={} ", self.word(at + 6)));
                }
            }
            _ => {}
        }
    }

    fn ipsec(&mut self, proto: u8, at: usize, later: bool) {
        let (name, size, spi) = if proto == 50 { ("ESP", 8, at) } else { ("AH", 12, at + 4) };
        self.say(format_args!("PROTO={name} "));
        if !later && self.has(at, size) {
            self.say(format_args!("SPI=0x{:x} ", self.long(spi)));
        }
    }

    fn layer4(&mut self, proto: u8, at: usize, later: bool) -> Option<()> {
        let (name, size) = match proto {
            6 => ("TCP", 20),
            17 => ("UDP", 8),
            136 => ("UDPLITE", 8),
            other => {
                self.say(format_args!("PROTO={other} "));
                return Some(());
            }
        };
        self.say(format_args!("PROTO={name} "));
        if later {
            return Some(());
        }
        if !self.has(at, size) {
            return None;
        }
        self.say(format_args!("SPT={} DPT={} ", self.word(at), self.word(at + 2)));
        if proto == 6 {
            return self.tcp(at);
        }
        self.say(format_args!("LEN={} ", self.word(at + 4)));
        Some(())
    }

    fn tcp(&mut self, at: usize) -> Option<()> {
        let (offset, flags) = (self.byte(at + 12), self.byte(at + 13));
        self.say(format_args!("SEQ={} ACK={} ", self.long(at + 4), self.long(at + 8)));
        self.say(format_args!("WINDOW={} RES=0x{:02x} ", self.word(at + 14), (offset & 0xe) << 2));
        if offset & 1 != 0 {
            self.out.push_str("AE ");
        }
        for (bit, name) in [
            (128, "CWR "),
            (64, "ECE "),
            (32, "URG "),
            (16, "ACK "),
            (8, "PSH "),
            (4, "RST "),
            (2, "SYN "),
            (1, "FIN "),
        ] {
            if flags & bit != 0 {
                self.out.push_str(name);
            }
        }
        self.say(format_args!("URGP={} ", self.word(at + 18)));
        let size = usize::from(offset >> 4) * 4;
        let options = self.options(at + 20, size.saturating_sub(20));
        if options.is_none() {
            self.out.push_str("OPT (TRUNCATED)");
        }
        options
    }

    fn ip6(&mut self, at: usize, outermost: bool) -> Option<()> {
        if self.bytes.len().saturating_sub(at) < 40 {
            self.out.push_str("TRUNCATED");
            return None;
        }
        let address = |at: usize| {
            let halves = [0, 4, 8, 12].map(|i| u128::from(self.long(at + i)));
            // Eight groups of four digits, as `%pI6` prints.
            let address = Ipv6Addr::from_bits(halves.iter().fold(0, |all, part| all << 32 | part));
            address.segments().map(|group| format!("{group:04x}")).join(":")
        };
        let (src, dst, first) = (address(at + 8), address(at + 24), self.long(at));
        let (length, hops) = (u32::from(self.word(at + 4)) + 40, self.byte(at + 7));
        self.say(format_args!("SRC={src} DST={dst} LEN={length} TC={} ", first >> 20 & 0xff));
        self.say(format_args!("HOPLIMIT={hops} FLOWLBL={} ", first & 0xf_ffff));
        let (proto, next, later) = self.extensions(self.byte(at + 6), at + 40)?;
        if proto != 58 {
            return self.layer4(proto, next, later);
        }
        self.icmp6(next, later, outermost)
    }

    /// Prints the extension headers; what follows them, where it begins, and whether it is a later fragment.
    fn extensions(&mut self, mut proto: u8, mut at: usize) -> Option<(u8, usize, bool)> {
        let mut later = false;
        while matches!(proto, 0 | 43 | 44 | 50 | 51 | 60) {
            if self.bytes.len() < at + 2 {
                self.out.push_str("TRUNCATED");
                return None;
            }
            self.out.push_str("OPT ( ");
            let size = match proto {
                44 => {
                    later |= self.fragment(at)?;
                    8
                }
                _ if later => {
                    self.out.push(')');
                    return None;
                }
                50 | 51 => self.ipsec6(proto, at)?,
                _ => (usize::from(self.byte(at + 1)) + 1) * 8,
            };
            self.out.push_str(") ");
            (proto, at) = (self.byte(at), at + size);
        }
        Some((proto, at, later))
    }

    /// Prints a fragment header; whether the fragment is a later one.
    fn fragment(&mut self, at: usize) -> Option<bool> {
        self.out.push_str("FRAG:");
        if self.bytes.len() < at + 8 {
            self.out.push_str("TRUNCATED ");
            return None;
        }
        let word = self.word(at + 2);
        self.say(format_args!("{} ", word & 0xfff8));
        if word & 1 != 0 {
            self.out.push_str("INCOMPLETE ");
        }
        self.say(format_args!("ID:{:08x} ", self.long(at + 4)));
        Some(word & 0xfff8 != 0)
    }

    /// Prints AH or ESP as an extension header; nothing is printed behind ESP.
    fn ipsec6(&mut self, proto: u8, at: usize) -> Option<usize> {
        let (name, size, spi) = if proto == 50 { ("ESP", 8, at) } else { ("AH", 12, at + 4) };
        self.say(format_args!("{name} "));
        if !self.has(at, size) {
            self.out.push(')');
            return None;
        }
        self.say(format_args!("SPI=0x{:x} ", self.long(spi)));
        if proto == 50 {
            self.out.push(')');
            return None;
        }
        Some((usize::from(self.byte(at + 1)) + 2) * 4)
    }

    fn icmp6(&mut self, at: usize, later: bool, outermost: bool) -> Option<()> {
        self.out.push_str("PROTO=ICMPv6 ");
        if later {
            return Some(());
        }
        if !self.has(at, 8) {
            return None;
        }
        let (kind, code) = (self.byte(at), self.byte(at + 1));
        self.say(format_args!("TYPE={kind} CODE={code} "));
        match kind {
            128 | 129 => self.say(format_args!("ID={} SEQ={} ", self.word(at + 4), self.word(at + 6))),
            1..=4 => {
                if kind == 4 {
                    self.say(format_args!("POINTER={:08x} ", self.long(at + 4)));
                }
                if outermost {
                    self.out.push('[');
                    let _ = self.ip6(at + 8, false);
                    self.out.push_str("] ");
                }
                if kind == 2 {
                    self.say(format_args!("MTU={} ", self.long(at + 4)));
                }
            }
            _ => {}
        }
        Some(())
    }
}
