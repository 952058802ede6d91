//! The closing line: what passed, what failed, what was not run and why.

use std::fmt::Write;

use super::count::Counts;
use super::tier::Tier;

/// What came of one tier in one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    tier: Tier,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Ran {
        counts: Counts,
        note: Option<String>,
    },
    NotRun {
        reason: String,
        is_required: bool,
    },
}

/// The rows of all turns, added up by tier.
#[derive(Debug)]
pub(crate) struct Summary {
    rows: Vec<Row>,
    turns: u32,
    /// Why the servers did not end well.
    services: Option<String>,
}

impl Row {
    pub(crate) fn ran(tier: Tier, counts: Counts, note: Option<String>) -> Self {
        Self {
            tier,
            outcome: Outcome::Ran { counts, note },
        }
    }

    pub(crate) fn not_run(tier: Tier, reason: String, is_required: bool) -> Self {
        Self {
            tier,
            outcome: Outcome::NotRun {
                reason,
                is_required,
            },
        }
    }

    fn has_failed(&self) -> bool {
        match &self.outcome {
            Outcome::Ran { counts, .. } => counts.has_failed || counts.failed > 0,
            Outcome::NotRun { is_required, .. } => *is_required,
        }
    }

    /// `redis 88 passed (redis 7.0.15, container)`
    fn text(&self) -> Option<String> {
        let name = self.tier.name();
        match &self.outcome {
            Outcome::Ran { counts, note } => {
                let mut text = format!("{name} {} passed", counts.passed);
                if counts.failed > 0 {
                    let _ = write!(text, ", {} FAILED", counts.failed);
                } else if counts.has_failed {
                    text += if counts.passed == 0 {
                        ", FAILED: no test ran"
                    } else {
                        ", FAILED"
                    };
                }
                if counts.skipped > 0 {
                    let _ = write!(text, ", {} skipped", counts.skipped);
                }
                if let Some(note) = note {
                    let _ = write!(text, " ({note})");
                }
                Some(text)
            }
            Outcome::NotRun {
                reason,
                is_required: true,
            } => Some(format!(
                "{name} FAILED: required and not run ({})",
                first_line(reason)
            )),
            Outcome::NotRun { .. } => None,
        }
    }
}

impl Summary {
    pub(crate) fn new(turns: u32) -> Self {
        Self {
            rows: Vec::new(),
            turns,
            services: None,
        }
    }

    pub(crate) fn fail_services(&mut self, reason: String) {
        self.services = Some(reason);
    }

    pub(crate) fn add(&mut self, row: Row) {
        let before = self.rows.iter_mut().find(|before| before.tier == row.tier);
        match (before, row) {
            (None, row) => self.rows.push(row),
            (
                Some(Row {
                    outcome: Outcome::Ran { counts, .. },
                    ..
                }),
                Row {
                    outcome: Outcome::Ran { counts: more, .. },
                    ..
                },
            ) => counts.add(more),
            // What could not run in one turn cannot run in the next.
            (Some(_), _) => {}
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.rows.iter().any(Row::has_failed)
            || self.services.is_some()
            || self.counts().executed() == 0
    }

    /// `361 passed, 0 failed`, in words that readers of many runners know.
    pub(crate) fn totals(&self) -> String {
        let counts = self.counts();
        let mut text = format!("{} passed, {} failed", counts.passed, counts.failed);
        if counts.skipped > 0 {
            let _ = write!(text, ", {} skipped", counts.skipped);
        }
        text
    }

    pub(crate) fn closing_line(&self) -> String {
        let mut parts: Vec<String> = self.rows.iter().filter_map(Row::text).collect();
        if let Some(reason) = &self.services {
            parts.push(format!("servers FAILED: {}", first_line(reason)));
        }
        let not_run = self.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::NotRun {
                reason,
                is_required: false,
            } => Some(format!("{}: {}", row.tier.name(), first_line(reason))),
            _ => None,
        });
        let not_run: Vec<String> = not_run.collect();
        parts.push(match not_run.as_slice() {
            [] => "not run: 0".to_owned(),
            all => format!("not run: {} ({})", all.len(), all.join("; ")),
        });
        if self.turns > 1 {
            parts.push(format!("{} turns", self.turns));
        }
        parts.join(" | ")
    }

    fn counts(&self) -> Counts {
        let mut total = Counts::default();
        for row in &self.rows {
            if let Outcome::Ran { counts, .. } = &row.outcome {
                total.add(*counts);
            }
        }
        total
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(tier: Tier, passed: u64, failed: u64, note: Option<&str>) -> Row {
        let counts = Counts {
            passed,
            failed,
            skipped: 0,
            has_failed: failed > 0,
        };
        Row::ran(tier, counts, note.map(str::to_owned))
    }

    fn summary(rows: Vec<Row>) -> Summary {
        let mut summary = Summary::new(1);
        for row in rows {
            summary.add(row);
        }
        summary
    }

    #[test]
    fn the_line_tells_every_tier_its_server_and_what_was_not_run() {
        let all = summary(vec![
            ran(Tier::Unit, 212, 0, None),
            ran(Tier::Redis, 88, 0, Some("redis 7.0.15, container")),
            ran(Tier::Postgres, 61, 0, Some("15.20, container")),
        ]);
        assert_eq!(
            all.closing_line(),
            "unit 212 passed | redis 88 passed (redis 7.0.15, container) | postgres 61 passed (15.20, container) | not run: 0"
        );
        assert_eq!(all.totals(), "361 passed, 0 failed");
        assert!(!all.has_failed());

        let some = summary(vec![
            ran(Tier::Unit, 1, 0, None),
            Row::not_run(Tier::Redis, "no redis".into(), false),
        ]);
        assert_eq!(
            some.closing_line(),
            "unit 1 passed | not run: 1 (redis: no redis)"
        );
        assert!(!some.has_failed(), "not run and not required is no failure");
    }

    #[test]
    fn nothing_bad_ends_green() {
        let no_test = Counts {
            has_failed: true,
            ..Counts::default()
        };
        let crashed = Counts {
            passed: 3,
            has_failed: true,
            ..Counts::default()
        };
        let table = [
            (
                ran(Tier::Unit, 2, 1, None),
                "unit 2 passed, 1 FAILED | not run: 0",
            ),
            (
                Row::ran(Tier::Unit, no_test, None),
                "unit 0 passed, FAILED: no test ran | not run: 0",
            ),
            (
                Row::ran(Tier::Unit, crashed, None),
                "unit 3 passed, FAILED | not run: 0",
            ),
            (
                Row::not_run(Tier::Redis, "no redis\nmore".into(), true),
                "redis FAILED: required and not run (no redis) | not run: 0",
            ),
        ];
        for (row, line) in table {
            let summary = summary(vec![row]);
            assert_eq!(summary.closing_line(), line);
            assert!(summary.has_failed(), "{line}");
        }
        let nothing = summary(vec![Row::not_run(
            Tier::Redis,
            "--services none".into(),
            false,
        )]);
        assert!(
            nothing.has_failed(),
            "a run without a single test is not green"
        );
    }

    #[test]
    fn turns_add_up() {
        let mut summary = Summary::new(2);
        summary.add(ran(Tier::Unit, 5, 0, None));
        summary.add(ran(Tier::Unit, 4, 1, None));
        assert_eq!(
            summary.closing_line(),
            "unit 9 passed, 1 FAILED | not run: 0 | 2 turns"
        );
    }
}
