//! What does not compile, and what the compiler says about it.

#[test]
fn wrong_use_is_refused_at_compile_time() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
