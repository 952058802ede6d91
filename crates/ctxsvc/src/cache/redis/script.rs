//! The scripts, and how they are called.

use redis::Cmd;

/// A script as it is known to the server.
pub(crate) struct Script {
    /// The SHA-1 of the source, by which the server calls it. A test holds them together.
    pub(crate) sha: &'static str,
    pub(crate) source: &'static str,
}

pub(crate) static ACQUIRE: Script = Script {
    sha: "ddc07926a2b5889f9b29d89bb1cbc24afdfff104",
    source: include_str!("lua/acquire.lua"),
};

pub(crate) static FILL: Script = Script {
    sha: "d2f758988b53ad77a41ae4b66d143e45cc3bfd2d",
    source: include_str!("lua/fill.lua"),
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
