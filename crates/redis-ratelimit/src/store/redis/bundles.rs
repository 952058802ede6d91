//! Orders for one limit each, put together by their keys: the script for them reads and writes each
//! key once.

use std::collections::HashMap;

use super::call::unexpected;
use super::reply::{Told, WRONG_TYPE, wrong_type};
use crate::Fault;
use crate::core::{Gcra, Rule};
use crate::few::Few;
use crate::store::Order;

pub(super) struct Bundles<'a> {
    keys: Vec<&'a [u8]>,
    /// Of all bundles, those of the first key before those of the second.
    costs: Vec<u32>,
    /// Where the costs of each bundle end.
    ends: Vec<usize>,
    /// The bundle of each order.
    of_orders: Vec<usize>,
}

impl<'a> Bundles<'a> {
    pub(super) fn of(orders: &'a [Order]) -> Self {
        let asks = || orders.iter().map(|order| &order.first);
        let (mut known, mut keys) = (HashMap::with_capacity(orders.len()), Vec::new());
        let mut counts: Vec<usize> = Vec::with_capacity(orders.len());
        let mut of_orders = Vec::with_capacity(orders.len());
        for ask in asks() {
            let bundle = *known.entry(ask.key.as_slice()).or_insert(keys.len());
            if bundle == keys.len() {
                keys.push(ask.key.as_slice());
                counts.push(0);
            }
            counts[bundle] += 1;
            of_orders.push(bundle);
        }
        // A counting sort: where each bundle begins, which moves to its end as it is filled.
        let mut ends = counts;
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        let mut costs = vec![0; of_orders.len()];
        for (ask, bundle) in asks().zip(&of_orders) {
            costs[ends[*bundle]] = ask.cost;
            ends[*bundle] += 1;
        }
        Self {
            keys,
            costs,
            ends,
            of_orders,
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.keys.iter().copied()
    }

    /// Of each bundle, in the order in which they were asked for.
    pub(super) fn costs(&self) -> impl Iterator<Item = &[u32]> + Clone {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.costs[begin..*end])
    }

    /// What has come of each order, from what the script has seen of each key.
    pub(super) fn told(&self, gcra: Gcra, reply: &[i64], now: u64) -> Result<Vec<Told>, Fault> {
        let replies = reply.chunks_exact(gcra.reply_len());
        if replies.len() != self.keys.len() || !replies.remainder().is_empty() {
            return Err(unexpected());
        }
        let rule = Rule::Gcra(gcra);
        let mut bundles = Vec::with_capacity(self.keys.len());
        for (seen, costs) in replies.zip(self.costs()) {
            bundles.push(if seen[0] == WRONG_TYPE {
                None
            } else {
                let outcomes = rule.retell_bundle(seen, now, costs);
                Some(outcomes.ok_or_else(unexpected)?.into_iter())
            });
        }
        let told = self.of_orders.iter().map(|bundle| {
            let outcomes = bundles[*bundle].as_mut().ok_or_else(wrong_type)?;
            outcomes.next().map(Few::one).ok_or_else(unexpected)
        });
        Ok(told.collect())
    }
}
