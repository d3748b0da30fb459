//! Tables, chains and sets by name. Few chains' names stand in more than one table, so the first chain of a name is found by
//! the name alone, without hashing; the others are in a map.

use nettrace_grammar::Name;
use rustc_hash::FxHashMap;

use super::{ChainId, Family, SetId, TableId};

/// What is found by its name.
#[derive(Clone, Debug, Default)]
pub struct ByName {
    /// Chains by table and name.
    pub chains: ChainsByName,
    /// Tables by family and name; those of different dialects may have one name.
    pub tables: FxHashMap<(Family, Name), Vec<TableId>>,
    /// Sets by table and name, ipsets without a table; of two the first.
    pub sets: FxHashMap<(Option<TableId>, Name), SetId>,
}

/// Chains by table and name; of two with one name in one table the first.
#[derive(Clone, Debug, Default)]
pub struct ChainsByName {
    /// For each name one chain, with its table.
    one: Vec<Option<(TableId, ChainId)>>,
    /// The chains of names that have one already.
    more: FxHashMap<(TableId, Name), ChainId>,
}

impl ChainsByName {
    /// The chain of that name in a table.
    pub fn get(&self, table: TableId, name: Name) -> Option<ChainId> {
        match self.one.get(name.0 as usize) {
            Some(Some((of, chain))) if *of == table => Some(*chain),
            _ => self.more.get(&(table, name)).copied(),
        }
    }

    /// Gives a chain its name, unless the table has one of that name.
    pub fn add(&mut self, table: TableId, name: Name, chain: ChainId) {
        let at = name.0 as usize;
        if self.one.len() <= at {
            self.one.resize(at + 1, None);
        }
        match self.one[at] {
            Some((of, _)) if of == table => {}
            None if !self.more.contains_key(&(table, name)) => self.one[at] = Some((table, chain)),
            _ => {
                self.more.entry((table, name)).or_insert(chain);
            }
        }
    }

    /// Takes a chain's name away.
    pub fn remove(&mut self, table: TableId, name: Name, chain: ChainId) {
        match self.one.get_mut(name.0 as usize) {
            Some(one) if *one == Some((table, chain)) => *one = None,
            _ if self.more.get(&(table, name)) == Some(&chain) => {
                self.more.remove(&(table, name));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_chain_in_each_table() {
        let mut names = ChainsByName::default();
        let check = |names: &ChainsByName, expect: [Option<u32>; 3]| {
            let found = [0, 1, 2].map(|t| names.get(TableId(t), Name(7)).map(|c| c.0));
            assert_eq!(found, expect);
        };
        for (table, chain) in [(0, 10), (1, 11), (0, 12), (1, 13)] {
            names.add(TableId(table), Name(7), ChainId(chain));
        }
        check(&names, [Some(10), Some(11), None]);
        names.remove(TableId(0), Name(7), ChainId(12));
        check(&names, [Some(10), Some(11), None]);
        names.remove(TableId(0), Name(7), ChainId(10));
        check(&names, [None, Some(11), None]);
        names.add(TableId(1), Name(7), ChainId(14));
        names.add(TableId(2), Name(7), ChainId(15));
        check(&names, [None, Some(11), Some(15)]);
        names.remove(TableId(1), Name(7), ChainId(11));
        names.add(TableId(0), Name(7), ChainId(16));
        check(&names, [Some(16), None, Some(15)]);
    }
}
