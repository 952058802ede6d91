//! What the crate promises, a file per subject. Miri can run all of it.

mod assertions;
mod bounds;
mod codes;
mod contexts;
mod conversions;
mod drops;
mod fields;
mod hops;
mod macros;
mod reports;
mod scenario;
mod seed_defects;
mod support;
