fn wrap() -> errchain::Error {
    errchain::err!(std::fmt::Error.to_string())
}

fn main() {}
