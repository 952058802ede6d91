//! A benchmark: rows, facts, and what its program does.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::args::{Args, USAGE};
use crate::measure::{Plan, measure};
use crate::report::{FactReport, Growth, Report};
use crate::row::{Fact, Row};
use crate::worker::Worker;
use crate::{Calibration, child};

/// A benchmark: the rows to compare, and the program around them. See the [crate] for an example.
#[derive(Debug)]
pub struct Bench {
    name: String,
    rows: Vec<Row>,
    facts: Vec<Fact>,
}

impl Bench {
    /// A benchmark without rows. The name is that of its file, `target/bench/NAME.json`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rows: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// Does what the command line says: to be the whole of `main`.
    ///
    /// The program starts itself again for each contender, so what comes before this call is done
    /// by all of them. A contender must not print to the standard output.
    #[must_use = "it says whether the run has failed"]
    pub fn run(self) -> ExitCode {
        let done = match Args::parse(lexopt::Parser::from_env()) {
            Ok(Args::Help) => {
                println!("{USAGE}");
                Ok(())
            }
            Ok(Args::Run { quick, only, page }) => self
                .compare(quick, only.as_deref().unwrap_or(""))
                .and_then(|report| page.map_or(Ok(()), |page| fs::write(page, report.page()))),
            Ok(Args::Contend {
                row,
                contender,
                size,
            }) => {
                let contender = self
                    .rows
                    .get(row)
                    .and_then(|row| row.contenders.get(contender));
                contender.map_or_else(unknown, |found| child::contend(&mut *(found.make)(size)))
            }
            Ok(Args::State { fact, contender }) => {
                let contender = self
                    .facts
                    .get(fact)
                    .and_then(|fact| fact.contenders.get(contender));
                contender.map_or_else(unknown, |(_, figure)| child::say(&figure()))
            }
            Err(error) => {
                eprintln!("{error}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    fn compare(&self, quick: bool, only: &str) -> io::Result<Report> {
        let mut report = Report::new(&self.name, quick, Calibration::measure()?);
        for (index, row) in self.rows.iter().enumerate() {
            if !row.name.contains(only) {
                continue;
            }
            let sizes = row.sizes.iter().map(|size| {
                eprintln!("{}, {size} ...", row.name);
                measure(
                    row,
                    index,
                    *size,
                    Plan::new(quick),
                    report.calibration.scale,
                )
            });
            let sizes = sizes.collect::<io::Result<Vec<_>>>()?;
            report.growth.extend(Growth::of(&sizes));
            report.rows.extend(sizes);
        }
        for (index, fact) in self.facts.iter().enumerate() {
            if fact.name.contains(only) {
                eprintln!("{} ...", fact.name);
                report.facts.push(establish(fact, index)?);
            }
        }
        if report.rows.is_empty() && report.facts.is_empty() {
            return Err(io::Error::other(format!("no row's name contains {only:?}")));
        }
        let file = self.write(&report)?;
        print!("{report}");
        println!("\nwritten to {}", file.display());
        Ok(report)
    }

    fn write(&self, report: &Report) -> io::Result<PathBuf> {
        let folder = target_folder()?.join("bench");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}.json", self.name));
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        fs::write(&file, json)?;
        Ok(file)
    }
}

fn establish(fact: &Fact, index: usize) -> io::Result<FactReport> {
    let figures = fact
        .contenders
        .iter()
        .enumerate()
        .map(|(number, (name, _))| {
            let args = ["--state".to_owned(), index.to_string(), number.to_string()];
            let mut worker = Worker::start(format!("{name} in {:?}", fact.name), &args)?;
            Ok((name.clone(), worker.answer()?))
        });
    Ok(FactReport {
        name: fact.name.clone(),
        figures: figures.collect::<io::Result<_>>()?,
    })
}

/// The numbers come from this very program, so only a person can get here.
fn unknown() -> io::Result<()> {
    Err(io::Error::other("no such contender"))
}

/// This program lies in `target/PROFILE/`.
fn target_folder() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.ancestors().nth(2);
    folder
        .map(Into::into)
        .ok_or_else(|| io::Error::other("the program lies in no target folder"))
}
