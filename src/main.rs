//! The command `nettrace`.

fn main() {}
