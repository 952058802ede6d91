//! What a middleware runs.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

use super::frame::{ALIGN, Header};
use super::plan::{LEVELS_MAX, Level, Live};
use crate::panics::caught;
use crate::{Done, Exchange, Exit, Outcome, Result};

/// The block of a frame and one of its levels, in one word: each member's future holds some.
#[derive(Clone, Copy)]
struct Place(NonNull<u8>);

impl Place {
    /// The level after the last one, which the endpoint gets and never runs, may be taken for 0.
    #[inline]
    fn new(block: NonNull<Header>, level: usize) -> Self {
        // SAFETY: within the header, which is larger than what it is aligned to.
        Self(unsafe { block.cast::<u8>().add(level & (ALIGN - 1)) })
    }

    #[inline]
    fn block(self) -> NonNull<Header> {
        // SAFETY: back to where `new` came from.
        unsafe { self.0.sub(self.level()) }.cast()
    }

    #[inline]
    fn level(self) -> usize {
        self.0.addr().get() & (ALIGN - 1)
    }
}

const _: () = assert!(size_of::<Header>() >= ALIGN && LEVELS_MAX < ALIGN);

/// The rest of the chain, to be [run](Self::run).
#[must_use = "run it with `next.run(cx).await`, or answer with `cx.answer(...)`"]
pub struct Next<'a> {
    place: Place,
    _life: PhantomData<&'a mut ()>,
}

// SAFETY: a pointer to a frame, all of which is `Send`; there is one `Next` for each level.
unsafe impl Send for Next<'_> {}

impl<'a> Next<'a> {
    /// Runs the rest of the chain.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, so is all that is under way inside, innermost last.
    ///
    /// # Panics
    ///
    /// If the future of an earlier [`attempt`](Self::attempt) was forgotten (`mem::forget`).
    // By value: a `Next` that stays alive across the await makes each future larger and slower.
    // `'a: 'b` keeps the future within the life of the frame.
    #[inline]
    pub fn run<'b>(mut self, cx: &'b mut Exchange) -> NextFuture<'b>
    where
        'a: 'b,
    {
        self.launch(cx)
    }

    /// Runs the rest of the chain, and may do so again once the future is dropped. The hooks inside
    /// are ended before they begin anew. The service gets the body of the request once.
    ///
    /// # Cancel safety
    ///
    /// As that of [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn attempt<'b>(&'b mut self, cx: &'b mut Exchange) -> NextFuture<'b> {
        self.launch(cx)
    }

    pub(super) fn block(&self) -> NonNull<Header> {
        self.place.block()
    }

    fn launch<'b>(&mut self, cx: &'b mut Exchange) -> NextFuture<'b> {
        // SAFETY: the frame outlives `'a`, and this level exists: the endpoint's future, which is
        // the only one at the last level, does not run its `Next`.
        unsafe { start(self.place.block(), self.place.level(), cx) };
        NextFuture {
            place: self.place,
            _life: PhantomData,
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.place.level();
        f.debug_struct("Next").field("level", &level).finish()
    }
}

/// The rest of the chain, running. It is ready when there is an answer, or an error.
#[must_use = "a future does nothing unless it is awaited"]
pub struct NextFuture<'a> {
    place: Place,
    _life: PhantomData<&'a mut Exchange>,
}

// SAFETY: as for `Next`.
unsafe impl Send for NextFuture<'_> {}

impl Future for NextFuture<'_> {
    type Output = Result;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        // SAFETY: the frame lives, and this is the one handle of this level.
        unsafe { poll(self.place.block(), self.place.level(), cx) }
    }
}

impl Drop for NextFuture<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `poll`.
        unsafe { drop_level(self.place.block(), self.place.level()) }
    }
}

impl fmt::Debug for NextFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextFuture")
            .field("level", &self.place.level())
            .finish_non_exhaustive()
    }
}

