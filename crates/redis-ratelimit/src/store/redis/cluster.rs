//! A cluster: which of its nodes serves what, and a guarded connection to each.
//!
//! The client's own cluster connection sends a request again when the connection breaks that it
//! was sent over, which could charge twice, and can't be told not to without giving up redirections
//! too; it has no end to a request by default; and it does not notice a connection that the
//! network has forgotten. So requests are routed here, over the same connections as to a single
//! server, and everything that holds for these holds for a cluster.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::address::Address;
use super::guard::{Guard, Link, jitter};
use super::losses::Losses;
use super::origin::Origin;
use super::servers::Redirection;
use super::slots::{Owners, Shard, shards};

/// Between two looks at who serves what, and up to half of it more by chance. It is doubled as long
/// as they find nothing new: the answer is a long one, and a cluster in trouble has a fleet asking.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Whatever was found, it is looked again so soon if somebody has a reason to.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A node that takes longer to say who serves what is not asked any more.
const LOOK_BOUND: Duration = Duration::from_secs(1);

/// How many nodes are asked at once: the first answer counts, so that a dead one costs nothing.
const ASKED_AT_ONCE: usize = 3;

#[derive(Debug)]
pub(super) struct Cluster {
    /// As which user, and over what kind of connection.
    example: ConnectionInfo,
    seeds: Vec<Address>,
    losses: Arc<Losses>,
    nodes: Mutex<Nodes>,
    look: watch::Sender<Look>,
}

#[derive(Debug, Default)]
struct Nodes {
    owners: Owners,
    guards: HashMap<Address, Guard>,
}

/// Finding out who serves what.
#[derive(Debug, Clone)]
struct Look {
    /// It may wait for its time.
    is_under_way: bool,
    /// How many have ended.
    ended: u64,
    next: Instant,
    /// After the next one, if that finds nothing new.
    pause: Duration,
    /// Why the last one has found out nothing.
    cause: Option<RedisError>,
}

impl Cluster {
    pub(super) fn new(example: ConnectionInfo, seeds: Vec<Address>, losses: &Arc<Losses>) -> Self {
        let (look, _) = watch::channel(Look {
            is_under_way: false,
            ended: 0,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            cause: None,
        });
        Self {
            example,
            seeds,
            losses: Arc::clone(losses),
            nodes: Mutex::default(),
            look,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn example(&self) -> &ConnectionInfo {
        &self.example
    }

    #[cfg(feature = "tls")]
    pub(super) fn seeds(&self) -> &[Address] {
        &self.seeds
    }

    /// The connection to who serves a slot, or any, as far as that is known.
    pub(super) fn guard_if_known(&self, slot: Option<u16>) -> Option<Guard> {
        let mut nodes = self.nodes();
        let owner = match slot {
            Some(slot) => nodes.owners.of(slot),
            None => nodes.owners.any(),
        };
        let owner = owner?.clone();
        Some(self.guard(&mut nodes, &owner))
    }

    /// The connection to who serves a slot, as soon as there is one, and who guards it. If that one
    /// can't be reached, it is found out whether somebody else serves the slot by now.
    pub(super) async fn reach(self: &Arc<Self>, slot: Option<u16>) -> RedisResult<(Guard, Link)> {
        let mut guard = match self.guard_if_known(slot) {
            Some(guard) => guard,
            None => self.find(slot).await?,
        };
        loop {
            let error = match guard.link().await {
                Ok(link) => return Ok((guard, link)),
                Err(error) => error,
            };
            let now = self.find(slot).await?;
            if now.is(&guard) {
                return Err(error);
            }
            guard = now;
        }
    }

    /// Who serves a slot, by what is found out about it now or was a moment ago.
    async fn find(self: &Arc<Self>, slot: Option<u16>) -> RedisResult<Guard> {
        let last = self.look.borrow().clone();
        let look = if last.next > Instant::now() {
            self.look_again();
            last
        } else {
            self.looked().await
        };
        self.guard_if_known(slot).ok_or_else(|| {
            let nobody = || {
                let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
                RedisError::from((kind, "nobody serves the key's slot"))
            };
            look.cause.unwrap_or_else(nobody)
        })
    }

    /// Waits until another node than this one serves a slot and can be reached, and says how long the
    /// connection to that one took to be made.
    pub(super) async fn successor(self: &Arc<Self>, slot: Option<u16>, of: &Guard) -> Duration {
        loop {
            let other = self.guard_if_known(slot).filter(|guard| !guard.is(of));
            if let Some(guard) = other
                && let Ok(link) = guard.link().await
            {
                return link.took;
            }
            self.looked().await;
        }
    }

    /// Where a node sends a request to that it does not serve.
    pub(super) fn redirection(
        self: &Arc<Self>,
        error: &RedisError,
        from: &Guard,
    ) -> Option<Redirection> {
        let (address, slot) = error.redirect_node()?;
        let address = from.address()?.told_by(address)?;
        let mut nodes = self.nodes();
        if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::Ask)) {
            return Some(Redirection::Ask(self.guard(&mut nodes, &address)));
        }
        nodes.owners.moved(slot, address);
        drop(nodes);
        // What was true of this slot may be true of others.
        self.look_again();
        Some(Redirection::Moved)
    }

