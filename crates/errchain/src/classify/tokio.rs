//! tokio's timeouts.

use core::error;

use tokio::time::error::Elapsed;

use crate::Kind;

pub(super) fn kind(error: &(dyn error::Error + 'static)) -> Option<Kind> {
    error.is::<Elapsed>().then_some(Kind::DeadlineExceeded)
}
