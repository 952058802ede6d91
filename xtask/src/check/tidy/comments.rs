//! Comments that must be there.

use super::Finding;
use super::source::Source;

/// How far above the line a comment may start: it may stand over a few uses.
const REACH: usize = 12;

pub(super) fn safety(source: &Source) -> Vec<Finding> {
    const UNSAFE: [&str; 2] = ["unsafe {", "unsafe impl"];
    let text = "unsafe without a `// SAFETY:` that says why it is sound";
    without(source, &UNSAFE, "SAFETY:", text)
}

pub(super) fn ordering(source: &Source) -> Vec<Finding> {
    const WEAK: [&str; 4] = [
        "Ordering::Relaxed",
        "Ordering::Acquire",
        "Ordering::Release",
        "Ordering::AcqRel",
    ];
    let text = "an ordering weaker than SeqCst without a `// ORDERING:` that says why it suffices";
    without(source, &WEAK, "ORDERING:", text)
}

/// Shipped lines with one of `words` and no comment with `mark` on them or shortly above.
fn without(source: &Source, words: &[&str], mark: &str, text: &str) -> Vec<Finding> {
    let with = source
        .shipped()
        .filter(|(_, line)| words.iter().any(|it| line.code.contains(it)));
    let unexplained = with.filter(|(number, _)| {
        let above = &source.lines[number.saturating_sub(REACH)..*number];
        !above.iter().any(|line| line.comment.contains(mark))
    });
    unexplained
        .map(|(number, _)| (number, text.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Source) -> Vec<Finding>, text: &str) -> Vec<usize> {
        let source = Source::parse("src/a.rs", text, true);
        rule(&source).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn unsafe_code_without_its_reason_is_found() {
        assert_eq!(found(safety, "fn a() {\n    unsafe { b() }\n}\n"), [2]);
        assert_eq!(
            found(
                safety,
                "// SAFETY: b has no side\nunsafe impl Send for A {}\n"
            ),
            [0; 0]
        );
    }

    #[test]
    fn a_weak_ordering_without_its_reason_is_found() {
        let bad = "a.load(Ordering::Relaxed);\nb.load(Ordering::SeqCst);\n";
        assert_eq!(found(ordering, bad), [1]);
        let good = "// ORDERING: a counter guards nothing.\na.load(Ordering::Relaxed);\n";
        assert_eq!(found(ordering, good), [0; 0]);
        let far = format!(
            "// ORDERING: x\n{}a.load(Ordering::Relaxed);\n",
            "\n".repeat(20)
        );
        assert_eq!(
            found(ordering, &far),
            [22],
            "a comment far away is about something else"
        );
    }
}
