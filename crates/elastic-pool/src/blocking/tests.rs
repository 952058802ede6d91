//! What needs the inside of a pool: threads that are refused, and a simulation in which the test
//! is every thread and owns the time.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::control::consult;
use super::seat::Worker;
use super::state::{Effects, Turn};
use super::{Builder, Pool};
use crate::clock::{Clock, nanos};
use crate::job::{Log, Tally};
use crate::report::Unstarted;
use crate::{
    CancelReason, Controller, JobError, JobHandle, OnFull, Scaling, SubmitErrorKind, Window,
};

/// A builder whose threads are refused while the flag is set.
fn refusing(builder: Builder) -> (Builder, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&refuses);
    let builder = builder.start_with(move |builder, main| {
        if flag.load(Ordering::SeqCst) {
            return Err(io::Error::other("no more threads"));
        }
        builder.spawn(main).map(drop)
    });
    (builder, refuses)
}

#[test]
fn a_refused_first_thread_gives_the_job_back() {
    let (builder, refuses) = refusing(Pool::builder().workers(0..=4));
    let pool = builder.build().expect("the settings are in range");
    refuses.store(true, Ordering::SeqCst);
    for _ in 0..64 {
        let error = pool.try_submit(|| 7).expect_err("there is no thread");
        assert_eq!(error.kind(), SubmitErrorKind::NoThread);
        assert_eq!((error.into_job())(), 7);
    }
    assert_eq!(pool.metrics().accepted, 0);
    assert_eq!(pool.metrics().workers, 0);
    refuses.store(false, Ordering::SeqCst);
    let handle = pool.try_submit(|| 8).expect("threads are there again");
    assert_eq!(handle.join().expect("it runs"), 8);
}

#[test]
fn while_one_worker_lives_a_refused_thread_loses_no_job() {
    let (builder, refuses) = refusing(Pool::builder().workers(1..=64));
    let pool = builder.build().expect("the settings are in range");
    refuses.store(true, Ordering::SeqCst);
    let handles: Vec<_> = (0..64)
        .map(|number| pool.try_submit(move || number).expect("one worker lives"))
        .collect();
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().expect("it runs"), number);
    }
    assert_eq!(pool.metrics().workers, 1);
}

#[test]
fn a_job_that_a_refused_thread_was_to_take_goes_to_a_sleeper() {
    let refuses = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&refuses);
    let pool = Pool::builder()
        .workers(1..=2)
        .start_with(move |_, _| {
            let error = || io::Error::other("no more threads");
            let is_allowed = !flag.load(Ordering::SeqCst);
            is_allowed.then_some(()).ok_or_else(error)
        })
        .build()
        .expect("the settings are in range");
    let shared = &pool.guard.shared;
    let mut worker = Worker::new();
    pool.execute(|| ()).expect("there is room");
    assert!(matches!(shared.turn(&mut worker), Turn::Run(_)));
    // A spare one is on its way now, and the system takes its time.
    assert!(matches!(shared.turn(&mut worker), Turn::Sleep { .. }));
    pool.execute(|| ()).expect("there is room");
    refuses.store(true, Ordering::SeqCst);
    assert!(shared.start_or_refuse().is_err());
    assert!(shared.desk(&mut Effects::default()).keeps_its_invariant());
    assert!(matches!(shared.turn(&mut worker), Turn::Run(_)));
}

#[test]
fn a_refused_least_worker_fails_the_build() {
    let (builder, refuses) = refusing(Pool::builder().workers(2..=4));
    refuses.store(true, Ordering::SeqCst);
    let error = builder.build().expect_err("there is no thread");
    assert!(matches!(error, crate::BuildError::Thread { .. }), "{error}");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit {
        timeout: Option<u64>,
        panics: bool,
    },
    /// More than the queue holds, before anybody fetches.
    Burst,
    Cancel(prop::sample::Index),
    Turn(prop::sample::Index),
    Advance(u64),
    Resize(usize, usize),
    RefuseThreads(bool),
    Drain,
}

