//! Sizes: one concept per file, one thought per function, nothing but names in a crate's root.

use super::Finding;
use super::source::Source;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 60;

pub(super) fn file_cap(source: &Source) -> Vec<Finding> {
    let lines = source.shipped().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![(
        1,
        format!("{lines} lines without tests, {FILE_LINES_MAX} at most: split it by concept"),
    )]
}

pub(super) fn function_cap(source: &Source) -> Vec<Finding> {
    let starts = source
        .shipped()
        .filter(|(_, line)| starts_function(&line.code));
    let long = starts.filter_map(|(number, _)| {
        let lines = source.end_of_item(number - 1) + 2 - number;
        let text = format!("a function of {lines} lines, {FUNCTION_LINES_MAX} at most");
        (lines > FUNCTION_LINES_MAX).then_some((number, text))
    });
    long.collect()
}

/// A library's root is its table of contents.
pub(super) fn bare_crate_root(source: &Source) -> Vec<Finding> {
    const ALLOWED: [&str; 7] = [
        "mod ",
        "pub mod ",
        "pub(crate) mod ",
        "pub use ",
        // Where a crate without `std` says so.
        "extern crate ",
        "#",
        "}",
    ];
    if !source.is_published || !source.path.ends_with("/src/lib.rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut next = 0;
    // The compiler wants the entry of a macro in the crate root, and nowhere else.
    let mut is_entry = false;
    for (number, line) in source.shipped() {
        let code = line.code.trim();
        if number <= next || code.is_empty() {
            continue;
        }
        if code.starts_with('#') {
            // An attribute ends with its bracket; what it is for comes after.
            next = end_of_attribute(source, number);
            is_entry |= code.starts_with("#[proc_macro");
            continue;
        }
        if !is_entry && !ALLOWED.iter().any(|start| code.starts_with(start)) {
            let text = "only docs, `mod` and `pub use` belong here; move this to a module";
            findings.push((number, text.to_owned()));
        }
        is_entry = false;
        next = source.end_of_item(number - 1) + 1;
    }
    findings
}

/// The number of the line on which the attribute at `number` is closed.
fn end_of_attribute(source: &Source, number: usize) -> usize {
    let mut open = 0_usize;
    for (at, line) in source.numbered().skip(number - 1) {
        open += line.code.matches('[').count();
        open = open.saturating_sub(line.code.matches(']').count());
        if open == 0 {
            return at;
        }
    }
    number
}

fn starts_function(code: &str) -> bool {
    const BEFORE: [&str; 7] = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "unsafe",
        "extern",
    ];
    let mut words = code.split_whitespace();
    let first = words.find(|word| !BEFORE.contains(word) && !word.starts_with('"'));
    first == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text, true)
    }

    #[test]
    fn a_file_over_the_cap_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(601);
        assert_eq!(file_cap(&source("src/a.rs", &long)).len(), 1);
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(file_cap(&source("src/a.rs", &tested)), []);
    }

    #[test]
    fn a_function_over_the_cap_is_found_where_it_starts() {
        let body = "    f();\n".repeat(59);
        let long = format!("struct A;\n\npub(crate) async fn a() {{\n{body}}}\n");
        assert_eq!(function_cap(&source("src/a.rs", &long))[0].0, 3);
        let fits = long.replacen("    f();\n", "", 1);
        assert_eq!(function_cap(&source("src/a.rs", &fits)), []);
        assert_eq!(
            function_cap(&source("src/a.rs", "trait A {\n    fn b(&self);\n}\n")),
            []
        );
    }

    #[test]
    fn a_crate_root_that_holds_code_is_found() {
        let good = "//! Docs.\n#![cfg_attr(docsrs, feature(doc_cfg))]\n#![doc = include_str!(\n    \"../README.md\"\n)]\n\nmod a;\n#[cfg(feature = \"b\")]\npub mod b;\n\npub use a::{\n    A,\n    B,\n};\n";
        assert_eq!(bare_crate_root(&source("crates/x/src/lib.rs", good)), []);
        let entry = format!(
            "extern crate alloc;\n{good}\n#[proc_macro_attribute]\npub fn c() {{\n    d();\n}}\n"
        );
        assert_eq!(bare_crate_root(&source("crates/x/src/lib.rs", &entry)), []);
        let bad = format!("{good}\npub fn c() {{\n    d();\n}}\n");
        assert_eq!(
            bare_crate_root(&source("crates/x/src/lib.rs", &bad)).len(),
            1
        );
        assert_eq!(bare_crate_root(&source("crates/x/src/a.rs", &bad)), []);
    }
}