/// # Safety
///
/// The block lives and `level` exists.
#[inline]
unsafe fn level<'a>(block: NonNull<Header>, level: usize) -> &'a Level {
    // SAFETY: the caller's promise; the plan is not changed while frames point to it.
    unsafe {
        let plan = &*(*block.as_ptr()).plan;
        debug_assert!(level < plan.levels.len());
        &*(*block.as_ptr()).levels.add(level)
    }
}

/// Runs the hooks of a level, and puts the future of its middleware into its slot, unless a hook
/// answers.
///
/// # Safety
///
/// The block lives, `at` exists, and `exchange` may be used until the level is dropped.
#[inline]
pub(super) unsafe fn start(block: NonNull<Header>, at: usize, exchange: *mut Exchange) {
    // SAFETY: the caller's promise, and clauses 2, 3 and 8.
    unsafe {
        let live = &raw const (*block.as_ptr()).live;
        assert!(
            (*live).get() & (1 << at) == 0,
            "the future of an earlier run of the rest of the chain was forgotten"
        );
        let level = level(block, at);
        if (*block.as_ptr()).begun.get() > level.hooks.start {
            restart(block, level.hooks.start, exchange);
        }
        // Not before: the hooks of an earlier run are told what that has ended in.
        (*exchange).forget_end();
        if !level.hooks.is_empty() && !begin_hooks(block, level, exchange) {
            return;
        }
        let next = Next {
            place: Place::new(block, at + 1),
            _life: PhantomData,
        };
        let slot = block.as_ptr().cast::<u8>().add(level.offset);
        (level.start)(level.object, &mut *exchange, next, slot);
        (*live).set((*live).get() | (1 << at));
    }
}

/// Where a level with hooks keeps the exchange for them, until they are through.
///
/// # Safety
///
/// The block lives, and the level has hooks.
unsafe fn exchange_of(block: NonNull<Header>, level: &Level) -> *mut *mut Exchange {
    // SAFETY: the caller's promise.
    unsafe {
        block
            .as_ptr()
            .cast::<u8>()
            .add(level.exchange_offset)
            .cast()
    }
}

/// Whether all of them let the request pass.
///
/// # Safety
///
/// That of [`start`].
#[inline(never)]
unsafe fn begin_hooks(block: NonNull<Header>, level: &Level, exchange: *mut Exchange) -> bool {
    // SAFETY: the caller's promise; states of hooks that have not begun are free.
    unsafe {
        let bytes = block.as_ptr().cast::<u8>();
        exchange_of(block, level).write(exchange);
        let hooks: &[_] = &(*(*block.as_ptr()).plan).hooks;
        for nth in level.hooks.clone() {
            let hook = &hooks[nth];
            if !(hook.before)(hook.object, &mut *exchange, bytes.add(hook.offset)) {
                return false;
            }
            (*block.as_ptr()).begun.set(nth + 1);
        }
        true
    }
}

/// Ends the hooks of an earlier run.
///
/// # Safety
///
/// That of [`start`].
#[cold]
unsafe fn restart(block: NonNull<Header>, from: usize, exchange: *mut Exchange) {
    // SAFETY: the caller's promise.
    unsafe {
        let outcome = (*exchange).outcome().unwrap_or(Outcome::Aborted);
        end_hooks(block, from, &Exit::new(&*exchange, outcome, 0));
    }
}

/// # Safety
///
/// That of [`start`], which was called for this level.
#[inline]
pub(super) unsafe fn poll(block: NonNull<Header>, at: usize, cx: &mut Context<'_>) -> Poll<Result> {
    // SAFETY: the caller's promise, and clauses 1 and 9.
    unsafe {
        let level = level(block, at);
        let live = Live {
            bits: &raw const (*block.as_ptr()).live,
            bit: 1 << at,
        };
        if (*live.bits).get() & live.bit == 0 {
            return Poll::Ready(Ok(answered(block, level)));
        }
        let slot = block.as_ptr().cast::<u8>().add(level.offset);
        // When it is ready it is dropped: it might hold the exchange, which the hooks are about to
        // get.
        let result = ready!((level.poll)(slot, cx, live));
        if level.hooks.is_empty() {
            return Poll::Ready(result);
        }
        Poll::Ready(Ok(leave(block, level, result)))
    }
}

