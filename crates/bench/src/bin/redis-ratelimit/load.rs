//! What is asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So many units in so many seconds, all of them at once if need be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) units: u32,
    pub(crate) seconds: u32,
}

/// The units of [`Load::Scarce`].
pub(crate) const SCARCE: u32 = 1_024;

const DAY: u32 = 24 * 60 * 60;

impl Quota {
    /// As good as none is given back while it is watched.
    pub(crate) const fn per_day(units: u32) -> Self {
        Self {
            units,
            seconds: DAY,
        }
    }
}

/// Which keys are asked for, and whether there is anything left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Load {
    /// So many keys, in no order. Each is forgotten soon after.
    Wide(u64),
    /// So many keys, in no order, that are all remembered.
    Kept(u64),
    /// One key.
    Hot,
    /// 64 keys that are asked for too often: most of it is denied.
    Denied,
    /// One key with 1024 units. Each task waits for so long after each decision.
    Scarce(Duration),
}

impl Load {
    pub(crate) fn key(self, nth: u64) -> u64 {
        match self {
            // A multiplication by a large prime visits each key once, in no order.
            Self::Wide(keys) | Self::Kept(keys) => nth % keys * 2_654_435_761 % keys,
            Self::Hot | Self::Scarce(_) => 0,
            Self::Denied => nth % 64,
        }
    }

    pub(crate) fn quota(self) -> Quota {
        let (units, seconds) = match self {
            Self::Wide(_) => (1_000, 60),
            // A unit comes back after five minutes: so long each key is there.
            Self::Kept(_) => (100_000, 365 * DAY),
            Self::Hot => (50_000_000, 60),
            Self::Denied => (20, 60),
            // As good as none is given back while it is watched.
            Self::Scarce(_) => (SCARCE, DAY),
        };
        Quota { units, seconds }
    }

    /// Whether each and every one is to be admitted.
    pub(crate) fn is_admitted(self) -> bool {
        !matches!(self, Self::Denied | Self::Scarce(_))
    }

    pub(crate) async fn pause(self) {
        if let Self::Scarce(pause) = self
            && !pause.is_zero()
        {
            tokio::time::sleep(pause).await;
        }
    }
}
