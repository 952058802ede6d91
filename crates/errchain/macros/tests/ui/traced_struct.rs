#[errchain::traced]
struct Number(u8);

fn main() {}