    /// Finds out anew who serves what, in the background and as soon as it may.
    pub(super) fn look_again(self: &Arc<Self>) {
        let is_first = self.look.send_if_modified(|look| {
            let is_first = !look.is_under_way;
            look.is_under_way = true;
            is_first
        });
        if is_first {
            // Made here, so that it ends also if its task is dropped before it has run.
            let attempt = Attempt {
                cluster: Arc::clone(self),
                finds_news: false,
                cause: None,
            };
            tokio::spawn(attempt.run());
        }
    }

    /// Waits for a look that is under way, or for the next one.
    async fn looked(self: &Arc<Self>) -> Look {
        let mut look = self.look.subscribe();
        let ended = look.borrow().ended;
        self.look_again();
        // Not until none is under way: the next one may begin at once. This cluster has the sender,
        // so the channel is not closed.
        let seen = look.wait_for(|look| look.ended != ended).await;
        seen.map_or_else(|_| self.look.borrow().clone(), |look| look.clone())
    }

    fn guard(&self, nodes: &mut Nodes, address: &Address) -> Guard {
        let guard = nodes.guards.entry(address.clone()).or_insert_with(|| {
            let info = address.info(&self.example);
            Guard::new(Origin::At(info), &self.losses)
        });
        guard.clone()
    }

    /// Some of those that may know, each with the connection to it.
    fn some(&self) -> Vec<(Address, Guard)> {
        let mut nodes = self.nodes();
        let mut known = nodes.owners.nodes();
        known.extend(&self.seeds);
        let mut known: Vec<_> = known.into_iter().cloned().collect();
        let chance = RandomState::new();
        known.sort_by_cached_key(|address| chance.hash_one(address));
        known.truncate(ASKED_AT_ONCE);
        let with_guard = |address| {
            let guard = self.guard(&mut nodes, &address);
            (address, guard)
        };
        known.into_iter().map(with_guard).collect()
    }

    /// True if it is news.
    fn take(&self, shards: Vec<Shard>) -> bool {
        let mut nodes = self.nodes();
        let is_news = !nodes.owners.are(&shards);
        let lost = nodes.owners.replace(shards);
        let Nodes { owners, guards } = &mut *nodes;
        let used = owners.nodes();
        guards.retain(|address, _| used.contains(address) || self.seeds.contains(address));
        drop(nodes);
        for _ in 0..lost {
            self.losses.add_one();
        }
        is_news
    }

