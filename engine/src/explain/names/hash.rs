//! The hashes in chain and set names: `b32(sha256("default/kubernetes:httpstcp"))[:16]` is `NPX46M4PTMTKRN6Y`.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The first `length` (at most 51) characters of the upper-case base32 of a text's SHA-256.
pub(super) fn b32(text: &str, length: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let bit = |i: usize| digest.get(i / 8).map_or(0, |b| usize::from(b >> (7 - i % 8) & 1));
    let letter = |n: usize| (0..5).fold(0, |acc, i| acc << 1 | bit(n * 5 + i));
    (0..length.min(51)).map(|n| char::from(ALPHABET[letter(n)])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_known_service_hashes_come_out() {
        let check = |text: &str, expect: &str| assert_eq!(super::b32(text, 16), expect);
        check("default/kubernetes:httpstcp", "NPX46M4PTMTKRN6Y");
        check("kube-system/kube-dns:dnsudp", "TCOU7JCQXEZGVUNU");
        check("kube-system/kube-dns:dns-tcptcp", "ERIFXISQEP7F7OF4");
    }
}
