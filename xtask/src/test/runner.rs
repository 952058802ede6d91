//! The programs that run tests: cargo-nextest where it is installed, else `cargo test`.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::count::{Counter, Counts, Format};
use super::plan::Job;
use super::tier::{Tier, unit_targets};
use crate::failure::Result;
use crate::run;
use crate::say::say;
use crate::workspace::{Package, Workspace};

/// How many cases proptest tries of each property: 256 unless it is set.
const CASES_VARIABLE: &str = "PROPTEST_CASES";
const CASES_FULL: &str = "25600";

/// Which features of a crate have models.
const MODEL_FEATURES: [(&str, &str); 1] = [("elastic-pool", "task")];

/// What the address sanitizer looks at in the crates that have a folder `raw`, and whether also for
/// leaks: some tests leak on purpose.
const SANITIZED: [(&str, &str, bool); 4] = [
    (
        "elastic-pool",
        "--features task --lib --test promises",
        true,
    ),
    (
        "elastic-pool",
        "--features task --test task --test torture",
        false,
    ),
    (
        "errchain",
        "--features backtrace,macros --lib --test promises --test model --test traces",
        true,
    ),
    ("middleware-chain", "--lib --test model", false),
];

/// No example takes longer.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Runner<'a> {
    workspace: &'a Workspace,
    format: Format,
    full: bool,
}

impl<'a> Runner<'a> {
    pub(crate) fn find(workspace: &'a Workspace, full: bool) -> Self {
        let format = match std::env::var("XTASK_RUNNER").as_deref() {
            Ok("cargo") => Format::Libtest,
            Ok("nextest") => Format::Nextest,
            _ if has_nextest(workspace) => Format::Nextest,
            _ => Format::Libtest,
        };
        Self {
            workspace,
            format,
            full,
        }
    }

