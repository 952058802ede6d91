//! Reports: for whom, in what bounds, and what hostile values can do to them.

use std::fmt;
use std::time::Duration;

use errchain::{Audience, Error, Kind, Retry, Sensitive, Value, code, err};

code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");

/// The largest report there is, as the documentation says.
const MAX_BYTES: usize = 256 * 1024;

/// All formats for all audiences.
fn outputs(error: &Error) -> Vec<String> {
    let mut outputs = vec![
        error.to_string(),
        format!("{error:#}"),
        format!("{error:?}"),
    ];
    for audience in [Audience::Client, Audience::Log, Audience::Operator] {
        let report = error.report().audience(audience);
        outputs.extend([report, report.coloured(true), report.json()].map(|r| r.to_string()));
    }
    outputs
}

#[test]
fn a_sensitive_value_is_in_no_output() {
    let error = err!("root")
        .with("secret", Sensitive::new("canary"))
        .public("shown", Sensitive::new("canary".to_owned()))
        .context("above");
    for output in outputs(&error) {
        assert!(!output.contains("canary"), "{output}");
    }
    assert!(error.report().to_string().contains("<sensitive>"));
}

#[test]
fn a_client_sees_the_title_and_public_fields_alone() {
    let error = Error::from(std::io::Error::other("canary"))
        .context(|| "canary".to_owned())
        .context("canary")
        .with("internal", "canary")
        .public("user_id", 7)
        .with_code(&NOT_FOUND)
        .hop();
    for report in [
        error.report(),
        error.report().coloured(true),
        error.report().json(),
    ] {
        let text = report.audience(Audience::Client).to_string();
        assert!(
            !text.contains("canary") && !text.contains(file!()),
            "{text}"
        );
        assert!(
            text.contains("User not found") && text.contains("user_id"),
            "{text}"
        );
    }
}

#[test]
fn without_a_code_nothing_is_the_clients_fault() {
    for (kind, shown) in [
        (std::io::ErrorKind::NotFound, "UNKNOWN"),
        (std::io::ErrorKind::PermissionDenied, "UNKNOWN"),
        (std::io::ErrorKind::TimedOut, "DEADLINE_EXCEEDED"),
        (std::io::ErrorKind::ConnectionRefused, "UNAVAILABLE"),
    ] {
        let error = Error::from(std::io::Error::from(kind));
        let json = error.report().json().audience(Audience::Client).to_string();
        assert!(json.contains(shown), "{kind}: {json}");
    }
}

#[test]
fn a_client_is_told_no_more_of_a_kind_than_that_the_server_is_to_blame() {
    for (kind, title) in [
        (std::io::ErrorKind::NotFound, "Something went wrong"),
        (std::io::ErrorKind::StorageFull, "Something went wrong"),
        (std::io::ErrorKind::InvalidData, "Something went wrong"),
        (std::io::ErrorKind::TimedOut, "The service took too long"),
        (std::io::ErrorKind::ConnectionRefused, "The service is busy"),
        (
            std::io::ErrorKind::Unsupported,
            "The service does not offer this",
        ),
    ] {
        let error = Error::from(std::io::Error::from(kind));
        let text = error.report().audience(Audience::Client).to_string();
        assert_eq!(text, title, "{kind}");
    }
}

#[test]
fn json_says_how_to_retry_and_after_how_many_seconds() {
    code!(NEVER: "test", "NEVER", Kind::Internal, "Title");
    code!(AT_ONCE: "test", "AT_ONCE", Kind::Internal, "Title", retry = Retry::Immediate);
    code!(PAUSING: "test", "PAUSING", Kind::Internal, "Title", retry = Retry::Backoff);
    code!(LATER: "test", "LATER", Kind::Internal, "Title",
        retry = Retry::After(Duration::from_millis(1_500)));
    for (error, shown) in [
        (err!(NEVER), r#""retry":"never","chain""#),
        (err!(AT_ONCE), r#""retry":"immediate","chain""#),
        (err!(PAUSING), r#""retry":"backoff","chain""#),
        (
            err!(LATER),
            r#""retry":"after","retry_after_seconds":1.5,"chain""#,
        ),
    ] {
        let json = error.report().json().to_string();
        assert!(json.contains(shown), "{json}");
    }
}

/// Shows itself in a way that no report should have to suffer.
#[derive(Debug, Clone, Copy)]
enum Hostile {
    Panics,
    PanicsAgain,
    Fails,
    HasNoEnd,
    IsHuge,
    ForgesLines,
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panics => panic!("a Display that panics"),
            Self::PanicsAgain => std::panic::panic_any(PanicsWhenDropped),
            Self::Fails => Err(fmt::Error),
            Self::HasNoEnd => loop {
                f.write_str("and on ")?;
            },
            Self::IsHuge => f.write_str(&"\u{0}".repeat(1 << 20)),
            Self::ForgesLines => {
                f.write_str("\ncode: forged\r\u{1b}[2J\u{2028}\",\"code\":\"forged")
            }
        }
    }
}

impl std::error::Error for Hostile {}

/// What a panic may carry.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a panic that panics when it is dropped")
    }
}

