errchain::code!(WRONG: "User", "NOT_FOUND", errchain::Kind::NotFound, "Title");

fn main() {}
