//! Words that must not be there.

use super::Finding;
use super::source::Source;

/// Notes to oneself and code for debugging.
pub(super) fn unfinished(source: &Source) -> Vec<Finding> {
    const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];
    const CODE: [&str; 3] = ["dbg!(", "todo!(", "unimplemented!("];
    let of = |(number, line): (usize, &super::source::Line)| {
        let is_word = |word: &&&str| has_word(&line.comment, word);
        let note = NOTES.iter().find(is_word);
        let code = CODE.iter().find(|word| line.code.contains(**word));
        Some((number, format!("unfinished: {}", note.or(code)?)))
    };
    source.numbered().filter_map(of).collect()
}

pub(super) fn unwrap(source: &Source) -> Vec<Finding> {
    let text = "no unwrap outside tests: return the error, or `expect` why it cannot happen";
    let with = source
        .shipped()
        .filter(|(_, line)| line.code.contains(".unwrap()"));
    with.map(|(number, _)| (number, text.to_owned())).collect()
}

pub(super) fn test_attributes(source: &Source) -> Vec<Finding> {
    const RULES: [(&str, &str); 2] = [
        (
            "#[ignore]",
            "an ignored test says what it needs: #[ignore = \"needs redis\"]",
        ),
        (
            "#[should_panic",
            "assert on the outcome: a test that should panic does so anywhere",
        ),
    ];
    let of = |(number, line): (usize, &super::source::Line)| {
        let (_, text) = RULES.iter().find(|(word, _)| line.code.contains(word))?;
        Some((number, (*text).to_owned()))
    };
    source.numbered().filter_map(of).collect()
}

/// A test that looks for its server itself may pass without one; testkit fails then.
pub(super) fn looked_up_servers(source: &Source) -> Vec<Finding> {
    const LOOKUPS: [&str; 3] = ["var(\"TEST_", "var_os(\"TEST_", "env!(\"TEST_"];
    if ["crates/testkit/", "xtask/"]
        .iter()
        .any(|part| source.path.starts_with(part))
    {
        return Vec::new();
    }
    let text = "ask testkit for the server: it fails where there is none";
    let with = source.numbered();
    let with = with.filter(|(_, line)| LOOKUPS.iter().any(|lookup| line.raw.contains(lookup)));
    with.map(|(number, _)| (number, text.to_owned())).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::parse(path, text, true))
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    }

    #[test]
    fn unfinished_code_is_found_and_strings_that_speak_of_it_are_not() {
        let bad = "// TODO: later\nfn a() {\n    dbg!(1);\n    todo!()\n}\n/// XXX\n";
        assert_eq!(found(unfinished, "src/a.rs", bad), [1, 3, 4, 6]);
        let good = "let a = \"TODO dbg!(1)\"; // TODOS, and a method of XXXL\n";
        assert_eq!(found(unfinished, "src/a.rs", good), [0; 0]);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "fn a() {\n    b().unwrap();\n}\n/// c().unwrap()\n#[cfg(test)]\nmod tests {\n    fn d() { e().unwrap() }\n}\n";
        assert_eq!(found(unwrap, "src/a.rs", text), [2]);
        assert_eq!(found(unwrap, "tests/a.rs", text), [0; 0]);
    }

    #[test]
    fn a_test_that_is_ignored_for_no_reason_or_should_panic_is_found() {
        let text = "#[ignore]\n#[ignore = \"needs redis\"]\n#[should_panic(expected = \"x\")]\n";
        assert_eq!(found(test_attributes, "tests/a.rs", text), [1, 3]);
    }

    #[test]
    fn only_testkit_looks_for_servers() {
        let text = "let Ok(url) = std::env::var(\"TEST_REDIS_URL\") else { return };\n";
        assert_eq!(
            found(looked_up_servers, "crates/x/tests/redis.rs", text),
            [1]
        );
        assert_eq!(
            found(looked_up_servers, "crates/testkit/src/redis.rs", text),
            [0; 0]
        );
    }
}
