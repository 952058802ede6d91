//! Where each part of a frame is, and what to do with it.

use std::alloc::Layout;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::frame::{CallEndpoint, Header};
use super::next::Next;
use crate::{Exchange, Exit, Hook, Middleware, Result};

/// How many middleware fit: one bit of `live` is the endpoint's.
pub(crate) const LEVELS_MAX: usize = 63;

/// What a chain knows of all its frames. The objects that the entries point to live as long.
pub(crate) struct Plan {
    pub(super) levels: Box<[Level]>,
    pub(super) hooks: Box<[HookEntry]>,
    pub(super) layout: Layout,
    _objects: Box<[Arc<dyn Any + Send + Sync>]>,
}

/// The hooks before a middleware, and the middleware, or the endpoint.
pub(super) struct Level {
    pub(super) start: Start,
    pub(super) poll: PollSlot,
    pub(super) drop_future: unsafe fn(*mut u8),
    pub(super) object: *const (),
    pub(super) offset: usize,
    /// Empty for most. `start` is right even then: it is where the hooks inside begin.
    pub(super) hooks: Range<usize>,
    /// Where the level keeps the reference that it was started with, for its hooks.
    pub(super) exchange_offset: usize,
}

pub(super) struct HookEntry {
    pub(super) object: *const (),
    pub(super) offset: usize,
    pub(super) before: unsafe fn(*const (), &mut Exchange, *mut u8) -> bool,
    pub(super) after: unsafe fn(*const (), &mut Exchange, *mut u8),
    pub(super) end: unsafe fn(*const (), &Exit<'_>, *mut u8),
}

pub(super) type Start = unsafe fn(*const (), &'static mut Exchange, Next<'static>, *mut u8);
pub(super) type PollSlot = unsafe fn(*mut u8, &mut Context<'_>, Live) -> Poll<Result>;

/// Where it is written down that the future of a level is in its slot.
#[derive(Clone, Copy)]
pub(super) struct Live {
    pub(super) bits: *const Cell<u64>,
    pub(super) bit: u64,
}

// SAFETY: the pointers lead to objects that are `Send + Sync`, as `Planned` asks, and that
// `_objects` owns.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}

/// A member that can be put into a plan: its object, and how to use it.
#[derive(Clone)]
pub(crate) struct Planned {
    object: Arc<dyn Any + Send + Sync>,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Hook(&'static HookVtable),
    Middleware(&'static Vtable),
}

struct HookVtable {
    state: Layout,
    before: unsafe fn(*const (), &mut Exchange, *mut u8) -> bool,
    after: unsafe fn(*const (), &mut Exchange, *mut u8),
    end: unsafe fn(*const (), &Exit<'_>, *mut u8),
}

struct Vtable {
    layout: Layout,
    start: Start,
    poll: PollSlot,
    drop_future: unsafe fn(*mut u8),
}

impl Planned {
    pub(crate) fn hook<H: Hook>(hook: H) -> Self {
        let how = const {
            &HookVtable {
                state: Layout::new::<H::State>(),
                before: before::<H>,
                after: after::<H>,
                end: end::<H>,
            }
        };
        Self {
            object: Arc::new(hook),
            how: How::Hook(how),
        }
    }

    pub(crate) fn middleware<M: Middleware>(middleware: M) -> Self {
        // The closure is never called: it names the type of the future.
        let how = const { &vtable(start::<M>, |m: &'static M, cx, next| m.handle(cx, next)) };
        Self {
            object: Arc::new(middleware),
            how: How::Middleware(how),
        }
    }

    pub(crate) const fn is_hook(&self) -> bool {
        matches!(self.how, How::Hook(_))
    }
}

impl Plan {
    /// Lays out a frame for these members, which are at most [`LEVELS_MAX`] beside the hooks.
    pub(crate) fn new<'a>(members: impl Iterator<Item = &'a Planned>) -> Self {
        let mut building = Building {
            layout: Layout::new::<Header>(),
            levels: Vec::new(),
            hooks: Vec::new(),
            hooks_of_level: 0,
        };
        let mut objects = Vec::new();
        for member in members {
            building.add(member);
            objects.push(Arc::clone(&member.object));
        }
        building.level(
            std::ptr::null(),
            &Vtable {
                layout: Layout::new::<CallEndpoint>(),
                start: CallEndpoint::start,
                poll: poll_as::<CallEndpoint>,
                drop_future: drop_as::<CallEndpoint>,
            },
        );
        assert!(
            building.levels.len() <= LEVELS_MAX + 1,
            "the builder counts"
        );
        Self {
            levels: building.levels.into(),
            hooks: building.hooks.into(),
            layout: building.layout,
            _objects: objects.into(),
        }
    }

    /// Whether the service is all that there is.
    pub(crate) const fn is_empty(&self) -> bool {
        self.levels.len() == 1 && self.hooks.is_empty()
    }

    /// What a frame takes, without the service's own future.
    pub(crate) const fn frame_bytes(&self) -> usize {
        self.layout.size()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("levels", &self.levels.len())
            .field("hooks", &self.hooks.len())
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

struct Building {
    layout: Layout,
    levels: Vec<Level>,
    hooks: Vec<HookEntry>,
    hooks_of_level: usize,
}

impl Building {
    fn add(&mut self, member: &Planned) {
        let object = Arc::as_ptr(&member.object).cast::<()>();
        match member.how {
            How::Middleware(vtable) => self.level(object, vtable),
            How::Hook(vtable) => {
                let offset = self.slot(vtable.state);
                self.hooks.push(HookEntry {
                    object,
                    offset,
                    before: vtable.before,
                    after: vtable.after,
                    end: vtable.end,
                });
            }
        }
    }

    fn level(&mut self, object: *const (), vtable: &Vtable) {
        let hooks = self.hooks_of_level..self.hooks.len();
        self.hooks_of_level = self.hooks.len();
        let exchange_offset = if hooks.is_empty() {
            0
        } else {
            self.slot(Layout::new::<*mut Exchange>())
        };
        let offset = self.slot(vtable.layout);
        self.levels.push(Level {
            start: vtable.start,
            poll: vtable.poll,
            drop_future: vtable.drop_future,
            object,
            offset,
            hooks,
            exchange_offset,
        });
    }

    fn slot(&mut self, slot: Layout) -> usize {
        let (layout, offset) = self
            .layout
            .extend(slot)
            .expect("64 futures and some hooks fit into the address space");
        self.layout = layout;
        offset
    }
}

const fn vtable<F, M, N>(start: Start, never_called: N) -> Vtable
where
    F: Future<Output = Result> + Send,
    M: 'static,
    N: FnOnce(&'static M, &'static mut Exchange, Next<'static>) -> F,
{
    // There is nothing in it, and nothing may be dropped in what is worked out by the compiler.
    std::mem::forget(never_called);
    Vtable {
        layout: Layout::new::<F>(),
        start,
        poll: poll_as::<F>,
        drop_future: drop_as::<F>,
    }
}

/// # Safety
///
/// `object` is an `M` that outlives the future, and `slot` is free, and laid out for that future.
unsafe fn start<M: Middleware>(
    object: *const (),
    cx: &'static mut Exchange,
    next: Next<'static>,
    slot: *mut u8,
) {
    // SAFETY: the caller's promise.
    let middleware: &'static M = unsafe { &*object.cast::<M>() };
    let future = middleware.handle(cx, next);
    // SAFETY: the caller's promise, and the layout is that of this very type.
    unsafe { write_at(slot, future) };
}

/// # Safety
///
/// `slot` is free, and laid out for an `F`.
unsafe fn write_at<F>(slot: *mut u8, future: F) {
    // SAFETY: the caller's promise.
    unsafe { slot.cast::<F>().write(future) }
}

/// # Safety
///
/// An `F` lies in `slot`, stays there until it is dropped, and nobody else refers to it; `live` says
/// so, and is in a frame that lives.
unsafe fn poll_as<F: Future<Output = Result>>(
    slot: *mut u8,
    cx: &mut Context<'_>,
    live: Live,
) -> Poll<Result> {
    // SAFETY: the caller's promise.
    let polled = unsafe { Pin::new_unchecked(&mut *slot.cast::<F>()) }.poll(cx);
    if polled.is_ready() {
        // Here, and not by another call through a pointer: it is what each level does.
        // SAFETY: the caller's promise, and clause 5: the bit is cleared before.
        unsafe {
            (*live.bits).set((*live.bits).get() & !live.bit);
            drop_as::<F>(slot);
        }
    }
    polled
}

/// # Safety
///
/// An `F` lies in `slot`, and nobody uses it afterwards.
unsafe fn drop_as<F>(slot: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { slot.cast::<F>().drop_in_place() }
}

/// Whether the request may pass. If so, the state is in the slot.
///
/// # Safety
///
/// `object` is an `H`, and `slot` is free, and laid out for its state.
unsafe fn before<H: Hook>(object: *const (), cx: &mut Exchange, slot: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    let hook = unsafe { &*object.cast::<H>() };
    let mut state = H::State::default();
    match hook.before(&mut state, cx) {
        crate::Flow::Continue(()) => {
            // SAFETY: the caller's promise.
            unsafe { slot.cast::<H::State>().write(state) };
            true
        }
        crate::Flow::Break(response) => {
            // It may have said which error this is.
            let _ = cx.render(response);
            false
        }
    }
}

/// # Safety
///
/// `object` is an `H`, and its state lies in `slot`.
unsafe fn after<H: Hook>(object: *const (), cx: &mut Exchange, slot: *mut u8) {
    // SAFETY: the caller's promise.
    let (hook, state) = unsafe { (&*object.cast::<H>(), &mut *slot.cast::<H::State>()) };
    hook.after(state, cx);
}

/// Ends it, and drops the state.
///
/// # Safety
///
/// `object` is an `H`, its state lies in `slot`, and nobody uses that afterwards.
unsafe fn end<H: Hook>(object: *const (), exit: &Exit<'_>, slot: *mut u8) {
    // SAFETY: the caller's promise.
    let (hook, mut state) = unsafe { (&*object.cast::<H>(), slot.cast::<H::State>().read()) };
    hook.end(&mut state, exit);
}
