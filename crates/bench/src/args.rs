//! The command line of a benchmark.

use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use lexopt::{Parser, ValueExt};

pub(crate) const USAGE: &str = "\
Compares contenders, and writes a table and target/bench/NAME.json.

  --quick           fewer and shorter rounds: to see that it works, not to quote
  --only SUBSTRING  only rows and facts whose name has it
  --page FILE       write the table there too, as a page for the book
  -h, --help        this";

/// What this process is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    Help,
    /// Measure, with children.
    Run {
        quick: bool,
        only: Option<String>,
        page: Option<PathBuf>,
    },
    /// Be a child, for a contender of a row at a size.
    Contend {
        row: usize,
        contender: usize,
        size: u64,
    },
    /// Be a child, for a contender of a fact.
    State {
        fact: usize,
        contender: usize,
    },
}

impl Args {
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let (mut quick, mut only, mut page) = (false, None, None);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(Self::Help),
                Long("quick") => quick = true,
                Long("only") => only = Some(parser.value()?.string()?),
                Long("page") => page = Some(parser.value()?.into()),
                // The two that this program calls itself with.
                Long("contend") => {
                    return Ok(Self::Contend {
                        row: parser.value()?.parse()?,
                        contender: parser.value()?.parse()?,
                        size: parser.value()?.parse()?,
                    });
                }
                Long("state") => {
                    return Ok(Self::State {
                        fact: parser.value()?.parse()?,
                        contender: parser.value()?.parse()?,
                    });
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self::Run { quick, only, page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        let run = |quick, only: Option<&str>| Args::Run {
            quick,
            only: only.map(str::to_owned),
            page: None,
        };
        for (words, args) in [
            (&[][..], Some(run(false, None))),
            (&["--quick"], Some(run(true, None))),
            (&["--only", "GET /"], Some(run(false, Some("GET /")))),
            (&["--only=GET", "--quick"], Some(run(true, Some("GET")))),
            (
                &["--page", "a.md"],
                Some(Args::Run {
                    quick: false,
                    only: None,
                    page: Some("a.md".into()),
                }),
            ),
            (&["--help"], Some(Args::Help)),
            (
                &["--contend", "1", "0", "100"],
                Some(Args::Contend {
                    row: 1,
                    contender: 0,
                    size: 100,
                }),
            ),
            (
                &["--state", "1", "2"],
                Some(Args::State {
                    fact: 1,
                    contender: 2,
                }),
            ),
            (&["--only"], None),
            (&["--contend", "1"], None),
            (&["--fast"], None),
            (&["fast"], None),
        ] {
            assert_eq!(
                Args::parse(Parser::from_args(words)).ok(),
                args,
                "{words:?}"
            );
        }
    }
}
