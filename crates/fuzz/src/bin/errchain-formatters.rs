//! Any bytes as any mix of operations on an error: no format panics, leaves its bounds, shows what
//! is hidden, breaks its line or is no JSON.
//!
//! `cargo +nightly fuzz run errchain-formatters`, in this folder.

#![no_main]

use errchain::{Audience, Error, Kind, Sensitive, Value, code, err};
use libfuzzer_sys::fuzz_target;

code!(CODE: "fuzz", "CODE", Kind::Aborted, "Title");

/// In every text that is not public, and in every one that nobody may see.
const CANARY: &str = "CANARY-0123456789-CANARY";
const SECRET: &str = "SECRET-0123456789-SECRET";
const MAX_BYTES: usize = 256 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let error = build(bytes);
    for line in [error.to_string(), format!("{error:#}")] {
        assert!(
            line.len() <= MAX_BYTES && !line.chars().any(char::is_control),
            "{line:?}"
        );
    }
    for audience in [Audience::Client, Audience::Log, Audience::Operator] {
        let report = error.report().audience(audience);
        let [text, json] = [report.to_string(), report.json().to_string()];
        assert!(text.len() <= MAX_BYTES && json.len() <= MAX_BYTES);
        assert!(
            text.lines().all(|line| !line.chars().any(char::is_control)),
            "{text:?}"
        );
        let json: serde_json::Value = serde_json::from_str(&json).expect("a report is JSON");
        if audience == Audience::Client {
            assert!(
                !text.contains(CANARY) && !json.to_string().contains(CANARY),
                "{text:?}"
            );
        }
        assert!(!text.contains(SECRET), "{text:?}");
    }
    let problem = error.problem().to_string();
    let problem: serde_json::Value = serde_json::from_str(&problem).expect("a problem is JSON");
    assert!(!problem.to_string().contains(CANARY));
});

/// A byte says what is added, the next one how long its text is.
fn build(mut bytes: &[u8]) -> Error {
    let mut error = err!("root");
    while let [operation, length, rest @ ..] = bytes {
        let (text, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        // The fuzzer finds what it is compared with, and must not write it itself.
        let text = String::from_utf8_lossy(text).replace('-', "_");
        bytes = rest;
        error = match operation % 9 {
            0 => error.context(move || format!("{CANARY}{text}")),
            1 => error.with("text", format!("{CANARY}{text}")),
            2 => error.public("text", text),
            3 => error.with("shown", Value::display(format!("{CANARY}{text}"))),
            4 => error.public("secret", Sensitive::new(format!("{SECRET}{text}"))),
            5 => error.public("number", f64::from_bits(u64::from(*length) << 52)),
            6 => error.hop(),
            7 => error.with_code(&CODE),
            _ => Error::from(error.into_std()),
        };
    }
    error
}
