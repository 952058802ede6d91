//! The frame: one block of memory for all that a request needs on its way through a chain.
//!
//! ```text
//! Header { plan, live, begun, endpoint, exchange, watch } | slot of each hook's state and of each
//! middleware's future | the service, with its future
//! ```
//!
//! `plan` says where each slot is and how to start, poll and drop what lies in it: the functions
//! are made for the concrete type when a member is added. `Next::run` creates the future of the
//! next middleware *in its slot*, and gives out a `NextFuture`: a pointer to the block, with a level
//! in its low bits.
//!
//! A future per layer in a `Box` would need none of this. It costs an allocation more for each layer
//! and request.
//!
//! # Why it is sound
//!
//! 1. **Pinning.** A slot does not move once its future is started, and the block is freed only
//!    when no future is in it (`live` is 0). A `NextFuture` that is forgotten leaves its bit set: then
//!    the block is leaked, and the futures are not dropped, for they may borrow from a parent that
//!    is gone. Memory that is kept for the next frame (`memory`) is memory that was freed.
//! 2. **Aliasing.** No reference to the `Header` is ever formed, because a running middleware holds
//!    `&mut exchange`: fields are read through raw places. Slots are disjoint. A hook gets the
//!    exchange through the reference that was handed to its own level, and only before the future
//!    of that level exists or after it is dropped.
//! 3. **Lifetimes.** Futures are made for `'static` and handed out for a shorter life. A middleware
//!    is one for every lifetime, code does not depend on lifetimes, and `NextFuture<'b>` holds both
//!    the `&'b mut Exchange` and, by `'a: 'b`, the frame: it is dropped or forgotten before either
//!    ends.
//! 4. **`&self`.** A future may borrow its middleware: the block has a share of the plan, which owns
//!    the middleware, until its drop is finished. When it leaks, it leaks that share.
//! 5. **Panics.** The block has an owner before the first member runs. A bit is set after its
//!    future is in the slot, and cleared before it is dropped, so nothing is dropped twice or
//!    before it exists; `begun` is treated alike.
//! 6. **Threads.** Everything in the frame is `Send`, and nothing of it is `Sync`: one handle, the
//!    innermost, is polled through `&mut`.
//! 7. **Bounds.** A plan ends in the endpoint, which gets a `Next` and never runs it. Levels fit
//!    into the 64 bits of `live`, and into the bits that the alignment of a block leaves free.
//! 8. **Again.** Starting a level asserts that its slot is empty.
//! 9. **Afterwards.** Polling a level whose bit is clear panics.

mod frame;
mod head;
mod memory;
mod next;
mod plan;

pub(crate) use frame::{Endpoint, Frame, Running};
pub(crate) use head::take_head;
pub use next::{Next, NextFuture};
pub(crate) use plan::{LEVELS_MAX, Plan, Planned};

#[cfg(test)]
mod tests;
