//! The scripts, and how they are called.

use redis::Cmd;

/// A script as it is known to the server.
pub(crate) struct Script {
    /// The SHA-1 of the source, by which the server calls it. A test holds them together.
    pub(crate) sha: &'static str,
    pub(crate) source: &'static str,
}

pub(crate) static ACQUIRE: Script = Script {
    sha: "9296ce057673b08eba18185d366fddcb8bf418ba",
    source: concat!(
        include_str!("lua/version.lua"),
        include_str!("lua/acquire.lua")
    ),
};

pub(crate) static ACQUIRE_ALL: Script = Script {
    sha: "5967ece7e4bb93d9ff8b5bad42836d6e37aaa1aa",
    source: concat!(
        include_str!("lua/version.lua"),
        include_str!("lua/acquire_all.lua")
    ),
};

pub(crate) static FILL: Script = Script {
    sha: "de1f2cb5da393d33335f3c14b5c6022f0306d4e6",
    source: concat!(
        include_str!("lua/version.lua"),
        include_str!("lua/fill.lua")
    ),
};

pub(crate) static FORGET: Script = Script {
    sha: "64f738a5e1f53ad8debd556d62bdfa2f1f7a681b",
    source: concat!(
        include_str!("lua/version.lua"),
        include_str!("lua/forget.lua")
    ),
};

/// A script with its keys and arguments.
pub(crate) struct Call {
    script: &'static Script,
    /// For a server that knows the script.
    pub(crate) by_sha: Cmd,
}

impl Call {
    pub(crate) fn new<'a>(
        script: &'static Script,
        names: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut by_sha = redis::cmd("EVALSHA");
        by_sha.arg(script.sha).arg(names.len());
        for name in names {
            by_sha.arg(name);
        }
        Self { script, by_sha }
    }

    /// The command for a server that does not know the script yet.
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
}
