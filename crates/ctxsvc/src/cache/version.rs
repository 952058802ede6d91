//! Which versions of a row are too old to be remembered.

use std::time::Duration;

/// For how long what was seen of a row counts after it was forgotten, or after its time was over. A
/// replica that lags by more is believed.
pub(super) const LAG: Duration = Duration::from_secs(10);

/// What was seen of a key's versions. What has none itself is never too old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Floor {
    version: Option<u64>,
    /// It may have been written since, so that the same version is too old, too.
    is_past: bool,
}

impl Floor {
    /// This one is known.
    pub(super) fn at(version: u64) -> Self {
        Self {
            version: Some(version),
            is_past: false,
        }
    }

    /// This one was known and is forgotten.
    pub(super) fn above(version: u64) -> Self {
        Self {
            version: Some(version),
            is_past: true,
        }
    }

    pub(super) fn admits(self, version: Option<u64>) -> bool {
        match (version, self.version) {
            (Some(version), Some(seen)) if self.is_past => version > seen,
            (Some(version), Some(seen)) => version >= seen,
            _ => true,
        }
    }

    /// The highest version that was seen.
    pub(super) fn seen(self) -> Option<u64> {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_admits_itself_and_what_is_forgotten_does_not() {
        let (at, above) = (Floor::at(7), Floor::above(7));
        for (version, is_known, is_new) in [(6, false, false), (7, true, false), (8, true, true)] {
            assert_eq!(at.admits(Some(version)), is_known, "{version}");
            assert_eq!(above.admits(Some(version)), is_new, "{version}");
        }
        for floor in [at, above, Floor::default()] {
            assert!(floor.admits(None), "{floor:?}");
        }
        assert!(Floor::default().admits(Some(0)));
    }
}