    /// A node has answered for a slot.
    pub(super) fn served(self: &Arc<Self>, slot: u16, by: &Guard, asked_at: Instant) {
        let tell = |node| self.nodes().owners.served(slot, node, asked_at);
        if by.address().is_some_and(tell) {
            self.look_again();
        }
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        // Nothing that could panic runs while they are not in order.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look, which comes to an end in any case.
struct Attempt {
    cluster: Arc<Cluster>,
    finds_news: bool,
    cause: Option<RedisError>,
}

impl Attempt {
    async fn run(mut self) {
        let begin = self.cluster.look.borrow().next;
        sleep_until(begin).await;
        if let Some(shards) = self.first_answer().await {
            self.finds_news = self.cluster.take(shards);
        }
        let cluster = Arc::clone(&self.cluster);
        drop(self);
        // Nobody else who has it: nobody wants to know.
        let is_in_use = Arc::strong_count(&cluster) > 1;
        if is_in_use && cluster.nodes().owners.is_suspicious() {
            cluster.look_again();
        }
    }

    async fn first_answer(&mut self) -> Option<Vec<Shard>> {
        let mut asked = JoinSet::new();
        for (address, guard) in self.cluster.some() {
            asked.spawn(async move {
                let told = timeout(LOOK_BOUND, ask(address, &guard)).await;
                told.map_or_else(|_| Err(guard.last_failure()), |told| told.map_err(Some))
            });
        }
        while let Some(told) = asked.join_next().await {
            match told {
                Ok(Ok(shards)) => {
                    self.cause = None;
                    return Some(shards);
                }
                Ok(Err(Some(error))) => self.cause = Some(error),
                // It was silent, or its runtime is shut down.
                Ok(Err(None)) | Err(_) => {}
            }
        }
        None
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let now = Instant::now();
        self.cluster.look.send_modify(|look| {
            // After a time in which nobody had a reason, it is another trouble.
            let is_another = now > look.next + 2 * LONGEST_PAUSE;
            let pause = if self.finds_news || is_another {
                FIRST_PAUSE
            } else {
                look.pause
            };
            look.is_under_way = false;
            look.ended += 1;
            look.next = now + pause + jitter(pause / 2);
            look.pause = (2 * pause).min(LONGEST_PAUSE);
            look.cause = self.cause.take();
        });
    }
}

async fn ask(address: Address, guard: &Guard) -> RedisResult<Vec<Shard>> {
    let mut link = guard.link().await?;
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    let reply = link.connection.send_packed_command(&slots).await?;
    let reply = reply.extract_error()?;
    shards(&reply, &address)
        .ok_or_else(|| (ErrorKind::UnexpectedReturnType, "it serves no slots").into())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use redis::{IntoConnectionInfo, parse_redis_value};
    use tokio::time::sleep;

    use super::*;
    use crate::store::redis::RedisStore;
    use crate::store::redis::servers::Servers;

    /// In front of which nobody listens.
    fn nowhere() -> Arc<Cluster> {
        let info = "redis://127.0.0.1:1".into_connection_info().expect("a URL");
        let seeds = vec![Address::new("127.0.0.1", 1)];
        Arc::new(Cluster::new(info, seeds, &Arc::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_in_trouble_is_asked_less_often_as_long_as_there_is_nothing_new() {
        let cluster = nowhere();
        let ms = Duration::from_millis;
        let looks = async |expected: &[u64]| {
            for pause in expected {
                let look = cluster.looked().await;
                let until_next = look.next - Instant::now();
                let expected = ms(*pause)..=ms(pause * 3 / 2);
                assert!(expected.contains(&until_next), "{pause} ms: {until_next:?}");
            }
        };
        looks(&[100, 200, 400, 800, 1_600, 2_000, 2_000]).await;
        // For a time nobody had a reason to.
        tokio::time::advance(ms(10_000)).await;
        looks(&[100, 200]).await;
    }

    /// It has just been served by a node that none has told of.
    fn suspicious() -> Arc<Cluster> {
        let cluster = nowhere();
        for port in [1, 2] {
            let node = Address::new("127.0.0.1", port);
            cluster.nodes().owners.served(7, &node, Instant::now());
        }
        cluster
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_look_is_seen_also_if_the_next_one_begins_at_once() {
        let cluster = suspicious();
        for _ in 0..3 {
            let look = timeout(2 * LONGEST_PAUSE, cluster.looked()).await;
            look.expect("it has ended");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_looked_any_more_when_nobody_has_the_cluster() {
        let cluster = suspicious();
        cluster.look_again();
        let is_there = Arc::downgrade(&cluster);
        drop(cluster);
        let gone = async {
            while is_there.strong_count() > 0 {
                sleep(FIRST_PAUSE).await;
            }
        };
        timeout(4 * LONGEST_PAUSE, gone).await.expect("it is gone");
    }

    /// Says so to everything that is one. It ends with the test's process.
    fn pong() -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                std::thread::spawn(move || -> std::io::Result<()> {
                    for line in BufReader::new(client.try_clone()?).lines() {
                        if matches!(&*line?, "CLIENT" | "INFO" | "PING") {
                            client.write_all(b"+PONG\r\n")?;
                        }
                    }
                    Ok(())
                });
            }
        });
        Address::new("127.0.0.1", port)
    }

    #[tokio::test]
    async fn who_answers_a_ping_need_not_serve_the_slot() {
        let cluster = nowhere();
        cluster.nodes().owners.moved(7, pong());
        let store = RedisStore {
            servers: Servers::Cluster(Arc::clone(&cluster)),
            losses: Arc::default(),
            namespace: "rl".into(),
            address: "".into(),
            #[cfg(feature = "tls")]
            credentials: Arc::default(),
        };
        let deadline = Instant::now() + LOOK_BOUND;
        store.ping_until(Some(7), deadline).await.expect("a pong");
        let has_another = {
            let other = &cluster.seeds[0];
            cluster.nodes().owners.served(7, other, Instant::now())
        };
        assert!(!has_another, "served it before");
    }

    #[tokio::test]
    async fn who_is_sent_elsewhere_goes_there_and_with_a_move_so_do_those_who_come_after() {
        let cluster = nowhere();
        let from = cluster.guard(&mut cluster.nodes(), &cluster.seeds[0]);
        let at = |guard: Option<Guard>| guard.map(|guard| format!("{:?}", guard.address()));
        let address = |port| Some(format!("{:?}", Some(Address::new("127.0.0.1", port))));
        // A reply: where this request goes, and where the next one of slot 7 does.
        for (reply, asks, next) in [
            ("-ASK 7 127.0.0.1:2\r\n", address(2), None),
            ("-MOVED 7 127.0.0.1:3\r\n", None, address(3)),
            // Without a host it is that of the node that says so.
            ("-ASK 7 :4\r\n", address(4), address(3)),
            ("-MOVED 7 :5\r\n", None, address(5)),
        ] {
            let error = parse_redis_value(reply.as_bytes()).and_then(redis::Value::extract_error);
            let error = error.expect_err("it is one");
            let redirection = cluster.redirection(&error, &from).expect("it is one");
            let asked = match redirection {
                Redirection::Ask(guard) => at(Some(guard)),
                Redirection::Moved => None,
            };
            assert_eq!(asked, asks, "{reply}");
            assert_eq!(at(cluster.guard_if_known(Some(7))), next, "{reply}");
        }
        for reply in [
            "-ASK 7\r\n",
            "-MOVED x 127.0.0.1:3\r\n",
            "-MOVED 7 nowhere\r\n",
            "-ERR 7\r\n",
        ] {
            let error = parse_redis_value(reply.as_bytes()).and_then(redis::Value::extract_error);
            let error = error.expect_err("it is one");
            assert!(cluster.redirection(&error, &from).is_none(), "{reply}");
        }
    }
}
