//! Several checks whose keys are on different nodes of a cluster.
//!
//! No node can decide for another one, so each decides on its part, all at once. If one of them
//! denies, the others are given back what they have taken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::all::all;
use super::remote::Remote;
use super::verdict;
use crate::core::{Figures, Outcome};
use crate::few::Few;
use crate::store::{Answer, Request, Told};
use crate::{Applied, Check, Fault, Source, Verdict};

/// Checks whose state is in one slot: where they stand among all of them.
pub(super) type Part = Vec<usize>;

impl Remote {
    /// The checks by their slots, if there are several.
    pub(super) fn parts(&self, requests: &[Request<'_>]) -> Option<Vec<Part>> {
        if self.store().slots() == 0 {
            return None;
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut numbers = HashMap::<_, usize>::new();
        for (index, request) in requests.iter().enumerate() {
            match numbers.entry(self.store().slot(request.id)) {
                Entry::Occupied(number) => parts[*number.get()].push(index),
                Entry::Vacant(number) => {
                    number.insert(parts.len());
                    parts.push(vec![index]);
                }
            }
        }
        (parts.len() > 1).then_some(parts)
    }

    pub(super) async fn check_parts(
        &self,
        checks: &[Check<'_>],
        requests: &[Request<'_>],
        parts: &[Part],
    ) -> Verdict {
        let of = |part: &Part| {
            part.iter()
                .map(|index| requests[*index])
                .collect::<Vec<_>>()
        };
        let asked: Vec<Vec<_>> = parts.iter().map(of).collect();
        let told = all(asked.iter().map(|part| self.take(part))).await;

        let taken = |told: &Told| matches!(told, Ok(outcomes) if admits(outcomes));
        let back: Vec<_> = parts
            .iter()
            .zip(&told)
            .filter(|(_, told)| taken(told))
            .flat_map(|(part, _)| part.iter().map(|index| checks[*index]))
            .collect();
        if let Some(cause) = cause(&told, !back.is_empty()) {
            let verdict = self.verdict_in_doubt(checks, requests, cause);
            if !verdict.is_admitted() {
                self.give_back(&back).await;
            }
            return verdict.in_parts();
        }
        let admitted = told.iter().all(taken);
        if admitted {
            self.keep_local_shares(checks);
        } else {
            self.give_back(&back).await;
        }
        let figures = self.figures(requests, parts, told, admitted);
        verdict(checks, Answer { admitted, figures }, Source::Store).in_parts()
    }

    /// As all of them are now, in the order of the requests.
    fn figures(
        &self,
        requests: &[Request<'_>],
        parts: &[Part],
        told: Vec<Told>,
        admitted: bool,
    ) -> Vec<Figures> {
        let mut figures = vec![Figures::default(); requests.len()];
        let now = self.now_us();
        for (part, outcomes) in parts.iter().zip(told) {
            let outcomes = outcomes.iter().flat_map(Few::iter);
            for (index, outcome) in part.iter().zip(outcomes) {
                let request = &requests[*index];
                figures[*index] = match outcome.write {
                    Some(taken) if outcome.admitted && !admitted => {
                        let given = request.rule.refund(Some(taken), now, request.cost);
                        request.rule.look(Some(given), now)
                    }
                    _ => outcome.figures,
                };
            }
        }
        figures
    }

    /// As well as can be: what a node does not take back is charged for nothing.
    async fn give_back(&self, checks: &[Check<'_>]) {
        let _ = all(checks.iter().map(|check| self.refund(*check))).await;
    }
}

fn admits(outcomes: &Few<Outcome>) -> bool {
    outcomes.iter().all(|outcome| outcome.admitted)
}

/// Why a part is in doubt, if one is. Whether anything was charged is a question about all of them.
fn cause(told: &[Told], some_are_taken: bool) -> Option<Fault> {
    let faults = || told.iter().filter_map(|told| told.as_ref().err());
    let may_be_applied = |fault: &&Fault| fault.applied() == Applied::Maybe;
    let cause = faults().find(may_be_applied).or_else(|| faults().next())?;
    Some(if some_are_taken {
        cause.clone().maybe_applied()
    } else {
        cause.clone()
    })
}
