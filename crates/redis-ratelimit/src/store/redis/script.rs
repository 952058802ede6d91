//! The scripts, and how they are called.

use redis::{Cmd, ToRedisArgs};

use crate::core::{Gcra, Rule, Slots};

/// A script as it is known to the server.
#[derive(Debug)]
pub(crate) struct Script {
    /// The SHA-1 of the source, by which the server calls it. A test holds them together.
    pub(crate) sha: &'static str,
    pub(crate) source: &'static str,
}

macro_rules! script {
    ($file:literal, $sha:literal) => {
        Script {
            sha: $sha,
            source: concat!(include_str!("lua/now_server.lua"), include_str!($file)),
        }
    };
}

pub(crate) static GCRA: Script =
    script!("lua/gcra.lua", "9c2821e743d8c5982d81fe011440e1f87c61b9e4");
pub(crate) static LIMITS: Script =
    script!("lua/limits.lua", "7c5f399c0d293e09c0fbb73d47f0c79b41d896a0");
pub(crate) static PERMITS: Script = script!(
    "lua/permits.lua",
    "09823ac397ddb59f9f73e53197b9a55384b19295"
);

pub(crate) static BATCH: Script =
    script!("lua/batch.lua", "3634bb05c9ecd17eced9a77987eca0b1ed4a1fe7");

/// What the script of all kinds is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Take,
    Look,
    Give,
}

/// A limit in a call of a script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) rule: &'a Rule,
    pub(crate) cost: u32,
}

/// A script with its keys and arguments.
#[derive(Debug)]
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Arg>,
}

#[derive(Debug)]
enum Arg {
    Number(u64),
    Word(&'static str),
    Permit(u128),
    Costs(String),
}

impl Call {
    /// One check by the generic cell rate algorithm.
    pub(crate) fn gcra(key: &[u8], gcra: &Gcra, cost: u32) -> Self {
        let mut args = vec![
            Arg::Number(gcra.interval.whole),
            Arg::Number(gcra.tolerance.whole),
            Arg::Number(u64::from(cost)),
        ];
        if gcra.denominator > 1 {
            args.extend(parts(gcra));
        }
        Self {
            script: &GCRA,
            keys: vec![key.to_vec()],
            args,
        }
    }

    /// Checks of one policy by the generic cell rate algorithm, bundled by their keys.
    pub(crate) fn batch<'a>(
        gcra: &Gcra,
        bundles: impl Iterator<Item = (Vec<u8>, &'a [u32])>,
    ) -> Self {
        let mut args = vec![
            Arg::Number(gcra.interval.whole),
            Arg::Number(gcra.tolerance.whole),
        ];
        args.extend(parts(gcra));
        let mut keys = Vec::new();
        for (key, costs) in bundles {
            keys.push(key);
            args.push(costs_of(costs));
        }
        Self {
            script: &BATCH,
            keys,
            args,
        }
    }

    /// Limits of any kind, all or none.
    pub(crate) fn limits<'a>(mode: Mode, limits: impl Iterator<Item = Limit<'a>>) -> Self {
        let mut args = vec![Arg::Word(match mode {
            Mode::Take => "take",
            Mode::Look => "look",
            Mode::Give => "give",
        })];
        let mut keys = Vec::new();
        for limit in limits {
            keys.push(limit.key.to_vec());
            args.extend(rule(limit.rule));
            args.push(Arg::Number(u64::from(limit.cost)));
        }
        Self {
            script: &LIMITS,
            keys,
            args,
        }
    }

    /// Takes or renews a permit.
    pub(crate) fn permit(key: &[u8], slots: Slots, permit: u128) -> Self {
        Self {
            script: &PERMITS,
            keys: vec![key.to_vec()],
            args: vec![
                Arg::Number(u64::from(slots.slots)),
                Arg::Number(slots.lease_us),
                Arg::Permit(permit),
            ],
        }
    }

    /// The command for a server that knows the script.
    pub(crate) fn by_sha(&self) -> Cmd {
        self.command("EVALSHA", self.script.sha)
    }

    /// The command for a server that does not know it yet.
    pub(crate) fn by_source(&self) -> Cmd {
        self.command("EVAL", self.script.source)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let keys: usize = self.keys.iter().map(Vec::len).sum();
        let size = keys + script.len() + 24 * (self.args.len() + 2);
        let mut command = Cmd::with_capacity(3 + self.keys.len() + self.args.len(), size);
        command.arg(name).arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for arg in &self.args {
            command.arg(arg);
        }
        command
    }
}

fn rule(rule: &Rule) -> Vec<Arg> {
    match rule {
        Rule::Gcra(gcra) => {
            let mut args = vec![
                Arg::Word("gcra"),
                Arg::Number(gcra.interval.whole),
                Arg::Number(gcra.tolerance.whole),
            ];
            args.extend(parts(gcra));
            args
        }
        Rule::Fixed(window) => vec![
            Arg::Word("fixed"),
            Arg::Number(u64::from(window.limit())),
            Arg::Number(window.window_us),
        ],
        Rule::Sliding(window) => vec![
            Arg::Word("sliding"),
            Arg::Number(u64::from(window.limit())),
            Arg::Number(window.bucket_us()),
            Arg::Number(crate::core::BUCKETS as u64),
        ],
    }
}

/// A number of checks for a unit each, or the cost of each after a comma.
fn costs_of(costs: &[u32]) -> Arg {
    if costs.iter().all(|cost| *cost == 1) {
        return Arg::Number(costs.len() as u64);
    }
    let words = costs.iter().map(|cost| [",".to_owned(), cost.to_string()]);
    Arg::Costs(words.flatten().collect())
}

fn parts(gcra: &Gcra) -> [Arg; 3] {
    [
        Arg::Number(gcra.interval.part),
        Arg::Number(gcra.tolerance.part),
        Arg::Number(gcra.denominator),
    ]
}

impl ToRedisArgs for Arg {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        match self {
            Self::Number(number) => number.write_redis_args(out),
            Self::Word(word) => word.write_redis_args(out),
            Self::Costs(costs) => costs.write_redis_args(out),
            Self::Permit(permit) => permit_name(*permit).write_redis_args(out),
        }
    }
}

/// A permit as a member of its set.
pub(crate) fn permit_name(permit: u128) -> String {
    format!("{permit:032x}")
}
