//! A host whose tables stand in both `iptables-save` and `nft list ruleset`: iptables-save's text wins, for nft's listing of
//! an iptables-nft table is lossy; the order of registration is the listing's, for iptables-save has none.
//!
//! Left out: iptables-legacy tables, which nft does not list; their order towards nft's chains is a fact to ask for.

use nettrace_engine::lower::nft;
use nettrace_engine::model::{ChainId, Dialect, Family, Model};
use nettrace_grammar::nft::tree::{Item, Run, Tree};
use nettrace_grammar::{Diagnostic, Source};

/// Lowers a listing into a model that may hold some of its tables already. Also tells which tables it left alone.
pub fn lower(mut tree: Tree, model: &mut Model) -> (Vec<Diagnostic>, Vec<String>) {
    let known: Vec<bool> = tree.roots().iter().map(|item| taken(&tree, item, model)).collect();
    if !known.contains(&true) {
        return (nft::lower(&tree, model), Vec::new());
    }
    let mut listed = Model::default();
    let _ = nft::lower(&tree, &mut listed);
    let roots = tree.roots().to_vec();
    let names = roots.iter().zip(&known).filter(|(_, k)| **k).map(|(item, _)| path(&tree, item)).collect();
    let first = tree.items.len() as u32;
    tree.items.extend(roots.iter().zip(&known).filter(|(_, k)| !**k).map(|(item, _)| *item));
    tree.roots = Run { first, end: tree.items.len() as u32 };
    let diagnostics = nft::lower(&tree, model);
    take_order(model, &listed);
    (diagnostics, names)
}

fn path(tree: &Tree, item: &Item) -> String {
    tree.path(item.path).collect::<Vec<_>>().join(" ")
}

/// Whether the model has this table from iptables-save.
fn taken(tree: &Tree, item: &Item, model: &Model) -> bool {
    let Some((family, name)) = table(tree, item) else { return false };
    let same = |t: &nettrace_engine::model::Table| {
        t.family == family && model.name(t.name) == name && t.dialect == Dialect::IptablesNft
    };
    model.tables.iter().any(same)
}

/// Family and name of a table.
fn table<'t>(tree: &'t Tree, item: &Item) -> Option<(Family, &'t str)> {
    let words: Vec<&str> = tree.path(item.path).collect();
    match words.as_slice() {
        _ if tree.text(item.kind) != "table" => None,
        [family, name] => Some((Family::from_name(family)?, *name)),
        [name] => Some((Family::Ip, *name)),
        _ => None,
    }
}

/// Whether a listing holds one of these tables; none if it is no listing of a ruleset.
pub fn lists(listing: &Source, family: Family, tables: &[&str]) -> bool {
    let tree = nettrace_grammar::nft::parse(listing).tree;
    let named = |item: &Item| table(&tree, item).is_some_and(|(f, name)| f == family && tables.contains(&name));
    tree.roots().iter().any(named)
}

/// The order of registration that the listing shows.
fn take_order(model: &mut Model, listed: &Model) {
    let late = listed.registrations;
    for i in 0..model.chains.len() as u32 {
        let order = order_in(listed, model, ChainId(i));
        let own = &mut model.chains[i as usize];
        if let Some(base) = &mut own.base {
            // A chain that the listing lacks was registered behind all that it has.
            base.order = order.unwrap_or_else(|| late.saturating_add(base.order));
        }
    }
    model.asked.take_order(listed.asked);
    model.registrations = model.registrations.saturating_add(late);
}

fn order_in(listed: &Model, model: &Model, chain: ChainId) -> Option<u32> {
    let table = model.table_of(chain);
    let other = listed.find_table(table.family, model.name(table.name))?;
    let same = listed.find_chain(other, model.chain_name(chain))?;
    listed.chain(same).base.as_ref().map(|b| b.order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettrace_engine::lower::iptables as xt;
    use nettrace_grammar::Sources;

    #[test]
    fn iptables_save_has_the_rules_and_the_listing_the_order() {
        let mut sources = Sources::default();
        let save = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment x -j DROP\nCOMMIT\n";
        let listing = "table inet own {\n chain early {\n type filter hook input priority 0; policy accept;\n }\n}\n\
                       table ip filter {\n chain INPUT {\n type filter hook input priority 0; policy accept;\n drop\n }\n}\n\
                       table inet late {\n chain late {\n type filter hook input priority 0; policy accept;\n }\n}\n";
        let xt_source = sources.add("iptables-save", save).unwrap().clone();
        let nft_source = sources.add("nft-ruleset", listing).unwrap().clone();
        let mut model = Model::default();
        let (tree, _) = nettrace_grammar::iptables::parse(&xt_source);
        xt::lower(&tree, xt::Options { family: Family::Ip, dialect: Dialect::IptablesNft }, &mut model);
        let (_, names) = lower(nettrace_grammar::nft::parse(&nft_source).tree, &mut model);
        assert_eq!(names, ["ip filter"]);
        let mut bases: Vec<_> = model.chains.iter().filter_map(|c| Some((c.base.as_ref()?.order, c))).collect();
        bases.sort_by_key(|(order, _)| *order);
        let shown: Vec<_> = bases.iter().map(|(_, c)| (model.name(c.name), c.rules.len())).collect();
        let wanted = [("early", 0), ("INPUT", 1), ("late", 0)];
        assert_eq!(shown.iter().filter(|s| wanted.contains(s)).copied().collect::<Vec<_>>(), wanted);
    }
}
