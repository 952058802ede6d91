use errchain::Context;

fn eager() -> errchain::Result<()> {
    Err(std::fmt::Error).context(format!("built {}", "always"))
}

fn main() {}
