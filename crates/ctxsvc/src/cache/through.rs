//! Flights through a level that processes share.

use tokio::task::yield_now;

use super::loader::{AnswerOf, Landing, Origin, RemoteOf, Shared};
use super::remote::{Asked, Lease, Loaded, Since, Told};
use super::{Load, Source};
use crate::Ctx;

/// A flight that loads, since when, and its right to tell what it brings.
struct Loading<'a, L: Load> {
    landing: &'a Landing<L>,
    since: Since,
    lease: Option<Lease>,
    /// Another one has the right.
    is_theirs: bool,
}

impl<L: Load> Shared<L> {
    pub(super) async fn through(&self, remote: &RemoteOf<L>, ctx: &Ctx, landing: &Landing<L>) {
        let floor = self.floor(&landing.key);
        let asked = remote.ask(&landing.key, floor).await;
        if let Some(loading) = found_or_loading(remote, landing, asked) {
            let loaded = self.origin(ctx, &landing.key).await;
            self.bring(remote, vec![(loading, loaded)]).await;
        }
    }

    pub(super) async fn through_many(
        &self,
        remote: &RemoteOf<L>,
        ctx: &Ctx,
        landings: &[Landing<L>],
    ) {
        let keys = landings
            .iter()
            .map(|it| (it.key.clone(), self.floor(&it.key)));
        let keys: Vec<_> = keys.collect();
        let asked = landings.iter().zip(remote.ask_many(&keys).await);
        let loading = asked.filter_map(|(it, asked)| found_or_loading(remote, it, asked));
        let loading: Vec<_> = loading.collect();
        if loading.is_empty() {
            return;
        }
        let keys: Vec<_> = loading.iter().map(|it| it.landing.key.clone()).collect();
        let loaded = self.origin_many(ctx, &keys).await;
        self.bring(remote, loading.into_iter().zip(loaded).collect())
            .await;
    }

    /// Whether the version of an answer is not too old to be told.
    fn admits(&self, landing: &Landing<L>, answer: &AnswerOf<L>) -> bool {
        answer.version.is_none() || self.floor(&landing.key).admits(answer.version)
    }

    /// Answers those who wait, tells what was loaded, and lands.
    async fn bring(&self, remote: &RemoteOf<L>, loaded: Vec<(Loading<'_, L>, Origin<L>)>) {
        let (mut brought, mut leased, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for (loading, loaded) in loaded {
            let Loading {
                landing,
                since,
                lease,
                is_theirs,
            } = loading;
            let brings = match loaded {
                Ok(value) => {
                    let answer = self.answer(value, since.mark);
                    landing.answer(answer.clone(), Source::Origin);
                    Some(answer)
                }
                Err(error) => {
                    let behind = lease.as_ref();
                    let behind = behind.and_then(|it| remote.behind(&landing.key, since, it));
                    let floor = self.floor(&landing.key);
                    let behind = behind.filter(|answer| floor.admits(answer.version));
                    landing.fail(error, behind);
                    None
                }
            };
            if let Some(lease) = lease {
                told.push(Loaded {
                    key: &landing.key,
                    lease,
                    answer: brings
                        .as_ref()
                        .filter(|it| self.admits(landing, it))
                        .cloned(),
                });
                leased.push((landing, since, brings));
            } else {
                let version = brings.as_ref().and_then(|it| it.version);
                let told = match version.filter(|_| is_theirs) {
                    Some(_) => Told::Overtaken,
                    None => Told::Unknown,
                };
                brought.push((landing, since, brings, told));
            }
        }
        if !told.is_empty() {
            // Those who were answered go on first, also where all share a thread.
            yield_now().await;
            let told = remote.tell(told).await;
            let leased = leased.into_iter().zip(told);
            brought.extend(leased.map(|((it, since, brings), told)| (it, since, brings, told)));
        }
        for (landing, since, brings, told) in brought {
            match brings {
                Some(answer) => land_told(remote, landing, (since, answer), told),
                None => landing.land_failed(),
            }
        }
    }
}

fn found_or_loading<'a, L: Load>(
    remote: &RemoteOf<L>,
    landing: &'a Landing<L>,
    asked: Asked<L::Value>,
) -> Option<Loading<'a, L>> {
    let (since, lease, is_theirs) = match asked {
        Asked::Found(since, mut answer) => {
            if remote.is_unheard() {
                answer.limit(since.at + remote.unheard_for());
            }
            landing.land_known(answer, Source::Redis);
            return None;
        }
        Asked::Load(since, lease) => (since, lease, false),
        Asked::Theirs(since) => (since, None, true),
    };
    landing.flight.reads(since);
    Some(Loading {
        landing,
        since,
        lease,
        is_theirs,
    })
}

fn land_told<L: Load>(
    remote: &RemoteOf<L>,
    landing: &Landing<L>,
    (since, mut answer): (Since, AnswerOf<L>),
    told: Told,
) {
    let is_kept = match told {
        Told::Overtaken => return landing.pass_on(),
        Told::Kept(mark) => {
            answer.mark = mark;
            true
        }
        Told::Unkept(mark) => {
            answer.mark = mark;
            false
        }
        Told::Unknown => false,
    };
    // What is not there is not told of when it changes.
    if !is_kept || remote.is_unheard() {
        answer.limit(since.at + remote.unheard_for());
    }
    landing.land_known(answer, Source::Origin);
}
