//! The likeliest mistakes, and what the compiler says to them. Write the texts anew with
//! `TRYBUILD=overwrite`, and read them.

#[test]
fn a_mistake_is_told_where_it_is_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
