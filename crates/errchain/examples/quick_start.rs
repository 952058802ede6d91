//! From a failure to what a client, a log and an operator see of it.
//!
//! Run `cargo run --example quick_start`. What to look for: the client learns the code and the
//! user's id, the log has every value but the address, and the operator also the way it came.

use errchain::{Audience, Context, Kind, Result, Sensitive, code};

code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");

fn read(path: &'static str) -> Result<String> {
    std::fs::read_to_string(path)
        .context("reading a file")
        .with("path", path)
}

fn load(id: u64, email: &str) -> Result<String> {
    read("/no/such/folder/users")
        .hop()
        .code(&NOT_FOUND)
        .context("loading the user")
        .public("user_id", id)
        .with("email", Sensitive::new(email))
}

fn main() {
    let Err(error) = load(7, "ada@example.org") else {
        unreachable!("there is no such folder");
    };
    println!("{error}\n{error:#}\n");
    for audience in [Audience::Client, Audience::Log, Audience::Operator] {
        let report = error.report().audience(audience);
        println!("--- {audience:?}\n{report}\n{}\n", report.json());
    }
}
