//! The block of one request, and who owns it.

use std::alloc::Layout;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request;

use super::memory::{self, ALLOCATED};
use super::next::{self, Next};
use super::plan::{Level, Plan};
use crate::body::Watch;
use crate::panics::caught;
use crate::{Exchange, Exit, Outcome, Result};

pub(super) struct Header {
    /// A share of it is ours.
    pub(super) plan: *const Plan,
    /// The plan's, which each member looks at.
    pub(super) levels: *const Level,
    /// A bit for each level whose future is in its slot.
    pub(super) live: Cell<u64>,
    /// How many hooks have their state in its slot: they begin in order.
    pub(super) begun: Cell<usize>,
    endpoint: *mut dyn Endpoint,
    /// What was allocated. The block begins in it where it is aligned.
    memory: NonNull<u8>,
    allocated: usize,
    bytes_out: u64,
    outcome: Outcome,
    is_started: bool,
    pub(super) exchange: Exchange,
    /// Of the body that goes out.
    watch: Watch,
}

/// A block begins at a multiple of this, so that a level fits into the low bits of its address.
pub(super) const ALIGN: usize = 64;

/// What is inside the chain.
pub(crate) trait Endpoint: Send {
    /// Goes on with the call, and begins it at the first time.
    fn poll_call(
        self: Pin<&mut Self>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result>;

    /// Drops the call, if there is one under way.
    fn stop(self: Pin<&mut Self>);
}

/// The future of the last level.
pub(super) struct CallEndpoint {
    endpoint: *mut dyn Endpoint,
    exchange: &'static mut Exchange,
}

impl CallEndpoint {
    /// # Safety
    ///
    /// That of any [`Start`](super::plan::Start); `object` is not used.
    #[expect(clippy::needless_pass_by_value, reason = "that is what a `Start` is")]
    #[expect(
        clippy::cast_ptr_alignment,
        reason = "the plan lays a slot out for its future"
    )]
    pub(super) unsafe fn start(
        _object: *const (),
        exchange: &'static mut Exchange,
        next: Next<'static>,
        slot: *mut u8,
    ) {
        // SAFETY: the block lives as long as `next`, and this field is written once, before.
        let endpoint = unsafe { (*next.block().as_ptr()).endpoint };
        let future = Self { endpoint, exchange };
        // SAFETY: the caller's promise.
        unsafe { slot.cast::<Self>().write(future) };
    }
}

impl Future for CallEndpoint {
    type Output = Result;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        // SAFETY: it lies in the block, does not move, and only this future refers to it while the
        // frame's own handle waits.
        let endpoint = unsafe { Pin::new_unchecked(&mut *self.endpoint) };
        endpoint.poll_call(self.exchange, cx)
    }
}

impl Drop for CallEndpoint {
    fn drop(&mut self) {
        // SAFETY: as in `poll`.
        unsafe { Pin::new_unchecked(&mut *self.endpoint) }.stop();
    }
}

/// Owns a block. When it is dropped, what is under way is dropped and the hooks are ended.
///
/// One word, so that a body which carries it stays small.
pub(crate) struct Frame {
    block: NonNull<Header>,
}

// SAFETY: all that lies in the block is `Send`: futures, states, the exchange and the endpoint are
// by their bounds, and the plan is `Send + Sync`.
unsafe impl Send for Frame {}

impl Frame {
    /// Says how the request will have ended when the frame is dropped.
    pub(crate) fn set_exit(&mut self, outcome: Outcome, bytes_out: u64) {
        // SAFETY: the block is ours.
        unsafe {
            (*self.block.as_ptr()).outcome = outcome;
            (*self.block.as_ptr()).bytes_out = bytes_out;
        }
    }

    /// The exchange. No middleware is under way when there is a `Frame` by itself.
    pub(crate) fn exchange(&mut self) -> &mut Exchange {
        // SAFETY: the futures that could hold it are dropped, or forgotten and never run again.
        unsafe { &mut (*self.block.as_ptr()).exchange }
    }

    /// What is known of the body that goes out.
    pub(crate) fn watch(&mut self) -> &mut Watch {
        // SAFETY: the block is ours, and only the frame refers to this field.
        unsafe { &mut (*self.block.as_ptr()).watch }
    }

    /// What is known of the body that goes out, to be looked at.
    pub(crate) fn watched(&self) -> &Watch {
        // SAFETY: as in `watch`.
        unsafe { &(*self.block.as_ptr()).watch }
    }

    /// Whether anybody waits for the end, or has rules for the body.
    pub(crate) fn has_to_stay(&mut self) -> bool {
        // SAFETY: the block is ours.
        let begun = unsafe { (*self.block.as_ptr()).begun.get() };
        let exchange = self.exchange();
        begun > 0 || exchange.has_at_exit() || exchange.body_rules.concern_the_response()
    }

