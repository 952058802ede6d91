//! Every chapter of the book, so that `cargo test --doc` compiles its samples.
