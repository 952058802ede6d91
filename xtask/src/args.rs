//! The command line. Each command has its own options, and nothing is ever ignored.

use std::ffi::OsString;

use lexopt::prelude::*;
use lexopt::{Arg, Parser};

use crate::failure::{Failure, Result};
use crate::services::command::Options as ServicesOptions;
use crate::services::keeper::{self, Keeper};
use crate::services::{Choice, Service};
use crate::test::{Options as TestOptions, Tier};
use crate::{bench, check, demo};

pub(crate) const USAGE: &str = "\
cargo xtask COMMAND

test   [-p CRATE]... [TIER]...  unit, doc, redis, postgres (CI=true: also model, chaos); by name
                                also shuttle, asan, browser, soak
         --services SOURCE      auto (the default: the first that answers) or one of
                                env, container, local, bundled, none
         --require SERVICES     redis,postgres: fail without them (CI=true implies both)
         --offline              pull and download nothing
         --keep                 leave the servers running
         --repeat N             N times, up to the first failure
         --full                 the nightly counts: each property 100 times as often
services up [--services SOURCE] [--offline] [--timings]
                                start Redis and Postgres: eval \"$(cargo xtask services up)\"
services down | status
demo   [--with-services] [--instances N] [-- ARGS]
                                the demo, on Redis and Postgres of its own if asked for;
                                of several the first is on port 3000, the next on 3001, ...
bench  [CRATE] [--quick] [--only ROW] [--with PEER]
                                ours beside its peers; PEER is one that is built only when named
check  [--bless]                format, lints, docs, tidiness, dependencies, packages;
                                --bless rewrites deps.txt
docs   [--open]                 the book and the API documentation
";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test(TestOptions),
    Services(ServicesOptions),
    Demo(demo::Options),
    Bench(bench::Options),
    Check(check::Options),
    Docs { open: bool },
    Keeper(Keeper),
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let mut parser = Parser::from_args(args);
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(word)) => word.string()?,
        Some(option) => return Err(option.unexpected().into()),
    };
    match command.as_str() {
        "help" => Ok(Command::Help),
        "test" => test(&mut parser),
        "services" => services(&mut parser),
        "demo" => demo(&mut parser),
        "bench" => bench(&mut parser),
        "check" => check(&mut parser),
        "docs" => docs(&mut parser),
        keeper::WORD => Keeper::parse(&mut parser).map(Command::Keeper),
        unknown => Err(Failure::Usage(format!("there is no command {unknown:?}"))),
    }
}

fn test(parser: &mut Parser) -> Result<Command> {
    let mut options = TestOptions::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('p') | Long("package") => options.packages.push(parser.value()?.string()?),
            Long("services") => options.choice = choice(parser)?,
            Long("require") => options.require = Some(required(parser)?),
            Long("offline") => options.offline = true,
            Long("keep") => options.keep = true,
            Long("repeat") => options.repeat = repeat(parser)?,
            Long("full") => options.full = true,
            Value(tier) => {
                let tier = tier.string()?;
                let known = Tier::from_name(&tier);
                options
                    .tiers
                    .push(known.ok_or_else(|| unknown_tier(&tier))?);
            }
            other => return help_or_unexpected(other),
        }
    }
    let wants_some = options
        .require
        .as_ref()
        .is_some_and(|services| !services.is_empty());
    if options.choice == Choice::None && wants_some {
        return Err(Failure::Usage(
            "--require contradicts --services none".to_owned(),
        ));
    }
    Ok(Command::Test(options))
}

fn services(parser: &mut Parser) -> Result<Command> {
    let action = match parser.next()? {
        Some(Value(word)) => word.string()?,
        Some(other) => return help_or_unexpected(other),
        None => {
            return Err(Failure::Usage(
                "services wants one of up, down, status".to_owned(),
            ));
        }
    };
    let (mut picked, mut offline, mut timings) = (Choice::Auto, false, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("services") if action == "up" => picked = choice(parser)?,
            Long("offline") if action == "up" => offline = true,
            Long("timings") if action == "up" => timings = true,
            other => return help_or_unexpected(other),
        }
    }
    Ok(Command::Services(match action.as_str() {
        "up" => ServicesOptions::Up {
            choice: picked,
            offline,
            timings,
        },
        "down" => ServicesOptions::Down,
        "status" => ServicesOptions::Status,
        unknown => {
            let message = format!("services wants one of up, down, status, not {unknown:?}");
            return Err(Failure::Usage(message));
        }
    }))
}

fn demo(parser: &mut Parser) -> Result<Command> {
    let mut options = demo::Options {
        with_services: false,
        instances: 1,
        args: Vec::new(),
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("with-services") => options.with_services = true,
            Long("instances") => options.instances = instances(parser)?,
            // Only after `--`: an option of the demo's is none of ours.
            Value(arg) => options.args.push(arg.string()?),
            other => return help_or_unexpected(other),
        }
    }
    let has_port = |arg: &String| arg == "--port" || arg.starts_with("--port=");
    if options.instances > 1 && options.args.iter().any(has_port) {
        return Err(Failure::Usage(
            "--instances gives each a port, from 3000 on: leave --port away".to_owned(),
        ));
    }
    Ok(Command::Demo(options))
}

