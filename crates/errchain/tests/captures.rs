//! Stack capture: when, of what, and under which circumstances.
//!
//! Run it twice, the second time with
//! `RUSTFLAGS="-C force-frame-pointers=yes --cfg frame_pointers"`, to go both ways of walking.

#![allow(unexpected_cfgs, reason = "`frame_pointers` is set by hand, see above")]

use errchain::capture::{Backtrace, Policy, has_frame_pointers, scoped};
use errchain::{Audience, Context, Error, Kind, Result, code, err};

code!(MISSING: "test", "MISSING", Kind::NotFound, "Missing");
code!(BROKEN: "test", "BROKEN", Kind::Internal, "Broken");
code!(WATCHED: "test", "WATCHED", Kind::NotFound, "Watched", capture = true);
code!(NOISY: "test", "NOISY", Kind::Internal, "Noisy", capture = false);

/// Every way to make an error, by one that the test finds again in the stack.
#[inline(never)]
fn the_culprit(way: usize) -> Option<Error> {
    let number = 1;
    Some(match way {
        0 => err!("literal"),
        1 => err!("number {number}"),
        2 => Error::msg("text"),
        3 => Error::new(std::fmt::Error),
        4 => Error::from_boxed("boxed".into()),
        5 => BROKEN.err(),
        6 => err!(BROKEN),
        7 => err!(BROKEN, "number {number}"),
        8 => (|| -> Result<()> { Err(std::fmt::Error)? })().err()?,
        9 => None::<u8>.context("missing").err()?,
        10 => Err::<(), _>(std::fmt::Error).hop().err()?,
        _ => return None,
    })
}

#[test]
fn every_way_to_make_an_error_captures_whoever_made_it() {
    let _always = scoped(Policy::Always);
    let mut ways = 0;
    while let Some(error) = the_culprit(ways) {
        let stack = error.backtrace().expect("always is always");
        let frames = stack.frames();
        let top = frames[0].function().unwrap_or_default();
        assert!(top.contains("the_culprit"), "way {ways}:\n{stack}");
        assert!(
            frames[0]
                .file()
                .is_some_and(|file| file.ends_with("captures.rs")),
            "{stack}"
        );
        ways += 1;
    }
    assert_eq!(ways, 11);
}

#[test]
fn who_is_captured_is_up_to_the_code_and_then_to_the_policy() {
    let sample = |share| Policy::Sample(share);
    let rate = |per_second| Policy::Rate { per_second };
    for (policy, plain, missing, broken) in [
        (Policy::Never, false, false, false),
        (Policy::Always, true, true, true),
        (sample(0.0), false, false, false),
        (sample(1.0), true, false, true),
        (rate(0), false, false, false),
        (rate(u32::MAX), true, false, true),
    ] {
        let _scope = scoped(policy);
        let captured = |error: Error| error.backtrace().is_some();
        assert_eq!(captured(err!("plain")), plain, "{policy:?}");
        assert_eq!(captured(err!(MISSING)), missing, "{policy:?}");
        assert_eq!(captured(err!(BROKEN)), broken, "{policy:?}");
        assert_eq!(captured(BROKEN.err()), broken, "{policy:?}");
        assert!(
            captured(err!(WATCHED)) && captured(WATCHED.err()),
            "{policy:?}"
        );
        assert!(captured(err!(WATCHED, "number {}", 1)), "{policy:?}");
        let foreign = |code| {
            let result: Result<(), _> = Err(std::fmt::Error);
            captured(result.code(code).expect_err("it was an error"))
        };
        assert_eq!(foreign(&MISSING), missing, "{policy:?}");
        assert_eq!(foreign(&BROKEN), broken, "{policy:?}");
        assert!(foreign(&WATCHED) && !foreign(&NOISY), "{policy:?}");
        assert!(
            !captured(err!(NOISY)) && !captured(NOISY.err()),
            "{policy:?}"
        );
    }
}

#[test]
fn each_place_has_its_own_rate() {
    let _rate = scoped(Policy::Rate { per_second: 1 });
    // Some of the places may share a slot, with each other or with another test.
    let errors = [
        err!("a"),
        err!("b"),
        err!("c"),
        err!("d"),
        err!("e"),
        err!("f"),
        err!("g"),
        err!("h"),
    ];
    let captured = errors.iter().filter(|error| error.backtrace().is_some());
    assert!(captured.count() > 4);
}

