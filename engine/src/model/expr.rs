//! Expressions: what a test compares and what a write stores. Small, in one arena, named by [`ExprId`].

use crate::field::{Field, Value};

use super::{LookupId, Span32};

/// An expression in [`super::Model::exprs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExprId(pub u32);

/// Where raw bytes are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// Link layer header.
    Link,
    /// IP header.
    Network,
    /// Layer 4 header (IPv6: behind the extension headers).
    Transport,
    /// Layer 4 payload.
    Inner,
}

/// Operators on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left, cut to 32 bits.
    Shl,
    /// Shift right.
    Shr,
    /// Add, stopping at 255 (TTL).
    AddSat8,
    /// Subtract, stopping at 0 (TTL).
    SubSat,
    /// Division; by 0 it gives 0.
    Div,
    /// Add.
    Add,
    /// Remainder.
    Mod,
    /// The smaller one.
    Min,
}

/// An address that a route or an address type is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The packet's source.
    Src,
    /// The packet's destination.
    Dst,
}

/// What a `fib` lookup gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FibResult {
    /// Address type, an rtnetlink `RTN_*` number (unicast 1, local 2, broadcast 3, …).
    Type,
    /// Index of the output device, 0 for none.
    Oif,
    /// Name of the output device, empty for none.
    OifName,
    /// Whether there is an output device.
    Present,
}

/// A lookup in the routing tables (nft `fib`, xt `addrtype` and `rpfilter`; semantics.md 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fib {
    /// Which address.
    pub side: Side,
    /// The packet's mark takes part.
    pub mark: bool,
    /// Limited to the incoming device.
    pub iif: bool,
    /// Limited to the outgoing device.
    pub oif: bool,
    /// What is asked for.
    pub result: FibResult,
}

/// `-m rpfilter` with its options; 1 when the reverse path is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RpFilter {
    /// `--loose`: any route will do.
    pub loose: bool,
    /// `--validmark`: the mark takes part.
    pub validmark: bool,
    /// `--accept-local`.
    pub accept_local: bool,
}

/// Hash functions of `jhash`, `symhash` and `-m cluster`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashKind {
    /// Jenkins hash of the operand with a seed: computable when the seed is given.
    Jhash,
    /// The kernel's symmetric flow hash: seeded at boot, so a chance.
    Symhash,
    /// `-m cluster`: Jenkins hash of the connection's original source.
    Cluster,
    /// `HMARK`'s hash of the packet's tuple; the operand is that of [`crate::eval`]'s `hmark`.
    Hmark,
    /// The same of the connection's tuple (`--hmark-tuple ct`).
    HmarkCt,
}

/// An expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A field of the packet.
    Field(Field),
    /// A constant.
    Const(Value),
    /// `bits` bits at bit `offset` of a header; absent when the packet is shorter. With `header` the layer 4 protocol's
    /// own header is meant only by dependency tests that stand in front, never here.
    Bytes {
        /// Counted from where.
        base: Base,
        /// Offset in bits.
        offset: u32,
        /// Width in bits, at most 128.
        bits: u32,
    },
    /// `bits` bits at bit `offset` of TCP option `kind`, or whether it exists (`bits` 0).
    TcpOption {
        /// Option kind.
        kind: u8,
        /// Offset in bits from the option's first byte.
        offset: u16,
        /// Width in bits, 0 for existence.
        bits: u16,
    },
    /// The same of an IPv4 option.
    IpOption {
        /// Option type byte.
        kind: u8,
        /// Offset in bits.
        offset: u16,
        /// Width in bits, 0 for existence.
        bits: u16,
    },
    /// The same of an IPv6 extension header (protocol number `kind`).
    ExtHeader {
        /// Protocol number of the header.
        kind: u8,
        /// Offset in bits.
        offset: u16,
        /// Width in bits, 0 for existence.
        bits: u16,
    },
    /// The same of an SCTP chunk.
    SctpChunk {
        /// Chunk type.
        kind: u8,
        /// Offset in bits.
        offset: u16,
        /// Width in bits, 0 for existence.
        bits: u16,
    },
    /// 1 when the expression has a value, 0 when it is absent.
    Exists(ExprId),
    /// Two operands.
    Bin(BinOp, ExprId, ExprId),
    /// The operand with its lowest `n` bytes in reverse order.
    Swap(ExprId, u8),
    /// A concatenation: the expressions of [`super::Model::expr_lists`] in this range. Only as the key of a lookup.
    Concat(Span32),
    /// Data of a map's element for a key; absent (the rule misses) without an element.
    Map {
        /// The map and the key.
        lookup: LookupId,
        /// Which part of concatenated data.
        part: u8,
        /// The upper end of an interval instead of the lower.
        upper: bool,
    },
    /// A lookup in the routing tables.
    Fib(Fib),
    /// IPv6 `addrtype` bits (semantics.md 5.3), bit `n` for the type that rtnetlink numbers `n`: 0 UNSPEC, 1 UNICAST and
    /// 5 MULTICAST from the address alone; 2 LOCAL, 4 ANYCAST, 7 UNREACHABLE from a real route lookup.
    AddrType6 {
        /// Which address.
        side: Side,
        /// The route must use the incoming device.
        iif: bool,
        /// The route must use the outgoing device.
        oif: bool,
    },
    /// Reverse path check.
    RpFilter(RpFilter),
    /// `numgen inc mod M offset O`: a counter of this place; `numgen random`: a chance.
    Numgen {
        /// Random instead of counting.
        random: bool,
        /// Modulus, at least 1.
        modulus: u32,
        /// Added to the result.
        offset: u32,
    },
    /// A hash of an operand.
    Hash {
        /// Which function.
        kind: HashKind,
        /// What is hashed (a concatenation is hashed as its bytes).
        of: ExprId,
        /// Seed, if the rule gives one.
        seed: Option<u32>,
        /// Modulus, at least 1.
        modulus: u32,
        /// Added to the result.
        offset: u32,
    },
    /// IPv6 prefix translation (`SNPT`, `DNPT`): another prefix, and a word of the rest changed so that checksums stay.
    Npt {
        /// The address.
        addr: ExprId,
        /// Prefix whose checksum counts as the old one.
        from: ExprId,
        /// New prefix.
        to: ExprId,
        /// Length of both, up to 64.
        length: u8,
    },
    /// Something that is only understood as text: an unknown fact when it is read.
    Opaque(super::TextId),
}
