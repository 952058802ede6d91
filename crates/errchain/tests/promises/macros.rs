//! What each form of the macros makes.

use errchain::{Kind, Result, bail, code, ensure, err};

code!(CODE: "test", "CODE", Kind::Aborted, "Title");

#[test]
fn every_form_of_err_says_what_it_was_told() {
    let (one, two) = (1, 2);
    for (error, message, coded, fields) in [
        (err!("literal"), "literal", false, 0),
        (err!("literal",), "literal", false, 0),
        (err!("{{braces}}"), "{braces}", false, 0),
        (err!("half }}"), "half }", false, 0),
        (err!(CODE, "half {{"), "half {", true, 0),
        (err!("inline {one}"), "inline 1", false, 0),
        (
            err!("args {} {name}", one, name = two),
            "args 1 2",
            false,
            0,
        ),
        (err!("literal"; one = one, two = two), "literal", false, 2),
        (err!("inline {one}"; two = two,), "inline 1", false, 1),
        (err!(CODE), "Title", true, 0),
        (err!(self::CODE,), "Title", true, 0),
        (err!(CODE; one = one), "Title", true, 1),
        (err!(CODE, "literal"), "literal", true, 0),
        (err!(CODE, "inline {one}"), "inline 1", true, 0),
        (err!(CODE, "args {}", one), "args 1", true, 0),
        (err!(CODE, "literal"; one = one), "literal", true, 1),
        (err!(CODE, "inline {one}"; two = two), "inline 1", true, 1),
    ] {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.is(&CODE), coded, "{message}");
        assert_eq!(error.fields().count(), fields, "{message}");
    }
}

#[test]
fn names_of_the_caller_are_the_callers() {
    const FIXED: u32 = 7;
    const IS_PLAIN: bool = true;
    assert_eq!(err!("{FIXED} {IS_PLAIN}").to_string(), "7 true");
    assert_eq!(err!(CODE, "{FIXED}").to_string(), "7");
    code!(COLLIDES: "test", "FIXED", Kind::Aborted, "Title");
    {
        use COLLIDES as FIXED;
        assert!(err!(FIXED).is(&COLLIDES));
    }
}

#[test]
fn bail_returns_and_ensure_returns_unless_the_condition_holds() {
    fn check(number: u32) -> Result<&'static str> {
        ensure!(number != 0);
        ensure!(number != 1, "one");
        ensure!(number != 2, CODE);
        ensure!(number != 3, CODE, "three {number}"; number = number);
        if number == 4 {
            bail!("four {}", number);
        }
        if number == 5 {
            bail!(CODE);
        }
        Ok("fine")
    }
    for (number, message) in [
        (0, "condition failed: `number != 0`"),
        (1, "one"),
        (2, "Title"),
        (3, "three 3"),
        (4, "four 4"),
        (5, "Title"),
    ] {
        let error = check(number).expect_err("not fine");
        assert_eq!(error.to_string(), message);
        assert_eq!(error.location().file(), file!());
    }
    assert_eq!(check(6).ok(), Some("fine"));
}

#[test]
fn a_condition_may_hold_braces() {
    fn check(text: &str) -> Result<()> {
        ensure!(text != "{}");
        Ok(())
    }
    let error = check("{}").expect_err("not fine");
    assert_eq!(error.to_string(), "condition failed: `text != \"{}\"`");
}
