//! Each test is named after a promise of the README or of an item's documentation.

#[path = "../conformance/mod.rs"]
mod conformance;

#[cfg(feature = "redis")]
mod coalescing;
#[cfg(feature = "tower")]
mod fields;
mod memory;
mod observed;
#[cfg(feature = "tower")]
mod proxies;
mod refusals;
#[cfg(feature = "tower")]
mod tower;