    /// Runs the tests of a job. `watch` is told of each process while it runs.
    pub(crate) fn run(
        &self,
        job: &Job<'_>,
        variables: &[(&'static str, String)],
        mut watch: impl FnMut(Option<u32>),
    ) -> Result<Counts> {
        if job.tier == Tier::Example {
            return self.examples(job);
        }
        let mut total = Counts::default();
        for (mut command, format) in self.commands(job) {
            command.envs(variables.iter().map(|(name, value)| (name, value)));
            say(format_args!("xtask: {}", run::show(&command)));
            let mut counts = stream(&mut command, format, &mut watch)?;
            if matches!(job.tier, Tier::Model | Tier::Shuttle) {
                // What the filter left out is another tier's.
                counts.skipped = 0;
            }
            if counts.executed() == 0 {
                // An empty selection, or a build that failed: green is neither.
                counts.has_failed = true;
            }
            total.add(counts);
        }
        Ok(total)
    }

    /// Builds all examples at once, with the features that tests have, and runs one after another.
    fn examples(&self, job: &Job<'_>) -> Result<Counts> {
        let mut build = self.cargo(&["build"]);
        build
            .args(selection(&job.named))
            .args(["--all-features", "--examples"]);
        say(format_args!("xtask: {}", run::show(&build)));
        let status = build.status().map_err(|error| format!("cargo: {error}"))?;
        let mut counts = Counts {
            has_failed: !status.success(),
            ..Counts::default()
        };
        if counts.has_failed {
            return Ok(counts);
        }
        let folder = self.workspace.target.join("debug/examples");
        let mut names = BTreeSet::new();
        let examples = job.packages.iter();
        for (member, name) in examples.flat_map(|it| it.examples.iter().map(move |name| (it, name)))
        {
            let outcome = if names.insert(name) {
                let mut example = Command::new(folder.join(name));
                example.current_dir(&member.dir);
                run::text(&mut example, EXAMPLE_LIMIT)
            } else {
                // All are built into one folder, so this would be the other one again.
                Err("another package has an example of this name: rename one".to_owned())
            };
            match outcome {
                Ok(_) => {
                    say(format_args!("    {} {name}", member.name));
                    counts.passed += 1;
                }
                Err(error) => {
                    say(format_args!("FAILED {} {name}: {error}", member.name));
                    counts.failed += 1;
                }
            }
        }
        Ok(counts)
    }

    fn commands(&self, job: &Job<'_>) -> Vec<(Command, Format)> {
        match job.tier {
            Tier::Doc => {
                let mut command = self.cargo(&["test"]);
                command.args(selection(&job.named));
                command.args(["--all-features", "--no-fail-fast", "--doc"]);
                vec![(command, Format::Libtest)]
            }
            Tier::Model | Tier::Shuttle => job
                .packages
                .iter()
                .map(|package| self.model(package, job.tier))
                .collect(),
            Tier::Asan => SANITIZED
                .iter()
                .filter(|(name, ..)| job.packages.iter().any(|it| it.name == *name))
                .map(|sanitized| self.sanitized(*sanitized))
                .collect(),
            Tier::Unit => {
                let targets = unit_selection(&job.packages);
                vec![self.tests(&job.named, &targets, false)]
            }
            _ => {
                let targets = ["--test".to_owned(), job.tier.name().to_owned()];
                vec![self.tests(&job.named, &targets, true)]
            }
        }
    }

    /// The targets select what runs. The packages are the same in all tiers, and so are the
    /// features of what they stand on: cargo builds each crate once.
    fn tests(
        &self,
        named: &[&Package],
        targets: &[String],
        with_ignored: bool,
    ) -> (Command, Format) {
        let mut command = self.test_command();
        command.args(selection(named));
        command
            .args(["--all-features", "--no-fail-fast"])
            .args(targets);
        match (self.format, with_ignored) {
            (Format::Nextest, true) => command.args(["--run-ignored", "all"]),
            (Format::Libtest, true) => command.args(["--", "--include-ignored"]),
            (_, false) => &mut command,
        };
        (command, self.format)
    }

    /// Models run on the pure core: features bring dependencies that know nothing of them, but for
    /// those that bring something to be looked at.
    fn model(&self, package: &Package, tier: Tier) -> (Command, Format) {
        let (tests, flag) = if tier == Tier::Shuttle {
            ("shuttle_tests", " --cfg model_shuttle")
        } else {
            ("loom_tests", " --cfg model")
        };
        let mut command = self.test_command();
        command.args([
            "-p",
            &package.name,
            "--lib",
            "--release",
            "--no-default-features",
        ]);
        for (name, feature) in MODEL_FEATURES {
            if package.name == name {
                command.args(["--features", feature]);
            }
        }
        command.args(["--no-fail-fast", tests]);
        let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
        flags.push(flag);
        // A folder of its own: other flags would have cargo build everything again each time.
        command
            .env("RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", self.workspace.target.join(tier.name()));
        (command, self.format)
    }

    /// Tests under the address sanitizer. That is not stable, but the stable compiler has it. Memory that is
    /// kept for later is not freed, and it would not see that it is used.
    fn sanitized(&self, (name, targets, finds_leaks): (&str, &str, bool)) -> (Command, Format) {
        let mut command = self.test_command();
        // A target that is named keeps build scripts and macros out of it.
        let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        command.args(["-p", name, "--target", &host, "--no-fail-fast"]);
        command.args(targets.split(' '));
        let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
        flags.push(" -Zsanitizer=address --cfg keeps_nothing");
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", flags)
            .env(
                "ASAN_OPTIONS",
                format!("detect_leaks={}", u8::from(finds_leaks)),
            )
            .env("CARGO_TARGET_DIR", self.workspace.target.join("asan"));
        (command, self.format)
    }

    fn test_command(&self) -> Command {
        match self.format {
            Format::Nextest => self.cargo(&["nextest", "run"]),
            Format::Libtest => self.cargo(&["test"]),
        }
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.cargo();
        command.args(args);
        if io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        if self.full && std::env::var_os(CASES_VARIABLE).is_none() {
            command.env(CASES_VARIABLE, CASES_FULL);
        }
        command
    }
}

fn has_nextest(workspace: &Workspace) -> bool {
    let mut probe = workspace.cargo();
    let answer = run::output(
        probe.args(["nextest", "--version"]),
        Duration::from_secs(10),
    );
    answer.is_ok_and(|output| output.status.success())
}

fn selection(named: &[&Package]) -> Vec<String> {
    if named.is_empty() {
        return vec!["--workspace".to_owned()];
    }
    named
        .iter()
        .flat_map(|package| ["-p".to_owned(), package.name.clone()])
        .collect()
}

fn unit_selection(packages: &[&Package]) -> Vec<String> {
    let lib = packages
        .iter()
        .any(|it| it.lib.is_some())
        .then(|| "--lib".to_owned());
    let bins = packages
        .iter()
        .any(|it| it.has_bins)
        .then(|| "--bins".to_owned());
    let tests: BTreeSet<&str> = packages.iter().flat_map(|it| unit_targets(it)).collect();
    let tests = tests
        .into_iter()
        .flat_map(|name| ["--test".to_owned(), name.to_owned()]);
    lib.into_iter().chain(bins).chain(tests).collect()
}

/// Runs a command to its end; what it writes passes through and is counted on its way.
fn stream(
    command: &mut Command,
    format: Format,
    watch: &mut impl FnMut(Option<u32>),
) -> Result<Counts> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    watch(Some(child.id()));
    let counter = Mutex::new(Counter::new(format));
    let stdout = child.stdout.take().expect("it was piped above");
    let stderr = child.stderr.take().expect("it was piped above");
    thread::scope(|scope| {
        scope.spawn(|| pass_on(stdout, io::stdout(), &counter));
        pass_on(stderr, io::stderr(), &counter);
    });
    let status = child.wait().map_err(|error| error.to_string())?;
    watch(None);
    let counter = counter.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut counts = counter.counts();
    counts.has_failed |= !status.success();
    Ok(counts)
}

fn pass_on(from: impl Read, mut to: impl Write, counter: &Mutex<Counter>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        // A reader that went away (`| head`) must not stop the tests half-way.
        let _ = to.write_all(&line);
        let text = String::from_utf8_lossy(&line);
        counter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .feed(&text);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// But for those that nobody uses outside of the workspace.
    #[test]
    fn each_crate_with_a_folder_raw_is_sanitized() {
        let workspace = Workspace::find().expect("this one");
        let published = workspace.packages.iter().filter(|it| it.is_published());
        let raw = published.filter(|it| Tier::Asan.is_in(it));
        let raw: BTreeSet<&str> = raw.map(|it| it.name.as_str()).collect();
        let sanitized: BTreeSet<&str> = SANITIZED.iter().map(|(name, ..)| *name).collect();
        assert_eq!(raw, sanitized);
    }
}
