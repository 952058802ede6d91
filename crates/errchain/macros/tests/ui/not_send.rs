use std::rc::Rc;

#[derive(Debug)]
struct NotSend(Rc<u8>);

impl std::fmt::Display for NotSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not send")
    }
}

impl std::error::Error for NotSend {}

fn convert() -> errchain::Result<()> {
    Err(NotSend(Rc::new(1)))?
}

fn main() {}
