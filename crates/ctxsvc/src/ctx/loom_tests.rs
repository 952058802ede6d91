//! The protocol between those who end a scope, those who wait for it and those who leave, under
//! every interleaving.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use loom::thread;
use tokio::time::Instant;

use super::scope::Scope;
use crate::done::Cause;

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    (Arc::clone(&count), Waker::from(count))
}

#[track_caller]
fn cause(text: &str) -> Option<Cause> {
    let error: Box<dyn Error + Send + Sync> = text.into();
    Some(Arc::from(error))
}

fn told(scope: &Scope) -> String {
    let done = scope.check().expect_err("it is over");
    done.cause().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn who_waits_while_it_is_cancelled_is_woken_or_told_at_once() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let child = Scope::cancellable(Some(Arc::clone(&root)));
        let (count, waker) = counter();
        let waiting = thread::spawn(move || {
            child.link();
            (child.enrol(None, &waker).is_some(), child)
        });
        root.cancel(None);
        let (has_waited, child) = waiting.join().expect("no panic");
        assert!(child.is_over());
        assert_eq!(count.0.load(Ordering::SeqCst), usize::from(has_waited));
    });
}

#[test]
fn of_two_causes_one_wins_and_all_see_the_same() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let child = Scope::cancellable(Some(Arc::clone(&root)));
        let rival = {
            let child = Arc::clone(&child);
            thread::spawn(move || {
                child.cancel(cause("child"));
                told(&child)
            })
        };
        root.cancel(cause("root"));
        let ours = told(&child);
        assert_eq!(rival.join().expect("no panic"), ours);
        assert_eq!(told(&root), "root");
        assert_eq!(told(&child), ours);
    });
}

#[test]
fn who_sees_that_it_is_over_can_read_the_cause() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let child = Scope::cancellable(Some(Arc::clone(&root)));
        let seen = thread::spawn(move || child.is_over().then(|| told(&child)));
        root.cancel(cause("root"));
        let seen = seen.join().expect("no panic");
        assert!(seen.is_none_or(|cause| cause == "root"));
    });
}

#[test]
fn two_who_link_the_same_scope_take_one_place_that_its_drop_frees() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let child = Scope::cancellable(Some(Arc::clone(&root)));
        let other = {
            let child = Arc::clone(&child);
            thread::spawn(move || child.link())
        };
        child.link();
        other.join().expect("no panic");
        assert_eq!(root.children(), 1);
        drop(child);
        assert_eq!(root.children(), 0);
    });
}

#[test]
fn a_scope_that_is_dropped_while_its_parent_ends_takes_nothing_along() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let [first, second] = [(); 2].map(|()| Scope::cancellable(Some(Arc::clone(&root))));
        first.link();
        second.link();
        let dropping = thread::spawn(move || drop(first));
        root.cancel(None);
        dropping.join().expect("no panic");
        assert!(second.is_over());
        assert_eq!(root.children(), 0);
    });
}

#[test]
fn who_has_seen_that_a_scope_is_over_is_told_so_by_those_below_it() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let tomorrow = Instant::now() + Duration::from_hours(24);
        let child = Scope::ending_at(Some(Arc::clone(&root)), tomorrow, None);
        child.link();
        let seen = {
            let root = Arc::clone(&root);
            thread::spawn(move || !root.is_over() || child.check().is_err())
        };
        root.cancel(None);
        assert!(seen.join().expect("no panic"));
    });
}

/// Looks at a scope when it is woken.
struct Looks(Arc<Scope>, AtomicUsize);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        assert!(self.0.is_over());
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn who_is_woken_finds_all_scopes_below_over() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let child = Scope::cancellable(Some(Arc::clone(&root)));
        child.link();
        let looks = Arc::new(Looks(child, AtomicUsize::new(0)));
        let place = root.enrol(None, &Waker::from(Arc::clone(&looks)));
        assert!(place.is_some());
        root.cancel(None);
        assert_eq!(looks.1.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_cancel_has_reached_all_scopes_below_also_beside_another() {
    loom::model(|| {
        let root = Scope::cancellable(None);
        let middle = Scope::cancellable(Some(Arc::clone(&root)));
        let leaf = Scope::cancellable(Some(Arc::clone(&middle)));
        leaf.link();
        let other = thread::spawn(move || middle.cancel(None));
        root.cancel(None);
        assert!(leaf.is_over());
        other.join().expect("no panic");
    });
}
