//! Processes, what they are told, and what they tell.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use redis::{Client, Connection};
use testkit::Call;

use super::client::{NAME, SERVER};
use super::{Answer, Asked};
use crate::PATIENCE;

pub(super) struct Fleet {
    url: String,
    processes: Vec<Process>,
    /// The numbers of those that were killed.
    killed: HashSet<usize>,
    told: Receiver<(usize, Line)>,
    tells: Sender<(usize, Line)>,
    server: Connection,
}

struct Process {
    number: usize,
    child: Child,
    input: ChildStdin,
}

/// What a process tells.
enum Line {
    Admitted(Admitted),
    /// It was denied a single unit, for the first time since it was told what to do.
    Denied,
    Called {
        number: u64,
        at: u64,
        units: u64,
    },
    Returned {
        number: u64,
        at: u64,
        answer: Answer,
    },
    /// It has done what it was told.
    Done,
    /// It is dead.
    End,
}

/// Units that somebody was told to be admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) called: u64,
    pub(super) returned: u64,
    pub(super) units: u64,
}

impl Fleet {
    pub(super) fn start(url: &str, processes: usize) -> Self {
        let client = Client::open(url).expect("a URL");
        let (tells, told) = channel();
        let mut fleet = Self {
            url: url.to_owned(),
            processes: Vec::new(),
            killed: HashSet::new(),
            told,
            tells,
            server: client.get_connection().expect("the server answers"),
        };
        fleet.processes = (0..processes)
            .map(|number| fleet.start_one(number))
            .collect();
        fleet
    }

    /// Has all processes ask for a key until so many units were admitted, and each of them was
    /// denied one. At each eighth of the way the scripts are flushed, and at every other one a
    /// process is killed and another one takes its place.
    pub(super) fn hammer(&mut self, name: &str, units: u32, until: u64) -> Vec<Admitted> {
        let order = format!("hammer {name} {units}");
        let (mut all, mut admitted, mut eighths) = (Vec::new(), 0, 0);
        let (mut working, mut denied) = (self.tell_all(&order), HashSet::new());
        let mut is_over = false;
        while !working.is_empty() {
            let (process, line) = self.next();
            match line {
                Line::Admitted(line) => {
                    all.push(line);
                    admitted += line.units;
                }
                Line::Denied => _ = denied.insert(process),
                Line::Done | Line::End => _ = working.remove(&process),
                Line::Called { .. } | Line::Returned { .. } => panic!("that is of another round"),
            }
            while eighths < 8 && admitted * 8 >= until * (eighths + 1) {
                eighths += 1;
                self.flush_scripts();
                if eighths % 2 == 0 {
                    let index = usize::try_from(eighths / 2).expect("a digit") - 1;
                    working.insert(self.replace(index));
                    self.processes[index].tell(&order);
                }
            }
            let all_denied = || {
                self.processes
                    .iter()
                    .all(|process| denied.contains(&process.number))
            };
            if !is_over && eighths == 8 && all_denied() {
                is_over = true;
                self.tell_all("stop");
            }
        }
        all
    }

    /// Has all processes ask a few times for a key of the round's own. In some rounds the scripts
    /// are flushed, and in some a process is killed.
    pub(super) fn round(&mut self, name: &str, units: u32, round: u64) -> Vec<Call<Asked>> {
        if round.is_multiple_of(3) {
            self.flush_scripts();
        }
        let victim = usize::try_from(round / 4).expect("a small number") % self.processes.len();
        let mut victim = (round % 4 == 1).then_some((victim, self.processes[victim].number));
        let mut calls = HashMap::new();
        let mut working = self.tell_all(&format!("round {name} {units} key{round}"));
        while !working.is_empty() {
            let (process, line) = self.next();
            match line {
                Line::Called { number, at, units } => {
                    let op = Asked {
                        units,
                        answer: None,
                    };
                    let call = Call {
                        op,
                        called: at,
                        returned: None,
                    };
                    calls.insert((process, number), call);
                }
                Line::Returned { number, at, answer } => {
                    let call = calls.get_mut(&(process, number));
                    let call = call.expect("it was called");
                    call.returned = Some(at);
                    call.op.answer = Some(answer);
                }
                Line::Done if self.killed.contains(&process) => {}
                Line::Done | Line::End => _ = working.remove(&process),
                Line::Admitted(_) | Line::Denied => panic!("that is of another round"),
            }
            // When it has told something, so that it is in the middle of its work.
            if let Some((index, _)) = victim.take_if(|(_, number)| *number == process) {
                self.replace(index);
            }
        }
        calls.into_values().collect()
    }

    fn tell_all(&mut self, line: &str) -> HashSet<usize> {
        for process in &mut self.processes {
            process.tell(line);
        }
        self.processes
            .iter()
            .map(|process| process.number)
            .collect()
    }

    fn flush_scripts(&mut self) {
        let mut flush = redis::cmd("SCRIPT");
        flush.arg("FLUSH");
        flush.exec(&mut self.server).expect("a plain command");
    }

    /// Kills a process and starts another one, and returns its number.
    fn replace(&mut self, index: usize) -> usize {
        self.killed.insert(self.processes[index].number);
        self.processes[index].kill();
        let number = self.processes.len() + self.killed.len();
        self.processes[index] = self.start_one(number);
        number
    }

    fn start_one(&self, number: usize) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([NAME, "--exact", "--ignored", "--nocapture"]);
        command
            .env(SERVER, &self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program, again");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let tells = self.tells.clone();
        std::thread::spawn(move || {
            read(output, |line| _ = tells.send((number, line)));
            _ = tells.send((number, Line::End));
        });
        Process {
            number,
            child,
            input,
        }
    }

    fn next(&self) -> (usize, Line) {
        let (process, line) = self.told.recv_timeout(PATIENCE).expect("they go on");
        let is_alive = !matches!(line, Line::End) || self.killed.contains(&process);
        assert!(
            is_alive,
            "process {process} has failed: its words are above"
        );
        (process, line)
    }
}

impl Process {
    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it is alive");
    }

    fn kill(&mut self) {
        self.child.kill().expect("it was not waited for");
        self.child.wait().expect("it was killed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(mut output: impl BufRead, tell: impl Fn(Line)) {
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        // What was cut off by a kill is nothing that was told.
        if let Some(told) = line
            .strip_prefix('@')
            .and_then(|line| line.strip_suffix('\n'))
        {
            tell(parse(told));
        }
        line.clear();
    }
}

fn parse(line: &str) -> Line {
    let words: Vec<_> = line.split(' ').collect();
    let number = |index: usize| words[index].parse().expect("a number");
    match words[0] {
        "+" => Line::Admitted(Admitted {
            called: number(1),
            returned: number(2),
            units: number(3),
        }),
        "-" => Line::Denied,
        "?" => Line::Called {
            number: number(1),
            at: number(2),
            units: number(3),
        },
        "=" => Line::Returned {
            number: number(1),
            at: number(2),
            answer: Answer {
                admitted: words[3] == "true",
                remaining: words[4].parse().ok(),
            },
        },
        "." => Line::Done,
        _ => panic!("{line}?"),
    }
}
