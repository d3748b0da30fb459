//! `reject`, `reject with tcp reset`, `reject with icmp type host-unreachable`, `reject with icmpx admin-prohibited`.

use nettrace_grammar::nft::tree::ExprId;

use super::super::cx::Cx;
use super::super::kind::Kind;
use crate::field::Field;
use crate::model::*;

pub(super) fn reject(cx: &mut Cx, args: &[ExprId]) -> Option<()> {
    let words = args.iter().map(|a| nettrace_grammar::nft::print::expr_text(cx.tree, *a)).collect::<Vec<_>>();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|w| *w != "type").collect();
    let code = |kind: Kind, text: &str| kind.word(text).and_then(|c| u8::try_from(c.0).ok());
    let with = match words[..] {
        [] => match cx.family {
            Family::Ip => RejectWith::Icmp(3),
            Family::Ip6 => RejectWith::Icmp6(4),
            _ => RejectWith::Icmpx(1),
        },
        ["with", "tcp", "reset"] => {
            cx.need(Field::Proto, 6);
            RejectWith::TcpReset
        }
        ["with", "icmp", text] => {
            cx.need_family(2);
            RejectWith::Icmp(code(Kind::IcmpCode, text)?)
        }
        ["with", "icmpv6", text] => {
            cx.need_family(10);
            RejectWith::Icmp6(code(Kind::Icmp6Code, text)?)
        }
        ["with", "icmpx", text] => RejectWith::Icmpx(code(Kind::IcmpxCode, text)?),
        _ => return None,
    };
    let op = cx.model.effect_op(Effect::Reject(with));
    cx.op(op);
    Some(())
}
