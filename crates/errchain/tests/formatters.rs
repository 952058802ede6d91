//! Any text in any place: what reports keep, what they hide, what they cannot be made to do.

use errchain::{Audience, Error, Kind, Sensitive, code, err};
use proptest::prelude::*;
use serde_json::Value as Json;

code!(CODE: "test", "CODE", Kind::Aborted, "Title");

/// Longer than any text that proptest makes, so that it cannot turn up by chance.
const CANARY: &str = "CANARY-0123456789-CANARY-0123456789";

#[derive(Debug, Clone)]
enum Part {
    Context(String),
    Internal(String),
    Public(String),
    Number(u64),
    Secret(String),
}

fn part() -> impl Strategy<Value = Part> {
    // Every character there is, and often those that end lines, strings and colours.
    let text = || {
        prop_oneof![
            any::<String>(),
            "[\\x00-\\x20\"\\\\\u{7f}-\u{a0}\u{2028}-\u{202e}]{0,12}",
        ]
    };
    prop_oneof![
        text().prop_map(Part::Context),
        text().prop_map(Part::Internal),
        text().prop_map(Part::Public),
        any::<u64>().prop_map(Part::Number),
        text().prop_map(Part::Secret),
    ]
}

fn build(parts: &[Part], mark: &str) -> Error {
    parts
        .iter()
        .cloned()
        .fold(err!(CODE, "root"), |error, part| match part {
            Part::Context(text) => error.context(move || format!("{mark}{text}")),
            Part::Internal(text) => error.with("text", format!("{mark}{text}")),
            Part::Public(text) => error.public("text", text),
            Part::Number(number) => error.with("number", number),
            Part::Secret(text) => error.public("secret", Sensitive::new(format!("{mark}{text}"))),
        })
}

fn parse(report: errchain::Report<'_>) -> Result<Json, TestCaseError> {
    let text = report.json().to_string();
    prop_assert!(!text.contains('\n'), "one line: {}", text);
    serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_keeps_the_chain_the_order_and_the_fields(parts in prop::collection::vec(part(), 0..12)) {
        let error = build(&parts, "");
        let json = parse(error.report().audience(Audience::Operator))?;

        let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
        let written: Vec<_> = json["chain"].as_array().into_iter().flatten()
            .map(|level| level["message"].as_str().unwrap_or_default().to_owned()).collect();
        prop_assert_eq!(written, chain);

        let written = json["fields"].as_array().cloned().unwrap_or_default();
        prop_assert_eq!(written.len(), error.fields().count());
        for (written, field) in written.iter().zip(error.fields()) {
            prop_assert_eq!(&written["key"], field.key());
            prop_assert_eq!(written["public"].as_bool().unwrap_or_default(), field.is_public());
            match &written["value"] {
                Json::String(text) => prop_assert_eq!(text, &field.value().to_string()),
                other => prop_assert_eq!(other.to_string(), field.value().to_string()),
            }
        }
    }

    #[test]
    fn a_client_never_sees_what_was_not_made_public(parts in prop::collection::vec(part(), 0..12)) {
        let error = build(&parts, CANARY);
        let report = error.report().audience(Audience::Client);
        for output in [report, report.coloured(true), report.json()] {
            prop_assert!(!output.to_string().contains(CANARY), "{}", output);
        }
    }

    #[test]
    fn a_secret_is_shown_to_nobody(secrets in prop::collection::vec(any::<String>(), 1..4)) {
        let parts: Vec<_> = secrets.into_iter().map(Part::Secret).collect();
        let error = build(&parts, CANARY);
        for audience in [Audience::Client, Audience::Log, Audience::Operator] {
            let report = error.report().audience(audience);
            for output in [report, report.coloured(true), report.json()] {
                prop_assert!(!output.to_string().contains(CANARY), "{}", output);
            }
        }
        let own = format!("{error} {error:#} {error:?}");
        prop_assert!(!own.contains(CANARY), "{}", own);
    }

    #[test]
    fn no_text_starts_a_line_or_a_colour(parts in prop::collection::vec(part(), 0..12)) {
        let error = build(&parts, "");
        for line in [error.to_string(), format!("{error:#}")] {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
        let report = format!("{error:?}");
        for line in report.lines() {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
        let ours = error.chain().count() * 2 + error.fields().count() + 1;
        prop_assert!(report.lines().count() <= ours, "{}", report);
    }
}
