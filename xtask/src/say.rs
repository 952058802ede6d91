//! What people read. A reader who went away (`| head`) changes nothing about what there is to do,
//! where `println!` and `eprintln!` would panic half-way.

use std::fmt::Display;
use std::io::{self, Write};

/// A line on standard error.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line on standard output, for a caller who does something else where nobody reads it.
pub(crate) fn print(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
