//! Syntax trees to the model: every arrow from text to meaning ends here.
//!
//! Left out: reading files, and everything that happens to a packet.

pub mod iptables;
pub mod nft;
pub mod nft_json;
mod order;
