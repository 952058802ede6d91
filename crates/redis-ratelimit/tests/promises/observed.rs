//! What can be seen from outside is what the book lists.

use std::collections::BTreeSet;

fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words
        .filter(|word| word.starts_with("ratelimit_"))
        .collect()
}

#[test]
fn the_book_lists_the_metrics_that_there_are() {
    let book = include_str!("../../../../docs/src/ratelimit/operations.md");
    let code = include_str!("../../src/observe.rs");
    assert_eq!(metrics(book), metrics(code));
    assert_eq!(metrics(code).len(), 6);
}

#[test]
fn the_book_lists_the_words_of_their_labels() {
    let book = include_str!("../../../../docs/src/ratelimit/operations.md");
    for word in [
        "allowed",
        "denied",
        "unknown_admitted",
        "unknown_refused",
        redis_ratelimit::Source::Store.as_str(),
        redis_ratelimit::Source::DenyCache.as_str(),
        redis_ratelimit::Source::Local.as_str(),
        redis_ratelimit::Applied::No.as_str(),
        redis_ratelimit::Applied::Maybe.as_str(),
    ] {
        assert!(book.contains(&format!("`{word}`")), "{word}");
    }
}
