//! Several jobs whose results come as they end.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::Mutex;
use crate::{JobError, JobHandle};

/// Handles to several jobs, from one pool or from more.
///
/// Dropping a group lets its jobs run on, like dropping a handle.
///
/// # Examples
///
/// ```
/// use elastic_pool::{JobGroup, blocking};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = blocking::Pool::builder().build()?;
/// let mut group = JobGroup::new();
/// for n in 1..=3 {
///     group.add(pool.submit(move || n * n).await?);
/// }
/// let mut sum = 0;
/// while let Some(square) = group.next().await {
///     sum += square?;
/// }
/// assert_eq!(sum, 14);
/// # Ok(())
/// # }
/// ```
pub struct JobGroup<T> {
    /// `None` for a job whose result was given.
    jobs: Vec<Option<JobHandle<T>>>,
    left: usize,
    ready: Arc<Ready>,
}

struct Ready {
    state: Mutex<ReadyState>,
}

#[derive(Default)]
struct ReadyState {
    /// The jobs to look at.
    indices: VecDeque<usize>,
    /// Who waits for one.
    waiter: Option<Waker>,
}

struct Member {
    index: usize,
    ready: Arc<Ready>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        let mut state = self.ready.state.lock();
        state.indices.push_back(self.index);
        let waker = state.waiter.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> JobGroup<T> {
    /// A group without jobs.
    #[must_use]
    pub fn new() -> Self {
        Self {
            jobs: Vec::new(),
            left: 0,
            ready: Arc::new(Ready {
                state: Mutex::new(ReadyState::default()),
            }),
        }
    }

    /// Adds a job.
    pub fn add(&mut self, handle: JobHandle<T>) {
        if self.left == 0 {
            // Nothing refers to the old places any more.
            *self = Self::new();
        }
        let index = self.jobs.len();
        self.jobs.push(Some(handle));
        self.left += 1;
        self.ready.state.lock().indices.push_back(index);
    }

    /// How many jobs have not given their result yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left
    }

    /// Whether all jobs have given their result.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The result of the next job that ends. `None` when all have given theirs.
    ///
    /// # Cancel safety
    ///
    /// No result is lost if this future is dropped: the next call gives it.
    pub async fn next(&mut self) -> Option<Result<T, JobError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// All results, in the order in which the jobs were added.
    ///
    /// # Cancel safety
    ///
    /// The results that were there are lost if this future is dropped. The jobs run on.
    pub async fn join_all(mut self) -> Vec<Result<T, JobError>> {
        let handles = std::mem::take(&mut self.jobs);
        let mut results = Vec::with_capacity(self.left);
        for handle in handles.into_iter().flatten() {
            results.push(handle.await);
        }
        results
    }

    /// Cancels the jobs that have not begun. How many there were.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn cancel_all(&self) -> usize {
        let left = self.jobs.iter().flatten();
        left.filter(|handle| handle.cancel()).count()
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, JobError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        loop {
            let index = {
                let mut state = self.ready.state.lock();
                let Some(index) = state.indices.pop_front() else {
                    state.waiter = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                index
            };
            let Some(handle) = &mut self.jobs[index] else {
                continue;
            };
            let member = Member {
                index,
                ready: Arc::clone(&self.ready),
            };
            let waker = Waker::from(Arc::new(member));
            let mut cx = Context::from_waker(&waker);
            if let Poll::Ready(result) = Pin::new(handle).poll(&mut cx) {
                self.jobs[index] = None;
                self.left -= 1;
                return Poll::Ready(Some(result));
            }
        }
    }
}

impl<T> Default for JobGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<JobHandle<T>> for JobGroup<T> {
    fn extend<I: IntoIterator<Item = JobHandle<T>>>(&mut self, handles: I) {
        handles.into_iter().for_each(|handle| self.add(handle));
    }
}

impl<T> fmt::Debug for JobGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobGroup")
            .field("len", &self.left)
            .finish_non_exhaustive()
    }
}
