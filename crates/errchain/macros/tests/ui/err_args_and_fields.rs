fn text(id: u64) -> errchain::Error {
    errchain::err!("user {}", id; user_id = id)
}

errchain::code!(CODE: "test", "CODE", errchain::Kind::Internal, "Title");

fn coded(id: u64) -> errchain::Result<()> {
    errchain::ensure!(id > 3, CODE, "user {id} of {most}", most = 3; user_id = id);
    Ok(())
}

fn main() {}
