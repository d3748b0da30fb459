//! How a walk ended, in JSON: `{"kind":"drop","hook":"input","by":"rule","table":"filter","chain":"INPUT","rule":3}`.

use nettrace_engine::field::{Value, device_name};
use nettrace_engine::model::{ChainId, Dialect, Model};
use nettrace_engine::trace::{By, Fate};
use serde_json::{Map, Value as Json, json};

/// The chain, its table and family.
fn chain_json(model: &Model, chain: ChainId, out: &mut Map<String, Json>) {
    let table = model.table_of(chain);
    out.insert("family".into(), json!(table.family.name()));
    out.insert("table".into(), json!(model.name(table.name)));
    out.insert("chain".into(), json!(model.chain_name(chain)));
}

/// A fate: `kind`, and what belongs to it.
pub fn fate(model: &Model, fate: &Fate) -> Json {
    let mut out = Map::new();
    let device = |v: &Option<Value>| v.map(device_name);
    let mut put = |key: &str, value: Json| out.insert(key.to_string(), value);
    match fate {
        Fate::Out { oif, also_local } => {
            put("kind", json!("out"));
            put("oif", json!(device(oif)));
            if *also_local {
                put("also_local", json!(true));
            }
        }
        Fate::Local { iif } => {
            put("kind", json!("local"));
            put("iif", json!(Some(*iif).filter(|v| *v != 0).map(device_name)));
        }
        Fate::Drop { hook, by } => {
            put("kind", json!(if unlogged(model, by) { "drop_in_hook" } else { "drop" }));
            put("hook", json!(hook.name()));
            dropped_by(model, by, &mut out);
        }
        Fate::DropInHook { hook, why } => {
            put("kind", json!("drop_in_hook"));
            put("hook", json!(hook.name()));
            put("why", json!(why));
        }
        Fate::StackDrop { after, why } => {
            put("kind", json!("stack_drop"));
            put("after", json!(after.map(nettrace_engine::model::Hook::name)));
            put("why", json!(why));
        }
        Fate::Bridged { port } => {
            put("kind", json!("bridged"));
            put("port", json!(device(port)));
        }
        Fate::SendError { errno, why } => {
            put("kind", json!("send_error"));
            put("errno", json!(errno));
            put("why", json!(why));
        }
        Fate::Stolen { hook, rule } => {
            put("kind", json!("drop"));
            put("hook", json!(hook.name()));
            put("rule", json!(model.position(*rule)));
            put("by", json!("rule"));
            put("stolen", json!(true));
            chain_json(model, model.rule(*rule).chain, &mut out);
        }
        Fate::Undetermined { reason } => {
            put("kind", json!("undetermined"));
            put("reason", json!(reason));
            put("oif", Json::Null);
        }
    }
    Json::Object(out)
}

/// Whether the kernel's log has no event of the drop: a match of iptables-legacy refused the packet on the spot.
fn unlogged(model: &Model, by: &By) -> bool {
    matches!(by, By::Rule { base, hotdrop: true, .. } if model.table_of(*base).dialect == Dialect::Legacy)
}

fn dropped_by(model: &Model, by: &By, out: &mut Map<String, Json>) {
    match by {
        By::Rule { rule, base, hotdrop } => {
            chain_json(model, model.rule(*rule).chain, out);
            out.insert("rule".into(), json!(model.position(*rule)));
            out.insert("by".into(), json!("rule"));
            out.insert("base_chain".into(), json!(model.chain_name(*base)));
            if *hotdrop {
                out.insert("hotdrop".into(), json!(true));
            }
        }
        By::Policy(chain) => {
            chain_json(model, *chain, out);
            out.insert("rule".into(), Json::Null);
            out.insert("by".into(), json!("policy"));
        }
    }
}
