#[errchain::traced]
const fn number() -> Option<u8> {
    Some(1)
}

fn main() {}
