//! The scripts, and how they are called.

use redis::Cmd;

use crate::core::{Gcra, Rule, Slots};

/// A script as it is known to the server.
#[derive(Debug)]
pub(crate) struct Script {
    /// The SHA-1 of the source, by which the server calls it. A test holds them together.
    pub(crate) sha: &'static str,
    pub(crate) source: &'static str,
}

macro_rules! script {
    ($sha:literal, $($file:literal),*) => {
        Script {
            sha: $sha,
            source: concat!(include_str!("lua/now_server.lua"), $(include_str!($file)),*),
        }
    };
}

pub(crate) static GCRA: Script =
    script!("f651091ddfedde5a9ad07bd4b773647553a62276", "lua/gcra.lua");
pub(crate) static GCRA_ONE: Script = script!(
    "a7568caec656f14049e3f052b70d7c5bde871972",
    "lua/gcra_one.lua"
);
pub(crate) static GCRA_PARTS: Script = script!(
    "52bf4df4b20696f0166565afd7eff3afebbbac20",
    "lua/read.lua",
    "lua/gcra_time.lua",
    "lua/gcra_parts.lua"
);
pub(crate) static LIMITS: Script = script!(
    "5f223d9f69c8267470b204c710d9fe65bf9ca45f",
    "lua/read.lua",
    "lua/gcra_time.lua",
    "lua/limits.lua"
);
pub(crate) static PERMITS: Script = script!(
    "c931965561ba8abf32820eba641702b5c51f7a90",
    "lua/permits.lua"
);

/// What the script of all kinds is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Take,
    Look,
    Give,
}

/// A script with its keys and arguments.
#[derive(Debug)]
pub(crate) struct Call {
    script: &'static Script,
    /// For a server that knows the script.
    by_sha: Cmd,
}

impl Call {
    /// Checks of one policy by the generic cell rate algorithm, those of each key in their order.
    pub(crate) fn gcra<'a>(
        gcra: &Gcra,
        keys: impl Iterator<Item = &'a [u8]> + Clone,
        costs: impl Iterator<Item = &'a [u32]> + Clone,
    ) -> Self {
        if let (Some([cost]), 1, None) =
            (costs.clone().next(), gcra.denominator, keys.clone().nth(1))
        {
            let mut call = Self::new(&GCRA_ONE, keys);
            let increment = gcra.interval.whole.saturating_mul((*cost).into());
            call.numbers([gcra.tolerance.whole, increment]);
            return call;
        }
        let script = if gcra.denominator == 1 {
            &GCRA
        } else {
            &GCRA_PARTS
        };
        let mut call = Self::new(script, keys);
        call.numbers([gcra.interval.whole, gcra.tolerance.whole]);
        if gcra.denominator > 1 {
            call.numbers(parts(gcra));
        }
        if costs.clone().any(|costs| *costs != [1]) {
            for costs in costs {
                call.costs(costs);
            }
        }
        call
    }

    /// Orders for limits of any kind, each all or none: a key and a cost for each rule of each.
    pub(crate) fn orders<'a>(
        mode: Mode,
        rules: &[Rule],
        keys: impl Iterator<Item = &'a [u8]> + Clone,
        costs: impl Iterator<Item = u32> + Clone,
    ) -> Self {
        let mut call = Self::new(&LIMITS, keys);
        call.by_sha.arg(match mode {
            Mode::Take => "take",
            Mode::Look => "look",
            Mode::Give => "give",
        });
        call.by_sha.arg(rules.len());
        for rule in rules {
            call.rule(rule);
        }
        if costs.clone().any(|cost| cost != 1) {
            for cost in costs {
                call.by_sha.arg(cost);
            }
        }
        call
    }

    /// Takes or renews a permit.
    pub(crate) fn permit(key: &[u8], slots: Slots, permit: u128) -> Self {
        let mut call = Self::new(&PERMITS, std::iter::once(key));
        call.numbers([u64::from(slots.slots), slots.lease_us]);
        call.by_sha.arg(permit_name(permit, slots.lease_us));
        call
    }

    /// The command for a server that knows the script.
    pub(crate) fn by_sha(&self) -> &Cmd {
        &self.by_sha
    }

    /// The command for a server that does not know it yet.
    pub(crate) fn by_source(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.script.source);
        for arg in self.by_sha.args_iter().skip(2) {
            if let redis::Arg::Simple(arg) = arg {
                command.arg(arg);
            }
        }
        command
    }

    fn new<'a>(script: &'static Script, keys: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut by_sha = Cmd::with_capacity(16, 256);
        by_sha.arg("EVALSHA").arg(script.sha);
        by_sha.arg(keys.clone().count());
        for key in keys {
            by_sha.arg(key);
        }
        Self { script, by_sha }
    }

    fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        for number in numbers {
            self.by_sha.arg(number);
        }
    }

    /// A number of checks for a unit each, or the cost of each after a comma.
    fn costs(&mut self, costs: &[u32]) {
        if costs.iter().all(|cost| *cost == 1) {
            self.by_sha.arg(costs.len());
        } else {
            let words = costs.iter().map(|cost| format!(",{cost}"));
            self.by_sha.arg(words.collect::<String>());
        }
    }

    fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Gcra(gcra) => {
                self.by_sha.arg("gcra");
                self.numbers([gcra.interval.whole, gcra.tolerance.whole]);
                self.numbers(parts(gcra));
            }
            Rule::Fixed(window) => {
                self.by_sha.arg("fixed");
                self.numbers([u64::from(rule.capacity()), window.window_us]);
            }
            Rule::Sliding(window) => {
                self.by_sha.arg("sliding");
                self.numbers([u64::from(rule.capacity()), window.bucket_us()]);
                self.numbers([crate::core::BUCKETS as u64]);
            }
        }
    }
}

fn parts(gcra: &Gcra) -> [u64; 3] {
    [gcra.interval.part, gcra.tolerance.part, gcra.denominator]
}

/// A permit as a member of its set, with its own lease.
pub(crate) fn permit_name(permit: u128, lease_us: u64) -> String {
    format!("{permit:032x}:{lease_us}")
}
