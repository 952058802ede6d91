//! The helpers for tests: that they pass, fail, and say why.

use std::panic::catch_unwind;

use errchain::{Kind, assert_chain, assert_code, assert_field, code, err};

code!(RED: "test", "RED", Kind::Internal, "Red");
code!(BLUE: "test", "BLUE", Kind::Internal, "Blue");

fn message(assertion: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = catch_unwind(assertion).expect_err("the assertion fails");
    *payload.downcast().expect("assertions panic with a String")
}

#[test]
fn an_assertion_that_holds_passes_and_one_that_does_not_says_why() {
    let make = || err!(RED, "root"; size = 3).context("above");
    assert_chain!(make(), ["above", "root"]);
    assert_code!(make(), RED);
    assert_field!(make(), "size", 3_u64);

    for (message, parts) in [
        (
            message(|| assert_chain!(make(), ["above", "other"])),
            ["- other", "+ root"],
        ),
        (
            message(|| assert_chain!(make(), ["above"])),
            ["    above", "+ root"],
        ),
        (
            message(|| assert_chain!(make(), ["above", "root", "x"])),
            ["    root", "- x"],
        ),
        (
            message(|| assert_code!(make(), BLUE)),
            ["expected: test/BLUE", "found:    test/RED"],
        ),
        (
            message(|| assert_code!(make().with_code(&BLUE), RED)),
            ["expected: test/RED", "found:    test/BLUE"],
        ),
        (
            message(|| assert_code!(err!("none"), BLUE)),
            ["test/BLUE", "found:    none"],
        ),
        (
            message(|| assert_field!(make(), "size", 4)),
            ["expected: 4", "found:    3"],
        ),
        (
            message(|| assert_field!(make(), "color", "red")),
            ["`color`", "[size=3]"],
        ),
    ] {
        for part in parts {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}
