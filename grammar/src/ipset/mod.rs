//! `ipset save`, `ipset list` and typed `ipset` commands.
