//! What the workspace does with itself.

fn main() {}
