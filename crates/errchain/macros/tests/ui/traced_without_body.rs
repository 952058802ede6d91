trait Number {
    #[errchain::traced]
    fn number() -> errchain::Result<u8>;
}

fn main() {}
