//! What the script for limits of any kind has replied.

use super::call::unexpected;
use crate::core::{Outcome, Rule};
use crate::few::Few;
use crate::store::Order;
use crate::{Applied, Fault, FaultKind};

/// What has come of an order: the outcome of each of its limits, or why it was not looked at.
pub(crate) type Told = Result<Few<Outcome>, Fault>;

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
    let mut is_sound = true;
    let outcomes = rules.iter().zip(order).map_while(|(rule, ask)| {
        let (of_this, rest) = seen.split_at(rule.reply_len());
        let outcome = rule.retell(of_this, admitted, now, ask.cost);
        is_sound &= outcome.is_some();
        seen = rest;
        outcome
    });
    let outcomes = Few::of(outcomes);
    outcomes.filter(|_| is_sound).ok_or_else(unexpected)
}

/// Nothing was taken from any limit of the order.
pub(super) fn wrong_type() -> Fault {
    Fault::new(FaultKind::WrongType, Applied::No)
}
