errchain::code!(WRONG: "user", "not found", errchain::Kind::NotFound, "Title");

fn main() {}