#[test]
fn a_hostile_display_spoils_its_own_text_and_no_more() {
    for (hostile, said) in [
        (Hostile::Panics, "<display panicked>"),
        (Hostile::PanicsAgain, "<display panicked>"),
        (Hostile::Fails, "<display failed>"),
        (Hostile::HasNoEnd, "(cut at 4096 bytes)"),
        (Hostile::IsHuge, "(cut at 4096 bytes)"),
        (Hostile::ForgesLines, "\\u"),
    ] {
        for error in [
            Error::from(hostile),
            err!("root").public("key", Value::display(hostile)),
            err!("root")
                .with("key", hostile.to_value())
                .with("last", "still here"),
            Error::from_boxed(Box::new(hostile)).context("above"),
        ] {
            for output in outputs(&error) {
                assert!(
                    output.len() <= MAX_BYTES,
                    "{hostile:?}: {} bytes",
                    output.len()
                );
                assert!(!output.contains("\ncode: forged"), "{output}");
            }
            let report = format!("{error:?}");
            assert!(report.contains(said), "{hostile:?}: {report}");
        }
    }
}

impl Hostile {
    fn to_value(self) -> Value {
        match self {
            Self::IsHuge => Value::from("\u{0}".repeat(1 << 20)),
            other => Value::display(other),
        }
    }
}

#[test]
fn a_display_that_fails_while_the_error_is_made_is_said_and_no_panic() {
    code!(CODE: "test", "CODE", Kind::Internal, "Title");
    let fails = Hostile::Fails;
    for error in [
        Error::msg(fails),
        err!("it: {}", fails),
        err!("it: {fails}"),
        err!(CODE, "it: {fails}"),
    ] {
        assert!(error.to_string().ends_with("<display failed>"), "{error}");
    }
}

#[test]
fn an_error_that_is_its_own_source_has_a_report_with_an_end() {
    #[derive(Debug, thiserror::Error)]
    #[error("round")]
    struct Round;
    #[derive(Debug)]
    struct Circle(Round);
    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    impl std::error::Error for Circle {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self)
        }
    }
    let _quiet = crate::support::without_stacks();
    let error = Error::from(Circle(Round)).context("above");
    assert_eq!(error.kind(), Kind::Unknown);
    assert!(error.code().is_none());
    for output in outputs(&error) {
        assert!(output.len() < 4_096, "{output}");
    }
    assert_eq!(format!("{error:#}").matches("round").count(), 64);
}

#[test]
fn a_source_that_panics_ends_the_chain_and_no_more() {
    #[derive(Debug, thiserror::Error)]
    #[error("broken")]
    struct Broken;
    #[derive(Debug)]
    struct PanicsWhenAsked(Broken);
    impl fmt::Display for PanicsWhenAsked {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    impl std::error::Error for PanicsWhenAsked {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            panic!("a source that panics")
        }
    }
    let _quiet = crate::support::without_stacks();
    let error = Error::from(PanicsWhenAsked(Broken))
        .context("above")
        .with("key", 1);
    assert_eq!(format!("{error:#}"), "above: broken");
    for output in outputs(&error) {
        assert!(!output.is_empty());
    }
    assert!(format!("{error:?}").ends_with("key: 1"));
    assert!(!error.is(&NOT_FOUND) && error.code().is_none());
    assert_eq!(error.kind(), Kind::Unknown);
    assert_eq!(error.root_cause().to_string(), "broken");
}

#[test]
fn however_much_was_added_the_report_keeps_its_bounds_and_says_that_it_was_cut() {
    let mut error = err!("root");
    for _ in 0..20_000 {
        error = error
            .context("a level")
            .public("key", "a value of some length")
            .hop();
    }
    for output in outputs(&error) {
        assert!(output.len() <= MAX_BYTES, "{} bytes", output.len());
    }
    assert!(format!("{error:?}").ends_with("… (report cut)"));
    assert!(
        error
            .report()
            .json()
            .to_string()
            .ends_with(",\"is_cut\":true}")
    );
}

#[test]
fn main_exits_with_a_status_that_tells_the_kind() {
    use std::process::{ExitCode, Termination};

    use errchain::Exit;

    assert_eq!(Exit::from(Ok(())).report(), ExitCode::SUCCESS);
    let missing = Exit::from(err!(NOT_FOUND));
    assert_eq!(missing.report(), ExitCode::from(66));
    assert_eq!(Exit::from(err!("text")).report(), ExitCode::from(1));
}

#[test]
fn display_is_one_line() {
    let error = err!("one\ntwo").context(|| "three\r\nfour\u{85}five".to_owned());
    assert_eq!(error.to_string(), "three\\r\\nfour\\u{85}five");
    assert_eq!(
        format!("{error:#}"),
        "three\\r\\nfour\\u{85}five: one\\ntwo"
    );
}

#[test]
fn a_writer_that_is_full_is_told_apart_from_a_display_that_fails() {
    struct Full;
    impl fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let error = err!("root").context("above").with("key", Value::display(1));
    assert!(fmt::write(&mut Full, format_args!("{error:?}")).is_err());
    assert!(fmt::write(&mut Full, format_args!("{}", error.report().json())).is_err());
}
