//! What an error takes from the allocator, and what printing its stack gives back.

#![allow(
    unsafe_code,
    reason = "an allocator that counts is not to be had without"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io;

use errchain::{Context, Error, Kind, Result, code, err};

code!(CODE: "test", "CODE", Kind::Internal, "Title");

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(allocations: usize, bytes: isize) {
    // A thread that ends may have lost its variables.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
    let _ = LIVE_BYTES.try_with(|live| live.set(live.get() + bytes));
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).expect("a layout fits")
}

// SAFETY: the system's allocator does it all, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, size(layout));
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -size(layout));
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn io() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(2))
}

type Make<'a> = &'a dyn Fn() -> Result<()>;

#[test]
fn an_error_takes_no_more_allocations_than_promised() {
    #[cfg(feature = "backtrace")]
    let _quiet = errchain::capture::scoped(errchain::capture::Policy::Never);

    let ten = |error: Error, add: fn(Error) -> Error| (0..10).fold(error, |error, _| add(error));
    let ways: [(&str, usize, Make<'_>); 12] = [
        ("success", 0, &|| {
            Ok::<_, io::Error>(())
                .context("above")
                .with("key", 1)
                .code(&CODE)
        }),
        ("a literal", 0, &|| Err(err!("literal"))),
        ("a code", 0, &|| Err(err!(CODE))),
        ("a code and a literal", 0, &|| Err(err!(CODE, "literal"))),
        ("a code's own", 1, &|| Err(CODE.err())),
        ("a code for a foreign error", 1, &|| io().code(&CODE)),
        ("a foreign error", 1, &|| Ok(io()?)),
        ("a foreign error and a context", 1, &|| {
            io().context("above")
        }),
        ("there and back", 1, &|| {
            Err(Error::from(err!("root").hop().into_std()))
        }),
        ("three fields", 1, &|| {
            Err(err!("root").with("a", 1).with("b", "text").with("c", 0.5))
        }),
        ("ten contexts", 1, &|| {
            Err(ten(Error::from(io::Error::from_raw_os_error(2)), |error| {
                error.context("above")
            }))
        }),
        ("ten hops", 1, &|| Err(ten(err!("root"), Error::hop))),
    ];
    for (what, promised, make) in ways {
        let before = (ALLOCATIONS.get(), LIVE_BYTES.get());
        let result = black_box(make());
        let allocations = ALLOCATIONS.get() - before.0;
        drop(result);
        let kept = LIVE_BYTES.get() - before.1;
        assert_eq!((allocations, kept), (promised, 0), "{what}");
    }
}

#[cfg(feature = "backtrace")]
#[test]
fn the_memory_that_names_took_is_given_back() {
    let _always = errchain::capture::scoped(errchain::capture::Policy::Always);
    let before = LIVE_BYTES.get();
    let error = err!("root");
    assert!(format!("{error:?}").contains("the_memory_that_names_took"));
    drop(error);
    // The cache keeps the names of this stack.
    let kept = LIVE_BYTES.get() - before;
    assert!(kept < 64 * 1024, "{kept} bytes");
}
