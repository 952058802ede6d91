//! Links from one page to another, in the book and in every README.

use std::path::Path;

use super::Finding;

/// Relative links that lead nowhere.
pub(super) fn broken(root: &Path, page: &Path, text: &str) -> Vec<Finding> {
    let folder = root.join(page.parent().unwrap_or(page));
    let leads_nowhere = |target: &String| {
        let file = target.split(['#', '?']).next().unwrap_or_default();
        is_file_link(file) && !folder.join(file).exists()
    };
    let broken = links(text)
        .into_iter()
        .filter(|(_, target)| leads_nowhere(target));
    broken
        .map(|(line, target)| (line, format!("a link that leads nowhere: {target}")))
        .collect()
}

/// The targets of inline links and of link definitions, outside of code.
pub(super) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let defined = line.split_once("]: ").filter(|_| line.starts_with('['));
        let defined = defined.and_then(|(_, rest)| rest.split_whitespace().next());
        let line = without_code(line);
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        let targets = inline
            .chain(defined)
            .map(|target| target.trim_matches(['<', '>']));
        found.extend(targets.map(|target| (index + 1, target.to_owned())));
    }
    found
}

/// A line without its inline code, where `](` is no link. An odd backtick opens nothing.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let last = parts.len() - 1;
    let is_text = |index: usize| index.is_multiple_of(2) || index == last;
    parts
        .iter()
        .enumerate()
        .filter(|(index, _)| is_text(*index))
        .map(|(_, part)| *part)
        .collect()
}

/// Not a page of the web, not a place on this page, not an item as rustdoc knows it.
fn is_file_link(target: &str) -> bool {
    let is_item = target.contains("::") || !target.contains(['.', '/']);
    let is_web = target.contains("://") || target.starts_with("mailto:");
    !target.is_empty() && !is_item && !is_web
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_found() {
        let scratch = Scratch::new("links");
        std::fs::write(scratch.path("here.md"), "").expect("scratch");
        let text = "[a](here.md#x) [b](gone.md)\n[c]: other/gone.md\n`[d](no.md)` [e](https://x.y/z)\n```\n[f](no.md)\n```\n[`G`](crate::G) [h](#top)\n";
        let lines: Vec<usize> = broken(&scratch.path(""), Path::new("page.md"), text)
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(lines, [1, 2]);
    }
}
