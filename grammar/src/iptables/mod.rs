//! `iptables-save`, `ip6tables-save`, `iptables -S` and typed `iptables` commands.

pub mod tree;

pub use tree::Tree;
