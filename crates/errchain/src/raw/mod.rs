//! The one word and what it points at. All `unsafe` of the crate is in this folder.
//!
//! What keeps it sound, and what each `SAFETY` comment stands on:
//!
//! 1. **The tag.** A [`Handle`] is the address of a `Fixed` plus one, or of a [`node::Header`].
//!    Both types are aligned to more than one byte, so the lowest bit tells them apart. Tagging
//!    goes through `map_addr`, which keeps the provenance.
//! 2. **The node.** A header lies at the start of a `Node<P>` (`repr(C)`) that came from
//!    `Box::into_raw`. The handle's pointer and all links keep that pointer's provenance, which
//!    is over the whole node; a `&Header` covers the header only and is never used to get
//!    from it to the payload.
//! 3. **One owner.** A handle owns its node. It lends `&` for `&self` and `&mut` for `&mut self`.
//! 4. **Links.** A context record points at the level below it: an older context of the same
//!    node, or the node. Records never move and live as long as the node, and a record is never
//!    handed out by value. So whoever has a `&ContextRecord` may follow its link for as long.
//! 5. **Send and Sync.** Payloads and records are both, and there is no interior mutability.

mod cast;
mod context;
mod handle;
mod log;
#[cfg(feature = "backtrace")]
mod modules;
mod node;
#[cfg(feature = "backtrace")]
mod walk;

pub(crate) use cast::hop_if_ours;
pub(crate) use context::ContextRecord;
pub(crate) use handle::Handle;
pub(crate) use log::Records;
#[cfg(feature = "backtrace")]
pub(crate) use modules::{Module, modules};
#[cfg(feature = "backtrace")]
pub(crate) use walk::{follow_frame_pointers, follow_rules, unwind};
