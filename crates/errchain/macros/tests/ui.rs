//! What does not compile, and what the compiler says about it: with the attribute, and with the
//! macros and methods of errchain itself. Here, because a test of this kind builds its crate anew with
//! all features that are on, and there are few of them here.

#[test]
fn wrong_use_is_refused_at_compile_time() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
