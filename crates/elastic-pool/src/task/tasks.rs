//! Where the tasks of a pool run: in the caller's runtime, and in a model each on a thread of loom's.

#[cfg(not(all(test, model)))]
pub(super) use tokio::runtime::Handle as Tasks;

#[cfg(all(test, model))]
#[derive(Debug, Clone)]
pub(super) struct Tasks;

#[cfg(all(test, model))]
impl Tasks {
    pub(super) fn try_current() -> Result<Self, std::convert::Infallible> {
        Ok(Self)
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        loom::thread::spawn(|| crate::sync::block_on(task));
    }
}
