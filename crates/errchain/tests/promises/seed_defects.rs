//! The defects of the `ErrorChain` in the article that this crate began with, one test each that
//! its pattern would fail.
//!
//! The Go type kept a map and a slice of program counters per error, captured at every wrap,
//! and printed `interface{}` values.

use std::sync::Arc;

use errchain::{Audience, Context, Error, Kind, Result, Sensitive, StdError, code, err};

code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");

#[test]
fn an_error_without_context_allocates_nothing_for_it() {
    let _quiet = crate::support::without_stacks();
    // Go: a map and 32 slots for every error. Here two errors of one place are one address.
    let make = || err!("not found");
    let [first, second] = [make(), make()];
    assert_eq!(
        std::ptr::from_ref(first.as_std()).addr(),
        std::ptr::from_ref(second.as_std()).addr(),
    );
}

#[cfg(feature = "backtrace")]
#[test]
fn a_stack_is_captured_where_the_error_comes_up_and_at_no_wrap() {
    // Go: `Wrap` captures one each time.
    use errchain::capture::{Policy, scoped};

    fn wrap(error: Error) -> Error {
        let result: Result<(), _> = Err(error.hop().with("key", 1).into_std());
        let error = result.context("above").code(&NOT_FOUND).hop().unwrap_err();
        Error::from_boxed(error.into())
    }
    let quiet = {
        let _quiet = scoped(Policy::Never);
        err!("root")
    };
    let _always = scoped(Policy::Always);
    assert!(wrap(wrap(quiet)).backtrace().is_none());

    let error = err!("root");
    let addresses = |error: &Error| error.backtrace().map(|stack| stack.addresses().to_vec());
    let before = addresses(&error);
    let error = wrap(wrap(error));
    assert!(before.is_some() && addresses(&error) == before);
    assert_eq!(format!("{error:?}").matches("stack:").count(), 1);
}

#[test]
fn a_trace_is_not_cut_at_thirty_two() {
    let error = (0..1_000).fold(err!("root"), |error, _| error.hop());
    assert_eq!(error.hops().count(), 1_000);
}

#[test]
fn adding_to_one_error_changes_no_other() {
    // Go: `WithContext` writes into the map that a sentinel shares with everybody.
    let sentinel = || err!(NOT_FOUND);
    let threads: Vec<_> = (0..4_u64)
        .map(|id| std::thread::spawn(move || sentinel().with("user_id", id)))
        .collect();
    for (id, thread) in (0..).zip(threads) {
        let error = thread.join().expect("it does not panic");
        assert_eq!(error.fields().count(), 1);
        assert_eq!(error.field("user_id"), Some(&errchain::Value::U64(id)));
    }
    assert_eq!(sentinel().fields().count(), 0);
}

#[test]
fn context_reaches_every_output() {
    // Go: context appears neither in `Error()` nor in logs nor in JSON.
    let error = err!("root").context("above").with("user_id", 7);
    assert!(format!("{error:#}").contains("above"));
    for text in [
        format!("{error:?}"),
        error.report().to_string(),
        error.report().json().to_string(),
    ] {
        assert!(text.contains("above") && text.contains("user_id"), "{text}");
    }
}

#[test]
fn identity_and_type_survive_any_wrapping() {
    // Go: no `Is`, no `As`, no code, no status.
    let error = Error::from(std::io::Error::other("disk"))
        .with_code(&NOT_FOUND)
        .context("above")
        .hop();
    assert!(error.is(&NOT_FOUND));
    assert!(error.downcast_ref::<std::io::Error>().is_some());
    assert_eq!(error.kind().http_status(), 404);
}

#[test]
fn success_is_never_an_error_of_the_right_type() {
    // Go: a nil `*ErrorChain` in an `error` is not nil.
    fn fine() -> Result<()> {
        errchain::ensure!(1 + 1 == 2);
        Ok(())
    }
    fn through_the_trait() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(fine()?)
    }
    assert!(through_the_trait().is_ok());
}

#[test]
fn a_helper_points_at_its_caller() {
    // Go: a fixed number of frames is skipped, which is wrong inside a helper.
    #[track_caller]
    fn helper() -> Error {
        Error::new(std::fmt::Error)
    }
    let error = helper();
    assert_eq!(error.location().line() + 1, line!());
}

#[test]
fn no_location_is_blank() {
    // Go: an empty stack prints an empty frame.
    let report = format!("{:?}", err!("root").context("above"));
    for line in report.lines() {
        assert!(
            !line.trim().is_empty() && !line.ends_with("at"),
            "{report:?}"
        );
    }
}

#[test]
fn values_keep_their_types_to_the_end() {
    // Go: `interface{}` cannot be encoded.
    let json = err!("root")
        .with("count", 3)
        .with("ratio", 0.5)
        .with("is_new", true);
    let json = json.report().json().to_string();
    for value in ["\"value\":3}", "\"value\":0.5}", "\"value\":true}"] {
        assert!(json.contains(value), "{json}");
    }
}

#[test]
fn internal_text_and_personal_data_do_not_reach_a_client() {
    let error = err!(NOT_FOUND, "SELECT secret FROM users")
        .with("email", Sensitive::new("ada@example.org"))
        .with("host", "10.0.0.7".to_owned());
    let text = error.report().audience(Audience::Client).json().to_string();
    for leak in ["SELECT", "ada@", "10.0.0.7"] {
        assert!(!text.contains(leak), "{text}");
    }
}

#[test]
fn one_error_can_be_shared() {
    let error: Arc<StdError> = Arc::new(err!("shared").with("key", 1).into_std());
    let other = Arc::clone(&error);
    let thread = std::thread::spawn(move || other.as_error().fields().count());
    assert_eq!(thread.join().expect("it does not panic"), 1);
    assert_eq!(error.to_string(), "shared");
}

#[test]
fn a_context_that_is_not_needed_is_not_built() {
    // Go: the map and its values are built before anybody knows whether there is an error.
    let built = std::cell::Cell::new(false);
    let result: std::io::Result<()> = Ok(());
    let result = result.context(|| {
        built.set(true);
        "built"
    });
    assert!(result.is_ok() && !built.get());
}
