//! Fields: their order, their types, what happens to odd ones.

use std::time::Duration;

use errchain::{Context, Sensitive, Value, err};

#[test]
fn values_keep_their_types() {
    for (value, expected) in [
        (Value::from(true), Value::Bool(true)),
        (Value::from(-1_i8), Value::I64(-1)),
        (Value::from(u64::MAX), Value::U64(u64::MAX)),
        (Value::from(7_usize), Value::U64(7)),
        (Value::from(0.5_f32), Value::F64(0.5)),
        (Value::from("text"), Value::Static("text")),
        (Value::from("text".to_owned()), Value::Static("text")),
        (Value::from(Duration::MAX), Value::Duration(Duration::MAX)),
        (Value::from(Some(1_u8)), Value::U64(1)),
        (Value::from(None::<u8>), Value::Null),
    ] {
        assert_eq!(value, expected);
    }
    assert_ne!(Value::I64(-1), Value::U64(u64::MAX));
    assert_ne!(Value::Sensitive, Value::Sensitive, "nobody can tell");
}

#[test]
fn of_two_fields_with_one_key_both_are_kept_and_the_outer_one_answers() {
    let error = err!("root")
        .with("key", 1)
        .context("above")
        .public("key", 2);
    let fields: Vec<_> = error
        .fields()
        .map(|field| (field.key(), field.value().to_string(), field.is_public()))
        .collect();
    assert_eq!(
        fields,
        [
            ("key", "1".to_owned(), false),
            ("key", "2".to_owned(), true)
        ]
    );
    assert_eq!(error.field("key"), Some(&Value::I64(2)));
    assert_eq!(error.field("other"), None);
}

#[test]
fn a_field_is_one_line_whatever_it_holds() {
    let error = err!("root").with("key", "one\ntwo\u{1b}[2J".to_owned());
    let shown = format!("{:?}", error.fields().collect::<Vec<_>>());
    assert_eq!(shown, "[key=one\\ntwo\\u{1b}[2J]");
}

#[test]
fn a_number_is_short_however_large_it_is() {
    for (number, shown) in [
        (f64::MAX, "1.7976931348623157e308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (-1e16, "-1e16"),
        (123_456_789.5, "123456789.5"),
        (-0.25, "-0.25"),
        (0.0, "0"),
        (f64::INFINITY, "inf"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(Value::from(number).to_string(), shown);
        let error = err!("root").with("key", number);
        let json = error.report().json().to_string();
        assert!(json.contains(shown), "{json}");
    }
}

#[test]
fn a_sensitive_value_is_dropped_at_once() {
    use crate::support::Counted;
    let counted = Counted::default();
    let error = err!("root").with("secret", Sensitive::new(counted.twin()));
    assert_eq!(counted.drops(), 1);
    assert!(matches!(error.field("secret"), Some(Value::Sensitive)));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_loses_no_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    for (bytes, shown) in [
        (&b"/tmp/ok"[..], "/tmp/ok"),
        (b"/tmp/\xFF\xFEx", "/tmp/\\xFF\\xFEx"),
        (b"\xC3", "\\xC3"),
        (b"", ""),
    ] {
        let value = Value::from(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(value.as_str(), Some(shown));
    }
}

#[test]
fn fields_of_results_are_those_of_errors() {
    let result: Result<(), _> = Err(std::fmt::Error);
    let error = result
        .with("with", 1)
        .public("public", 2)
        .expect_err("it was an error");
    let public: Vec<_> = error.fields().map(errchain::Field::is_public).collect();
    assert_eq!(public, [false, true]);
}