fn bench(parser: &mut Parser) -> Result<Command> {
    let mut options = bench::Options::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => options.quick = true,
            Long("only") => options.only = Some(parser.value()?.string()?),
            Long("with") => options.with = Some(parser.value()?.string()?),
            Value(name) if options.name.is_none() => options.name = Some(name.string()?),
            other => return help_or_unexpected(other),
        }
    }
    Ok(Command::Bench(options))
}

fn check(parser: &mut Parser) -> Result<Command> {
    let mut options = check::Options::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("bless") => options.bless = true,
            other => return help_or_unexpected(other),
        }
    }
    Ok(Command::Check(options))
}

fn docs(parser: &mut Parser) -> Result<Command> {
    let mut open = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("open") => open = true,
            other => return help_or_unexpected(other),
        }
    }
    Ok(Command::Docs { open })
}

fn choice(parser: &mut Parser) -> Result<Choice> {
    let name = parser.value()?.string()?;
    Choice::from_name(&name).ok_or_else(|| {
        let names = "auto, env, container, local, bundled, none";
        Failure::Usage(format!("--services wants one of {names}, not {name:?}"))
    })
}

fn required(parser: &mut Parser) -> Result<Vec<Service>> {
    let list = parser.value()?.string()?;
    let of = |name| {
        Service::from_name(name).ok_or_else(|| {
            Failure::Usage(format!(
                "--require wants redis, postgres or both, not {name:?}"
            ))
        })
    };
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(of)
        .collect()
}

fn repeat(parser: &mut Parser) -> Result<u32> {
    let text = parser.value()?.string()?;
    let number = text.parse().ok().filter(|number| *number > 0);
    let message = format!("--repeat wants a number from 1 on, not {text:?}");
    number.ok_or(Failure::Usage(message))
}

fn instances(parser: &mut Parser) -> Result<u16> {
    let text = parser.value()?.string()?;
    let bounds = 1..=demo::INSTANCES_MAX;
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    let message = format!(
        "--instances wants a number from 1 to {}, not {text:?}",
        bounds.end()
    );
    number.ok_or(Failure::Usage(message))
}

fn unknown_tier(name: &str) -> Failure {
    let names = Tier::ALL.map(Tier::name).join(", ");
    Failure::Usage(format!(
        "no package has tests of a tier {name:?}; tiers are {names}"
    ))
}

fn help_or_unexpected(arg: Arg<'_>) -> Result<Command> {
    match arg {
        Short('h') | Long("help") => Ok(Command::Help),
        other => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_mistake_is_named_in_the_message() {
        let table = [
            ("frobnicate", "frobnicate"),
            ("--frobnicate", "--frobnicate"),
            ("test --services", "--services"),
            ("test --services docker", "docker"),
            ("test --require mysql", "mysql"),
            ("test --services none --require redis", "--require"),
            ("test --repeat 0", "--repeat"),
            ("test --repeat many", "many"),
            ("test frob", "frob"),
            ("test --frob", "--frob"),
            ("test -p", "-p"),
            ("test --keep=yes", "--keep"),
            ("demo --instances 0", "from 1 to 16"),
            ("demo --instances 17", "from 1 to 16"),
            ("demo --instances 65536", "from 1 to 16"),
            ("demo --instances 2 -- --port 4000", "--port"),
            ("demo --instances 2 -- --port=4000", "--port"),
            ("services", "up, down, status"),
            ("services sideways", "sideways"),
            ("services down --timings", "--timings"),
        ];
        for (line, named) in table {
            match parsed(line) {
                Err(Failure::Usage(message)) => {
                    assert!(message.contains(named), "{line}: {message}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_is_found_wherever_one_looks_for_it() {
        for line in [
            "",
            "help",
            "-h",
            "--help",
            "test --help",
            "services -h",
            "services up --help",
        ] {
            assert!(matches!(parsed(line), Ok(Command::Help)), "{line}");
        }
    }

    #[test]
    fn the_options_of_test_are_read() {
        let line = "test -p a -p b --services local --offline --require redis,postgres --repeat 3 redis unit";
        let options = TestOptions {
            packages: vec!["a".into(), "b".into()],
            tiers: vec![Tier::Redis, Tier::Unit],
            choice: Choice::from_name("local").expect("it is one"),
            offline: true,
            require: Some(vec![Service::Redis, Service::Postgres]),
            repeat: 3,
            ..TestOptions::default()
        };
        assert_eq!(parsed(line).expect("it is right"), Command::Test(options));
    }
}