    fn end(&self) {
        // SAFETY: the block is ours, and nothing in it runs any more.
        unsafe {
            let header = self.block.as_ptr();
            let exchange = &raw mut (*header).exchange;
            if (*header).begun.get() == 0 && !(*exchange).has_at_exit() {
                return;
            }
            let calls = (*exchange).take_at_exit();
            let exit = Exit::new(&*exchange, (*header).outcome, (*header).bytes_out);
            for call in calls {
                let _panicked = caught(|| call(&exit));
            }
            next::end_hooks(self.block, 0, &exit);
        }
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        // A destructor of a future may panic: the rest is still to be done.
        struct Rest<'a>(&'a mut Frame);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                let frame = &mut *self.0;
                frame.end();
                // SAFETY: the block is ours.
                unsafe {
                    let header = frame.block.as_ptr();
                    if (*header).live.get() != 0 {
                        // Clauses 1 and 4: with its share of the plan.
                        return;
                    }
                    (*header).endpoint.drop_in_place();
                    (&raw mut (*header).exchange).drop_in_place();
                    (&raw mut (*header).watch).drop_in_place();
                    drop(Arc::from_raw((*header).plan));
                    memory::free((*header).memory, (*header).allocated);
                }
            }
        }
        let rest = Rest(self);
        // SAFETY: the block is ours; a level that is not live is left alone.
        unsafe { next::drop_level(rest.0.block, 0) };
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").finish_non_exhaustive()
    }
}

/// A frame whose endpoint is an `E`, while its request is on its way.
pub(crate) struct Running<E> {
    frame: Frame,
    _owns: PhantomData<E>,
}

// SAFETY: a frame, in which lies what is `Send`.
unsafe impl<E: Send> Send for Running<E> {}

impl<E: Endpoint + 'static> Running<E> {
    /// The endpoint is put together where it lies: moving it there would copy the room that its
    /// future is to have.
    #[inline]
    pub(crate) fn new(
        plan: Arc<Plan>,
        request: request::Parts,
        endpoint: impl FnOnce() -> E,
    ) -> Self {
        let (block, offset) = plan
            .layout
            .extend(Layout::new::<E>())
            .expect("the service's future fits into the address space");
        let (memory, allocated, block) = alloc_aligned(block);
        let block = block.cast::<Header>();
        // SAFETY: both places are within the block, laid out for what is written there.
        unsafe {
            let slot: *mut E = block.as_ptr().cast::<u8>().add(offset).cast();
            slot.write(endpoint());
            block.write(Header {
                levels: plan.levels.as_ptr(),
                plan: Arc::into_raw(plan),
                live: Cell::new(0),
                begun: Cell::new(0),
                endpoint: slot,
                memory,
                allocated,
                bytes_out: 0,
                outcome: Outcome::Aborted,
                is_started: false,
                exchange: Exchange::new(request),
                watch: Watch::default(),
            });
        }
        Self {
            frame: Frame { block },
            _owns: PhantomData,
        }
    }

    /// Runs the chain. A panic that comes out of it is how the request has ended.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result> {
        let header = self.frame.block.as_ptr();
        // SAFETY: the block is ours, and level 0 exists: at least the endpoint's.
        unsafe {
            let before = mem::replace(&mut (*header).outcome, Outcome::Panic);
            if !mem::replace(&mut (*header).is_started, true) {
                next::start(self.frame.block, 0, &raw mut (*header).exchange);
            }
            let polled = next::poll(self.frame.block, 0, cx);
            (*header).outcome = before;
            polled
        }
    }

    /// After it is ready: the exchange, and the service with what it has left there.
    pub(crate) fn parts(&mut self) -> (&mut Exchange, Pin<&mut E>) {
        // SAFETY: no level is live, or it is forgotten and never run again. The endpoint is an `E`
        // and does not move.
        unsafe {
            let header = self.frame.block.as_ptr();
            let endpoint = (*header).endpoint.cast::<E>();
            (&mut (*header).exchange, Pin::new_unchecked(&mut *endpoint))
        }
    }

    /// After it is ready: what is left is the exchange and the hooks.
    pub(crate) fn into_frame(self) -> Frame {
        self.frame
    }
}

impl<E> fmt::Debug for Running<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Memory for a block that begins at a multiple of [`ALIGN`]: what was allocated, how much, and
/// where the block begins.
///
/// Not an allocation of that alignment, because allocators have those from a slower place.
#[inline]
fn alloc_aligned(block: Layout) -> (NonNull<u8>, usize, NonNull<u8>) {
    let align = block.align().max(ALIGN);
    let (memory, allocated) = memory::allocate(block.size() + align - ALLOCATED);
    let skipped = memory.addr().get().wrapping_neg() & (align - 1);
    // SAFETY: it is a multiple of `ALLOCATED` below `align`, for which there is room.
    (memory, allocated, unsafe { memory.add(skipped) })
}
