//! `nft list ruleset`, `.nft` files and typed `nft` commands.