/// How often the steps reached a state: a model proves nothing about one that it never reaches.
#[derive(Debug, Default)]
struct Reached {
    full: AtomicUsize,
    expired: AtomicUsize,
    cancelled: AtomicUsize,
    cancelled_unstarted: AtomicUsize,
    no_thread: AtomicUsize,
    looked: AtomicUsize,
    left: AtomicUsize,
    returned: AtomicUsize,
    limited: AtomicUsize,
}

/// Wants now this and now that.
struct Capricious;

impl Controller for Capricious {
    fn limit(&mut self, now: Duration, window: &Window) -> usize {
        let now = usize::try_from(nanos(now)).expect("a test is short");
        (window.queued * 7 + window.busy * 3 + now) % 6
    }

    fn again(&self, now: Duration, window: &Window) -> Option<Duration> {
        (window.queued % 2 == 1).then(|| now + Duration::from_nanos(50))
    }
}

/// A pool whose threads are these workers.
struct Simulation<'a> {
    pool: Pool,
    now: Arc<AtomicU64>,
    epoch: Instant,
    refuses: Arc<AtomicBool>,
    started: Arc<AtomicUsize>,
    workers: Vec<(Worker, Option<super::inbox::Entry>)>,
    tally: Arc<Tally>,
    handles: HashMap<usize, JobHandle<usize>>,
    submitted: usize,
    resolved: usize,
    unstarted: Vec<Unstarted>,
    reached: &'a Reached,
}

const QUEUE: usize = 6;

impl<'a> Simulation<'a> {
    fn new(on_full: OnFull, is_controlled: bool, reached: &'a Reached) -> Self {
        let now = Arc::new(AtomicU64::new(1));
        let refuses = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicUsize::new(0));
        let (flag, count) = (Arc::clone(&refuses), Arc::clone(&started));
        let epoch = Instant::now();
        let pool = Pool::builder()
            .workers(0..=3)
            .queue(QUEUE)
            .on_full(on_full)
            .idle_timeout(Duration::from_nanos(100))
            .clock(Clock::stopped(epoch, &now))
            .start_with(move |builder, _main| {
                let builder = format!("{builder:?}");
                if flag.load(Ordering::SeqCst) {
                    return Err(io::Error::other("no more threads"));
                }
                if !builder.contains("timekeeper") {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            });
        let pool = if is_controlled {
            pool.controller(Capricious)
        } else {
            pool
        }
        .build()
        .expect("the settings are in range");
        let tally = Arc::new(Tally::default());
        pool.guard.shared.tallies.lock().push(Arc::clone(&tally));
        Self {
            pool,
            now,
            epoch,
            refuses,
            started,
            workers: Vec::new(),
            tally,
            handles: HashMap::new(),
            submitted: 0,
            resolved: 0,
            unstarted: Vec::new(),
            reached,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Submit { timeout, panics } => self.submit(timeout, panics),
            Step::Burst => (0..2 * QUEUE).for_each(|_| self.submit(None, false)),
            Step::Cancel(index) if !self.handles.is_empty() => self.cancel(index),
            Step::Turn(index) if !self.workers.is_empty() => {
                self.turn(index.index(self.workers.len()));
            }
            Step::Cancel(_) | Step::Turn(_) => {}
            Step::Advance(nanos) => {
                self.now.fetch_add(nanos, Ordering::SeqCst);
                let shared = &self.pool.guard.shared;
                shared.with(super::keeper::due);
                if shared.state.lock().is_to_ask(shared.now()) {
                    consult(shared);
                }
            }
            // The workers that it starts may be refused, and then come later.
            Step::Resize(min, max) => drop(self.pool.resize(min..=max)),
            Step::RefuseThreads(refuses) => self.refuses.store(refuses, Ordering::SeqCst),
            Step::Drain => self.drain(),
        }
        let started = self.started.swap(0, Ordering::SeqCst);
        self.workers
            .extend((0..started).map(|_| (Worker::new(), None)));
    }

