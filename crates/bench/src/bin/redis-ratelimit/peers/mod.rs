//! Those that are compared, ours too, each as its documentation says that it is used.

pub(crate) mod incr;
#[cfg(feature = "limitador")]
pub(crate) mod limitador;
pub(crate) mod ours;
pub(crate) mod redis_rate;
pub(crate) mod throttle_kit;
pub(crate) mod tower_rate_limit_redis;
pub(crate) mod trypema;
