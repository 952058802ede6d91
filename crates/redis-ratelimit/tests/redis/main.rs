//! What needs a Redis: `cargo xtask test -p redis-ratelimit redis`.

// The pure core and the scripts, as the crate has them: they are compared step by step.
#[allow(dead_code, unused_imports, reason = "the crate uses more of it")]
#[path = "../../src/core/mod.rs"]
mod core;
#[allow(dead_code, reason = "the crate uses more of it")]
#[path = "../../src/store/redis/script.rs"]
mod script;

#[path = "../conformance/mod.rs"]
mod conformance;

mod article;
mod layers;
mod lua;
mod store;
