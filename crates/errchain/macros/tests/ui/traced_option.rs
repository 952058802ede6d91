#[errchain::traced(quietly)]
fn number() -> errchain::Result<u8> {
    Ok(1)
}

fn main() {}
