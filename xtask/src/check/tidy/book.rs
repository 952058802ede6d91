//! The book: every chapter is there and compiled, and no sample escapes that.

use std::fs;
use std::path::Path;

use super::links::links;

pub(super) fn check(root: &Path) -> Vec<String> {
    let pages = root.join("docs/src");
    let Ok(summary) = fs::read_to_string(pages.join("SUMMARY.md")) else {
        return Vec::new();
    };
    let doctests = fs::read_to_string(root.join("docs/doctests.rs")).unwrap_or_default();
    let mut findings = Vec::new();
    for (line, chapter) in links(&summary) {
        let Ok(text) = fs::read_to_string(pages.join(&chapter)) else {
            // A link that leads nowhere is found as such; one without a target is a draft.
            continue;
        };
        if !is_compiled(&doctests, &chapter) {
            findings.push(format!(
                "docs/src/SUMMARY.md:{line}: docs/doctests.rs does not compile src/{chapter}"
            ));
        }
        let loose = loose_samples(&text).into_iter();
        findings.extend(loose.map(|line| {
            format!("docs/src/{chapter}:{line}: only what is included may be `ignore`d")
        }));
    }
    findings
}

fn is_compiled(doctests: &str, chapter: &str) -> bool {
    let chapter = chapter.trim_start_matches("./");
    doctests.contains(&format!("\"src/{chapter}\""))
}

/// The lines of fences that are not compiled and not included from something that is.
fn loose_samples(text: &str) -> Vec<usize> {
    let mut loose = Vec::new();
    let mut open: Option<(usize, bool)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(info) = line.strip_prefix("```") else {
            if let Some((_, is_included)) = &mut open {
                *is_included |= line.contains("{{#include");
            }
            continue;
        };
        open = match open {
            Some((start, is_included)) => {
                loose.extend((!is_included).then_some(start));
                None
            }
            // Other fences count as included: their fate is rustdoc's business.
            None => Some((
                index + 1,
                !info.split(',').any(|word| word.trim() == "ignore"),
            )),
        };
    }
    loose
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_sample_that_nothing_compiles_is_found() {
        let text = "```rust\nok();\n```\n```rust,ignore\n{{#include ../x.rs:a}}\n```\n\n```rust,ignore\nloose();\n```\n";
        assert_eq!(loose_samples(text), [8]);
    }

    #[test]
    fn a_chapter_that_is_not_compiled_is_found() {
        let scratch = Scratch::new("book");
        fs::create_dir_all(scratch.path("docs/src")).expect("scratch");
        for (file, text) in [
            ("docs/src/SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n"),
            ("docs/src/a.md", ""),
            ("docs/src/b.md", ""),
            (
                "docs/doctests.rs",
                "#[doc = include_str!(\"src/a.md\")]\nmod a {}\n",
            ),
        ] {
            fs::write(scratch.path(file), text).expect("scratch");
        }
        let findings = check(&scratch.path(""));
        assert!(
            matches!(&findings[..], [one] if one.contains("src/b.md")),
            "{findings:?}"
        );
    }
}