    fn submit(&mut self, timeout: Option<u64>, panics: bool) {
        let number = self.submitted;
        self.submitted += 1;
        let mut job = self.pool.job(move || {
            assert!(!panics, "as it was told");
            number
        });
        if let Some(timeout) = timeout {
            let at = self.now.load(Ordering::SeqCst) + timeout;
            job = job.deadline(self.epoch + Duration::from_nanos(at));
        }
        match job.try_submit() {
            Ok(handle) => drop(self.handles.insert(number, handle)),
            Err(error) => match error.kind() {
                SubmitErrorKind::Full => {
                    self.reached.full.fetch_add(1, Ordering::SeqCst);
                }
                SubmitErrorKind::NoThread => {
                    self.reached.no_thread.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            },
        }
    }

    fn cancel(&self, index: prop::sample::Index) {
        let mut numbers: Vec<_> = self.handles.keys().copied().collect();
        numbers.sort_unstable();
        let before = self.pool.metrics().cancelled;
        if !self.handles[index.get(&numbers)].cancel() {
            return;
        }
        // One that was handed back is counted already.
        let reached = if self.pool.metrics().cancelled > before {
            &self.reached.cancelled
        } else {
            &self.reached.cancelled_unstarted
        };
        reached.fetch_add(1, Ordering::SeqCst);
    }

    fn turn(&mut self, index: usize) {
        let shared = &self.pool.guard.shared;
        let (worker, entry) = &mut self.workers[index];
        if let Some(entry) = entry.take() {
            let shared = &self.pool.guard.shared;
            let log = Log::new(&self.tally, &shared.watch, &shared.clock);
            entry.job.run(&log.since(entry.enqueued));
        }
        match shared.turn(worker) {
            Turn::Run(next) => *entry = Some(next),
            Turn::Look { .. } => {
                self.reached.looked.fetch_add(1, Ordering::SeqCst);
            }
            Turn::Sleep { .. } => {}
            Turn::Leave => {
                self.workers.swap_remove(index);
                self.reached.left.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn drain(&mut self) {
        let report = self
            .pool
            .shutdown_blocking(crate::Shutdown::Cancel(Duration::ZERO));
        self.reached
            .returned
            .fetch_add(report.unstarted.len(), Ordering::SeqCst);
        self.unstarted.extend(report.unstarted);
    }

    fn check(&mut self) -> TestCaseResult {
        self.collect();
        let metrics = self.pool.metrics();
        let mut effects = Effects::default();
        let state = self.pool.guard.shared.desk(&mut effects);
        prop_assert!(state.waiting() <= QUEUE);
        prop_assert!(state.most() > 0, "there may be one, whatever is said");
        if state.most() < state.settings.max {
            self.reached.limited.fetch_add(1, Ordering::SeqCst);
        }
        prop_assert_eq!(state.workers, self.workers.len());
        prop_assert_eq!(
            state.busy,
            self.workers.iter().filter(|it| it.1.is_some()).count()
        );
        prop_assert!(
            state.keeps_its_invariant(),
            "somebody is on the way to each job"
        );
        let ended = metrics.completed + metrics.panicked + metrics.cancelled + metrics.returned;
        let accepted = u64::try_from(self.resolved + self.handles.len()).expect("few");
        prop_assert_eq!(metrics.accepted, accepted);
        prop_assert!(ended <= metrics.accepted);
        let left = u64::try_from(metrics.queued + metrics.busy).expect("few");
        prop_assert!(
            metrics.accepted <= ended + left,
            "a job that has not ended waits or is with a worker: {:?}",
            metrics
        );
        Ok(())
    }

    fn collect(&mut self) {
        let ended: Vec<_> = self
            .handles
            .iter()
            .filter(|it| it.1.is_finished())
            .map(|it| *it.0)
            .collect();
        for number in ended {
            let handle = self.handles.remove(&number).expect("it was there");
            match handle.join() {
                Ok(result) => assert_eq!(result, number),
                Err(JobError::Panicked(panic)) => {
                    assert_eq!(panic.message(), Some("as it was told"));
                }
                Err(error) => {
                    if error.cancel_reason() == Some(CancelReason::DeadlineExceeded) {
                        self.reached.expired.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
            self.resolved += 1;
        }
    }

    /// Lets everything end, and looks whether the books balance.
    fn settle(mut self) -> TestCaseResult {
        self.take(Step::RefuseThreads(false));
        self.now.fetch_add(1_000_000_000, Ordering::SeqCst);
        self.take(Step::Advance(0));
        for _ in 0..30 {
            for index in (0..self.workers.len()).rev() {
                self.turn(index);
            }
            self.take(Step::Advance(0));
        }
        for (number, job) in self.unstarted.drain(..).enumerate() {
            if number % 2 == 0 {
                job.run();
            }
        }
        self.check()?;
        prop_assert!(
            self.handles.is_empty(),
            "every handle resolves: {:?}",
            self.handles
        );
        let metrics = self.pool.metrics();
        let ended = metrics.completed + metrics.panicked + metrics.cancelled + metrics.returned;
        prop_assert_eq!(metrics.accepted, ended);
        prop_assert_eq!(metrics.queued, 0);
        Ok(())
    }
}

#[test]
fn every_accepted_job_ends_once_and_is_counted_once() {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        8 => (prop::option::weighted(0.4, 1..300_u64), prop::bool::weighted(0.2))
            .prop_map(|(timeout, panics)| Step::Submit { timeout, panics }),
        1 => Just(Step::Burst),
        3 => index().prop_map(Step::Cancel),
        10 => index().prop_map(Step::Turn),
        3 => (0..150_u64).prop_map(Step::Advance),
        1 => (0..2_usize, 2..5_usize).prop_map(|(min, max)| Step::Resize(min, max)),
        1 => any::<bool>().prop_map(Step::RefuseThreads),
        1 => Just(Step::Drain),
    ];
    let steps = (
        prop::collection::vec(step, 1..150),
        any::<bool>(),
        any::<bool>(),
    );
    let policies = [OnFull::Reject, OnFull::CallerRuns, OnFull::DiscardOldest];
    let policy = prop::sample::select(policies.to_vec());
    let reached = Reached::default();
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    })
    .run(
        &(steps, policy),
        |((steps, drains, is_controlled), on_full)| {
            let mut simulation = Simulation::new(on_full, is_controlled, &reached);
            for step in steps.into_iter().chain(drains.then_some(Step::Drain)) {
                simulation.take(step);
                simulation.check()?;
            }
            simulation.settle()
        },
    )
    .expect("the books balance");
    for (name, count) in [
        ("full", &reached.full),
        ("expired", &reached.expired),
        ("cancelled", &reached.cancelled),
        ("cancelled unstarted", &reached.cancelled_unstarted),
        ("no thread", &reached.no_thread),
        ("looked", &reached.looked),
        ("left", &reached.left),
        ("returned", &reached.returned),
        ("limited", &reached.limited),
    ] {
        assert!(count.load(Ordering::SeqCst) > 0, "no run reached {name:?}");
    }
}

#[test]
fn who_looks_for_a_job_is_not_told_of_those_that_came_before() {
    let clock = Clock::stopped(Instant::now(), &Arc::new(AtomicU64::new(1)));
    let pool = Pool::builder().workers(0..=1).clock(clock);
    let pool = pool.start_with(|_, _| Ok(())).build().expect("in range");
    let shared = &pool.guard.shared;
    let until_now = || shared.inbox.lock().accepted();
    // By way of the desk, because a worker has to be started; past it; and by way of it again.
    for timeout in [None, None, Some(Duration::from_secs(3_600))] {
        let before = until_now();
        let job = pool.job(|| ());
        let job = match timeout {
            Some(timeout) => job.timeout(timeout),
            None => job,
        };
        drop(job.try_submit().expect("there is room"));
        assert!(shared.have_come_since(before), "one has come");
        assert!(!shared.have_come_since(until_now()), "and no other");
    }
}

/// [`Scaling::TargetDelay`] as a controller: one more worker whenever the oldest job has waited for
/// so long.
struct ByDelay(Duration);

impl Controller for ByDelay {
    fn limit(&mut self, _: Duration, window: &Window) -> usize {
        let nobody_is_on_the_way = window.busy == window.workers;
        if window.queued > 0 && window.oldest >= self.0 && nobody_is_on_the_way {
            window.workers + 1
        } else {
            window.workers
        }
    }

    fn again(&self, now: Duration, window: &Window) -> Option<Duration> {
        (window.queued > 0 && window.limit <= window.workers)
            .then(|| now + self.0.saturating_sub(window.oldest))
    }
}

/// When a pool whose workers are all blocked has how many, while time goes by.
fn growth(builder: impl FnOnce(Builder) -> Builder, arrivals: &[u64]) -> Vec<usize> {
    let now = Arc::new(AtomicU64::new(1));
    let pool = builder(Pool::builder().workers(0..=4))
        .clock(Clock::stopped(Instant::now(), &now))
        .start_with(|_, _| Ok(()))
        .build()
        .expect("the settings are in range");
    let shared = &pool.guard.shared;
    let mut workers = Vec::new();
    let mut grown = Vec::new();
    for time in 1..100 {
        now.store(time, Ordering::SeqCst);
        shared.with(super::keeper::due);
        if shared.state.lock().is_to_ask(shared.now()) {
            consult(shared);
        }
        if arrivals.contains(&time) {
            pool.execute(|| ()).expect("there is room");
        }
        workers.resize_with(pool.metrics().workers, || (Worker::new(), None));
        for (worker, job) in workers.iter_mut().filter(|it| it.1.is_none()) {
            if let Turn::Run(entry) = shared.turn(worker) {
                *job = Some(entry);
            }
        }
        grown.push(pool.metrics().workers);
    }
    grown
}

/// Says what the test says.
struct Told(Arc<AtomicUsize>);

impl Controller for Told {
    fn limit(&mut self, _: Duration, _: &Window) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn one_worker_comes_though_the_controller_wants_none() {
    let nobody = Told(Arc::new(AtomicUsize::new(0)));
    let grown = growth(|it| it.controller(nobody), &[1]);
    assert!(grown.iter().all(|workers| *workers == 1), "{grown:?}");
}

#[test]
fn who_sleeps_leaves_at_once_when_the_controller_wants_fewer() {
    let told = Arc::new(AtomicUsize::new(2));
    let pool = Pool::builder()
        .workers(0..=2)
        .controller(Told(Arc::clone(&told)))
        .clock(Clock::stopped(Instant::now(), &Arc::new(AtomicU64::new(1))))
        .start_with(|_, _| Ok(()))
        .build()
        .expect("the settings are in range");
    let shared = &pool.guard.shared;
    for _ in 0..2 {
        pool.execute(|| ()).expect("there is room");
    }
    let mut workers = [Worker::new(), Worker::new()];
    let mut turns = || workers.each_mut().map(|worker| shared.turn(worker));
    // Each runs a job, looks for another one and falls asleep.
    (0..3).for_each(|_| drop(turns()));
    assert!(matches!(turns(), [Turn::Sleep { .. }, Turn::Sleep { .. }]));
    told.store(1, Ordering::SeqCst);
    consult(shared);
    assert!(matches!(turns(), [Turn::Leave, Turn::Look { .. }]));
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_controller_can_say_all_that_the_target_delay_says(
        delay in 2..30_u64,
        arrivals in prop::collection::vec(1..60_u64, 1..6),
    ) {
        let delay = Duration::from_nanos(delay);
        let by_setting = growth(|it| it.scaling(Scaling::TargetDelay(delay)), &arrivals);
        let by_controller = growth(|it| it.controller(ByDelay(delay)), &arrivals);
        prop_assert_eq!(by_setting, by_controller);
    }
}
