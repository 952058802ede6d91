//! A captured stack.

use alloc::vec::Vec;
use core::fmt;

use super::{Frames, cache, walk};

/// The stack at the place where an error came up: addresses, until somebody looks.
#[derive(Clone)]
pub struct Backtrace {
    addresses: Vec<usize>,
}

impl Backtrace {
    /// The stack of this thread, now.
    #[must_use]
    #[inline]
    pub fn capture() -> Self {
        Self {
            addresses: walk::walk(),
        }
    }

    /// The return addresses, innermost first.
    #[must_use]
    pub fn addresses(&self) -> &[usize] {
        &self.addresses
    }

    /// The stack was deeper than what was kept, which are its innermost 512 frames.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.addresses.len() >= walk::MAX_FRAMES
    }

    /// The frames with their names, innermost first, without those inside this crate.
    ///
    /// # Performance
    ///
    /// The first time for each stack it reads debug information.
    #[must_use]
    pub fn frames(&self) -> Frames {
        cache::frames(&self.addresses)
    }
}

/// A line per frame.
impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.frames();
        f.write_str(frames.text().trim_start_matches('\n'))?;
        if self.is_cut() {
            f.write_str("\n  … (deeper frames were not kept)")?;
        }
        Ok(())
    }
}

/// How deep it is: names are for `Display`.
impl fmt::Debug for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backtrace({} frames)", self.addresses.len())
    }
}