#[test]
fn a_scope_ends_with_its_guard_and_is_its_own_thread_s() {
    let _outer = scoped(Policy::Always);
    {
        let _inner = scoped(Policy::Never);
        assert!(err!("inside").backtrace().is_none());
        let elsewhere = std::thread::spawn(|| {
            let _scope = scoped(Policy::Always);
            err!("elsewhere").backtrace().is_some()
        });
        assert!(elsewhere.join().expect("it does not panic"));
    }
    assert!(err!("outside").backtrace().is_some());
}

#[test]
fn an_operator_sees_the_stack_and_nobody_else_does() {
    let _always = scoped(Policy::Always);
    let error = the_culprit(0).expect("the first way");
    for (audience, is_shown) in [
        (Audience::Client, false),
        (Audience::Log, false),
        (Audience::Operator, true),
    ] {
        let report = error.report().audience(audience);
        for text in [report.to_string(), report.json().to_string()] {
            assert_eq!(
                text.contains("the_culprit"),
                is_shown,
                "{audience:?}: {text}"
            );
        }
    }
    let json = error
        .report()
        .json()
        .audience(Audience::Operator)
        .to_string();
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert!(json["stack"][0]["line"].is_u64(), "{json:#}");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn every_frame_of_the_program_knows_its_module_and_build() {
    let frames = Backtrace::capture().frames();
    let ours = frames.iter().find(|frame| {
        frame
            .function()
            .is_some_and(|name| name.contains("every_frame_of_the_program"))
    });
    let ours = ours.expect("this function is in its own stack");
    assert!(
        ours.module()
            .is_some_and(|name| name.starts_with("captures-")),
        "{ours:?}"
    );
    let build_id = ours.build_id().unwrap_or_default();
    assert!(
        build_id.len() >= 16 && build_id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{ours:?}"
    );
    assert!(ours.offset() > 0 && ours.offset() < 1 << 32, "{ours:?}");
}

#[inline(never)]
fn deep(levels: u32) -> Backtrace {
    if levels == 0 {
        return Backtrace::capture();
    }
    let stack = deep(levels - 1);
    std::hint::black_box(&stack);
    stack
}

#[inline(never)]
fn deep_error(levels: u32) -> Error {
    if levels == 0 {
        let _always = scoped(Policy::Always);
        return err!("deep down");
    }
    let error = deep_error(levels - 1);
    std::hint::black_box(&error);
    error
}

#[test]
fn a_stack_deeper_than_the_bound_keeps_its_top_and_says_so() {
    assert!(!deep(100).is_cut());
    let stack = deep(2_000);
    assert!(stack.is_cut());
    assert_eq!(stack.addresses().len(), 512);
    assert!(stack.to_string().ends_with("(deeper frames were not kept)"));

    let error = deep_error(2_000);
    let report = error.report().audience(Audience::Operator);
    assert!(
        report
            .to_string()
            .ends_with("(deeper frames were not kept)")
    );
    let json: serde_json::Value =
        serde_json::from_str(&report.json().to_string()).expect("it is JSON");
    assert_eq!(json["is_cut"], true);
}

#[test]
fn capture_works_while_a_thread_panics_and_in_the_hook() {
    struct OnUnwind;
    impl Drop for OnUnwind {
        fn drop(&mut self) {
            assert!(!Backtrace::capture().addresses().is_empty());
        }
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {
        let _always = scoped(Policy::Always);
        let error = err!("in the hook");
        assert!(!format!("{error:?}").is_empty());
    }));
    let outcome = std::panic::catch_unwind(|| {
        let _on_unwind = OnUnwind;
        std::panic::panic_any(1_u8);
    });
    std::panic::set_hook(previous);
    assert!(outcome.is_err());
}

#[test]
fn any_thread_can_capture_and_all_agree_on_frame_pointers() {
    let threads = [16, 64, 1_024].map(|kilobytes| {
        std::thread::Builder::new()
            .stack_size(kilobytes * 1_024)
            .spawn(|| {
                (0..10)
                    .map(|_| deep(10).addresses().len())
                    .collect::<Vec<_>>()
            })
            .expect("a thread can be started")
    });
    for thread in threads {
        let depths = thread.join().expect("it does not panic");
        assert!(depths.iter().all(|depth| *depth > 10), "{depths:?}");
    }
    assert_eq!(has_frame_pointers(), cfg!(frame_pointers));
}
