//! The names of a described packet's fields, as serde has them from the struct: a misspelt one is told by them.
//!
//! Left out: the fields of what a packet holds (connections, extension headers).

use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::PacketSpec;

/// All names that a packet's description may have, those of the flags among them.
fn fields() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // Reading ends as soon as the names are known.
    let _ = PacketSpec::deserialize(Asked(&mut names));
    names
}

/// The field that a name is meant for, where it is none of them and one letter from it; other names are somebody's remarks.
pub fn meant(name: &str) -> Option<&'static str> {
    let near = |field: &&&str| strsim::damerau_levenshtein(field, name) == 1;
    let unknown = name.len() >= 4 && name.len() < 32 && !fields().contains(&name);
    fields().iter().filter(|_| unknown).find(near).copied()
}

/// Takes the names that a struct asks for.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing is read here"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::{fields, meant};

    #[test]
    fn the_names_are_the_structs_and_the_flags() {
        for name in ["saddr", "src", "tcp_flags", "flags", "conntrack", "in", "iif"] {
            assert!(fields().contains(&name), "{name} in {:?}", fields());
        }
        let check = |name, expect| assert_eq!(meant(name), expect, "{name}");
        check("dprot", Some("dport"));
        check("sadr", Some("saddr"));
        check("dport", None);
        check("id", None);
        check("remark", None);
    }
}
