//! The rules of order: each one is about data or records that get lost.

use std::fmt;

use super::Member;
use crate::Role;

/// A member is in the wrong place, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The rule, such as `R3`. The book lists them.
    pub rule: &'static str,
    /// The member to be moved.
    pub member: String,
    /// The member that it is to be moved past.
    pub other: String,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            member,
            other,
            reason,
        } = self;
        write!(
            f,
            "{member:?} should not be where it is, with regard to {other:?}: {reason} ({rule})"
        )
    }
}

/// `outer` has to be outside of `inner`.
struct Rule {
    name: &'static str,
    outer: fn(Role) -> bool,
    inner: fn(Role) -> bool,
    reason: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "R1",
        outer: |role| matches!(role, Role::RequestId | Role::ClientAddr),
        inner: |role| role.observes() || role.refuses(),
        reason: "what observes or refuses a request further out does not know its id or its client",
    },
    Rule {
        name: "R2",
        outer: |role| role == Role::Trace,
        inner: |role| role == Role::AccessLog,
        reason: "the line of a log further out has no trace id",
    },
    Rule {
        name: "R3",
        outer: Role::observes,
        inner: |role| role == Role::CatchPanic,
        reason: "a panic is an answer like any other only to what is outside of the place where it is caught",
    },
    Rule {
        name: "R4",
        outer: Role::observes,
        inner: |role| role == Role::Timeout,
        reason: "what is inside of a timeout is dropped when time is up, and sees no answer",
    },
    Rule {
        name: "R5",
        outer: |role| role == Role::ProblemJson,
        inner: |role| role == Role::CatchPanic || role.refuses(),
        reason: "errors that come from further out are not rendered",
    },
    Rule {
        name: "R6",
        outer: |role| role == Role::Queue,
        inner: |role| role == Role::Timeout,
        reason: "waiting for a place would use up the time of the request: wait outside of the timeout, or shed",
    },
];

pub(super) fn check(members: &[Member]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for rule in RULES {
        for (at, outside) in members.iter().enumerate() {
            let misplaced = members[at + 1..].iter().find(|it| (rule.outer)(it.role));
            if let Some(member) = misplaced.filter(|_| (rule.inner)(outside.role)) {
                warnings.push(warning(rule.name, member, outside, rule.reason));
            }
        }
    }
    warnings.extend(duplicates(members));
    warnings.extend(misplaced_route_tags(members));
    warnings
}

fn duplicates(members: &[Member]) -> impl Iterator<Item = Warning> {
    members.iter().enumerate().filter_map(|(at, member)| {
        let mut earlier = members[..at].iter();
        let is_single = !matches!(
            member.role,
            Role::Other | Role::Auth | Role::BodyLimit | Role::Timeout
        );
        let first = earlier.find(|it| is_single && it.role == member.role)?;
        let reason = "the second one does the same again, and what it records counts twice";
        Some(warning("R13", member, first, reason))
    })
}

fn misplaced_route_tags(members: &[Member]) -> impl Iterator<Item = Warning> {
    let layers = members
        .iter()
        .filter(|member| member.role == Role::RouteTag && member.is_layer());
    layers.map(|member| {
        let reason = "as a layer of the chain it runs before there is a route: give it to the router with `route_layer`, and to the chain with `hook`";
        warning("R14", member, member, reason)
    })
}

fn warning(rule: &'static str, member: &Member, other: &Member, reason: &'static str) -> Warning {
    Warning {
        rule,
        member: member.name().to_owned(),
        other: other.name().to_owned(),
        reason,
    }
}