/// No future: a hook of this level has answered, or the future has been ready before.
///
/// # Safety
///
/// That of [`poll`].
#[cold]
unsafe fn answered(block: NonNull<Header>, level: &Level) -> Done {
    // SAFETY: the caller's promise.
    unsafe {
        let begun = (*block.as_ptr()).begun.get();
        assert!(
            level.hooks.contains(&begun) && !exchange_of(block, level).read().is_null(),
            "the rest of the chain was polled after it was ready"
        );
        leave(block, level, Ok(Done::new()))
    }
}

/// The hooks' way out. An error becomes a response here.
///
/// # Safety
///
/// That of [`poll`]; the level has hooks, and its future is dropped.
#[inline(never)]
unsafe fn leave(block: NonNull<Header>, level: &Level, result: Result) -> Done {
    // SAFETY: the caller's promise, and clause 2.
    unsafe {
        let bytes = block.as_ptr().cast::<u8>();
        let exchange = exchange_of(block, level).replace(std::ptr::null_mut());
        let done = match result {
            Ok(done) => done,
            Err(error) => (*exchange).fail(error),
        };
        let hooks: &[_] = &(*(*block.as_ptr()).plan).hooks;
        let end = level.hooks.end.min((*block.as_ptr()).begun.get());
        for nth in (level.hooks.start..end).rev() {
            let hook = &hooks[nth];
            (hook.after)(hook.object, &mut *exchange, bytes.add(hook.offset));
        }
        done
    }
}

/// Drops the future of a level, if there is one.
///
/// # Safety
///
/// The block lives and `at` exists.
#[inline]
pub(super) unsafe fn drop_level(block: NonNull<Header>, at: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let live = &raw const (*block.as_ptr()).live;
        if (*live).get() & (1 << at) != 0 {
            drop_live(block, at);
        }
    }
}

/// The same where there is one, which is seldom: a future that is ready is dropped by then.
///
/// # Safety
///
/// That of [`drop_level`], and there is a future.
#[cold]
unsafe fn drop_live(block: NonNull<Header>, at: usize) {
    // SAFETY: the caller's promise, and clause 5.
    unsafe {
        let live = &raw const (*block.as_ptr()).live;
        (*live).set((*live).get() & !(1 << at));
        let level = level(block, at);
        (level.drop_future)(block.as_ptr().cast::<u8>().add(level.offset));
    }
}

/// Ends the hooks from this one inwards, the innermost first. One that panics keeps none of the
/// others from their ends.
///
/// # Safety
///
/// The block lives, and a level that is live and whose hooks these are is forgotten.
pub(super) unsafe fn end_hooks(block: NonNull<Header>, from: usize, exit: &Exit<'_>) {
    // SAFETY: the block lives.
    let begun = unsafe { &raw const (*block.as_ptr()).begun };
    // SAFETY: as above.
    while unsafe { (*begun).get() } > from {
        // It may be called while unwinding, where another panic would end the process. Once for all
        // of them: a hook that panics has been counted out before.
        let _panicked = caught(|| {
            // SAFETY: the caller's promise; what has begun has its state in its slot, once.
            unsafe {
                let bytes = block.as_ptr().cast::<u8>();
                let hooks: &[_] = &(*(*block.as_ptr()).plan).hooks;
                while (*begun).get() > from {
                    let nth = (*begun).get() - 1;
                    (*begun).set(nth);
                    let hook = &hooks[nth];
                    (hook.end)(hook.object, exit, bytes.add(hook.offset));
                }
            }
        });
    }
}
