//! Counts of tests, read from what their runners write.

/// Whose words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Nextest,
    Libtest,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The runner said so itself, perhaps for a test that it could not count.
    pub(crate) has_failed: bool,
}

impl Counts {
    pub(crate) fn executed(&self) -> u64 {
        self.passed + self.failed
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.has_failed |= other.has_failed;
    }
}

#[derive(Debug)]
pub(crate) struct Counter {
    format: Format,
    counts: Counts,
}

impl Counter {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            counts: Counts::default(),
        }
    }

    pub(crate) fn feed(&mut self, line: &str) {
        let line = without_colours(line);
        match self.format {
            // Its last word covers the whole run; a failing test may have printed another.
            Format::Nextest => {
                if let Some(counts) = nextest(&line) {
                    self.counts = counts;
                }
            }
            // One line for each test program.
            Format::Libtest => {
                if let Some(counts) = libtest(&line) {
                    self.counts.add(counts);
                }
            }
        }
    }

    pub(crate) fn counts(self) -> Counts {
        self.counts
    }
}

/// `     Summary [   0.005s] 3/5 tests run: 1 passed (1 slow), 1 failed, 1 timed out, 2 skipped`
fn nextest(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, list) = rest.split_once(" run: ")?;
    let mut counts = Counts::default();
    for (number, word) in numbered(list) {
        match word.as_str() {
            "passed" => counts.passed += number,
            "skipped" => counts.skipped += number,
            // failed, timed out, exec failed: whatever else there may be is not good.
            _ => counts.failed += number,
        }
    }
    Some(counts)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn libtest(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, list) = rest.split_once(". ")?;
    let mut counts = Counts::default();
    for (number, word) in numbered(list) {
        match word.as_str() {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

/// The items `3 passed` of a list.
fn numbered(list: &str) -> Vec<(u64, String)> {
    let list = without_parentheses(list);
    let items = list.split([',', ';']).filter_map(|item| {
        let (number, words) = item.trim().split_once(' ')?;
        Some((number.parse().ok()?, words.trim().to_owned()))
    });
    items.collect()
}

/// What stands in parentheses says more of the item before it and counts nothing new.
fn without_parentheses(list: &str) -> String {
    let mut parts = list.split('(');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once(')').map_or("", |(_, rest)| rest)
    })
}

/// A line without the codes by which terminals show colours.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(format: Format, lines: &[&str]) -> (u64, u64, u64) {
        let mut counter = Counter::new(format);
        for line in lines {
            counter.feed(line);
        }
        let counts = counter.counts();
        (counts.passed, counts.failed, counts.skipped)
    }

    #[test]
    fn the_summary_of_nextest_is_read_in_all_its_forms() {
        let table = [
            (
                "     Summary [   0.005s] 3 tests run: 3 passed, 0 skipped",
                (3, 0, 0),
            ),
            (
                "     Summary [   0.005s] 1 test run: 1 passed, 2 skipped",
                (1, 0, 2),
            ),
            (
                "     Summary [  9.1s] 5/9 tests run: 2 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 1 exec failed, 4 skipped",
                (2, 3, 4),
            ),
            (
                "\x1b[32;1m     Summary\x1b[0m [   0.0s] \x1b[1m2\x1b[0m tests run: \x1b[1m2\x1b[0m \x1b[32;1mpassed\x1b[0m, \x1b[1m0\x1b[0m skipped",
                (2, 0, 0),
            ),
            ("     Running 3 tests", (0, 0, 0)),
        ];
        for (line, expected) in table {
            assert_eq!(counted(Format::Nextest, &[line]), expected, "{line}");
        }
    }

    #[test]
    fn the_words_of_a_failing_test_do_not_count_under_nextest() {
        let lines = [
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            "     Summary [   0.005s] 8 tests run: 7 passed, 1 failed, 0 skipped",
        ];
        assert_eq!(counted(Format::Nextest, &lines), (7, 1, 0));
    }

    #[test]
    fn the_programs_of_cargo_test_add_up() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "running 2 tests",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
        ];
        assert_eq!(counted(Format::Libtest, &lines), (4, 1, 1));
    }
}
