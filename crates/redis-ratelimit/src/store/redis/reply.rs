//! What the script for limits of any kind has replied.

use super::call::unexpected;
use crate::core::{Outcome, Rule};
use crate::store::Order;
use crate::{Applied, Fault, FaultKind};

/// What has come of an order: the outcome of each of its limits, or why it was not looked at.
pub(crate) type Told = Result<Vec<Outcome>, Fault>;

/// In place of what was seen: a key is another program's.
pub(super) const WRONG_TYPE: i64 = -1;

/// What has come of each order.
pub(super) fn told(
    rules: &[Rule],
    orders: &[Order],
    reply: &[i64],
    now: u64,
) -> Result<Vec<Told>, Fault> {
    let length = 1 + rules.iter().map(Rule::reply_len).sum::<usize>();
    let replies = reply.chunks_exact(length);
    if replies.len() != orders.len() || !replies.remainder().is_empty() {
        return Err(unexpected());
    }
    let told = orders.iter().zip(replies);
    Ok(told
        .map(|(order, reply)| told_one(rules, order, reply, now))
        .collect())
}

fn told_one(rules: &[Rule], order: &Order, reply: &[i64], now: u64) -> Told {
    let (admitted, mut seen) = match reply {
        [WRONG_TYPE, ..] => return Err(wrong_type()),
        [admitted @ (0 | 1), seen @ ..] => (*admitted == 1, seen),
        _ => return Err(unexpected()),
    };
    let mut outcomes = Vec::with_capacity(rules.len());
    for (rule, ask) in rules.iter().zip(order) {
        let (of_this, rest) = seen.split_at(rule.reply_len());
        let outcome = rule.retell(of_this, admitted, now, ask.cost);
        outcomes.push(outcome.ok_or_else(unexpected)?);
        seen = rest;
    }
    Ok(outcomes)
}

/// Nothing was taken from any limit of the order.
pub(super) fn wrong_type() -> Fault {
    Fault::new(FaultKind::WrongType, Applied::No)
}
