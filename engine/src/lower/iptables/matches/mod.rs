//! Matches with behaviour of their own, a file each or a few that belong together.

pub mod addrtype;
pub mod bytes;
pub mod connection;
pub mod conntrack;
pub mod ecn;
pub mod headers;
pub mod host;
pub mod icmp;
pub mod limit;
pub mod multiport;
pub mod owner;
pub mod physdev;
pub mod ports;
pub mod set;
pub mod statistic;
