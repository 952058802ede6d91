//! Decisions over one real Redis: ours, and the script of `redis_rate` (Go) on redis-rs, which most
//! limiters for Rust copy. A bare `INCR` is what the client and the server can do at most.
//!
//! The server is started by each contender, so that the keys and the work of one are no burden to
//! the next. It shares the machine with the client: read ratios.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::{Bench, Fact, Operation, Row, batch, each};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use redis_ratelimit::{
    Check, Decision, FailurePolicy, Limiter, MemoryStore, Policy, Quota, RedisStore,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// `redis_rate.AllowN`, as of v10.
const REDIS_RATE: &str = include_str!("redis_rate.lua");

const KEYS: u64 = 100_000;

fn main() -> ExitCode {
    Bench::new("redis-ratelimit")
        .row(redis_row(
            "decisions of so many tasks on 100 000 keys",
            Load::Wide,
            [1, 64, 1_024],
        ))
        .row(redis_row(
            "decisions of 64 tasks on one key",
            Load::Hot,
            [64],
        ))
        .row(redis_row(
            "decisions of 64 tasks, 95 % denied",
            Load::Denied,
            [64],
        ))
        .row(
            Row::new("two limits for each of 64 tasks")
                .sizes([64])
                .ours("all or none, all layers", |tasks| {
                    many(tasks, ours(Load::Wide, true), two_of_ours)
                })
                .ours("all or none, no layers", |tasks| {
                    many(tasks, ours(Load::Wide, false), two_of_ours)
                })
                .peer("redis_rate, one after the other", |tasks| {
                    many(tasks, RedisRate::connect(Load::Wide), RedisRate::twice)
                }),
        )
        .row(
            Row::new("a decision in memory")
                .ours("by the counter", |_size| in_memory(MemoryStore::new()))
                .ours("by the system's clock", |_size| {
                    in_memory(MemoryStore::with_clock(1_000, Instant::now))
                })
                .peer("governor", |_size| in_governor()),
        )
        .fact(
            Fact::new("units admitted beyond 1024 by 64 tasks of 4 limiters on one key")
                .of("all layers", || surplus(true))
                .of("no layers", || surplus(false)),
        )
        .run()
}

fn redis_row<const N: usize>(name: &str, load: Load, sizes: [u64; N]) -> Row {
    Row::new(name)
        .sizes(sizes)
        .ours("all layers", move |tasks| {
            many(tasks, ours(load, true), one_of_ours)
        })
        .ours("no layers", move |tasks| {
            many(tasks, ours(load, false), one_of_ours)
        })
        .peer("redis_rate", move |tasks| {
            many(tasks, RedisRate::connect(load), RedisRate::once)
        })
        .peer("INCR", move |tasks| {
            many(tasks, RedisRate::connect(load), RedisRate::incr)
        })
}

/// Which keys are asked for, and whether there is anything left.
#[derive(Debug, Clone, Copy)]
enum Load {
    Wide,
    Hot,
    Denied,
}

impl Load {
    fn key(self, nth: u64) -> u64 {
        match self {
            // A multiplication by a large odd number visits all keys in no order.
            Self::Wide => nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS,
            Self::Hot => 0,
            Self::Denied => nth % 64,
        }
    }

    /// Units per minute, and as many at once.
    fn units(self) -> u32 {
        match self {
            Self::Wide => 1_000,
            Self::Hot => 50_000_000,
            Self::Denied => 20,
        }
    }
}

/// A server with a runtime to use it on.
struct Stand<T> {
    user: T,
    load: Load,
    runtime: Runtime,
    _server: testkit::Redis,
}

fn stand<T>(load: Load, user: impl AsyncFnOnce(&str) -> T) -> Stand<T> {
    let server = testkit::Redis::start(&[]).expect("redis-server is installed");
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    Stand {
        user: runtime.block_on(user(&server.url())),
        load,
        runtime,
        _server: server,
    }
}

/// Each task asks so many times; an operation is one decision.
fn many<T, F>(tasks: u64, stand: Stand<T>, ask: fn(T, u64) -> F) -> impl Operation
where
    T: Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    batch(move |count| {
        // The whole of it: the server ends with this closure.
        let stand = &stand;
        stand.runtime.block_on(async {
            let mut asking = JoinSet::new();
            for task in 0..tasks {
                let (user, load) = (stand.user.clone(), stand.load);
                asking.spawn(async move {
                    for nth in 0..count {
                        ask(user.clone(), load.key(nth * tasks + task)).await;
                    }
                });
            }
            asking.join_all().await;
        });
    })
}

type Ours = (Limiter, Arc<[Policy; 2]>);

fn ours(load: Load, layers: bool) -> Stand<Ours> {
    stand(load, async |url| {
        let quota = Quota::per_minute(load.units());
        let policies = ["a", "b"].map(|name| Policy::gcra(name, quota).expect("a quota"));
        let user: Ours = (limiter(url, layers), Arc::new(policies));
        // It connects and sends its scripts now, as the peers do, and not in the first slice.
        one_of_ours(user.clone(), u64::MAX).await;
        two_of_ours(user.clone(), u64::MAX).await;
        user
    })
}

fn limiter(url: &str, layers: bool) -> Limiter {
    let store = RedisStore::open(url).expect("a URL");
    let settings = Limiter::builder()
        .redis(store, FailurePolicy::Closed)
        .budget(Duration::from_secs(5));
    if layers {
        settings.coalesce().deny_cache(100_000).build()
    } else {
        settings.build()
    }
}

async fn one_of_ours((limiter, policies): Ours, key: u64) {
    let key = format!("user:{key}");
    let check = Check::new(&policies[0], &key).expect("a short key");
    let decision = limiter.check(check).await;
    assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
}

async fn two_of_ours((limiter, policies): Ours, key: u64) {
    let key = format!("user:{key}");
    let checks = [&policies[0], &policies[1]].map(|policy| Check::new(policy, &key));
    let checks = checks.map(|check| check.expect("a short key"));
    assert!(limiter.check_all(&checks).await.doubt().is_none());
}

#[derive(Clone)]
struct RedisRate {
    connection: MultiplexedConnection,
    script: Arc<Script>,
    units: u32,
}

impl RedisRate {
    fn connect(load: Load) -> Stand<Self> {
        stand(load, async |url| {
            let client = Client::open(url).expect("a URL");
            Self {
                connection: client
                    .get_multiplexed_async_connection()
                    .await
                    .expect("the server answers"),
                script: Arc::new(Script::new(REDIS_RATE)),
                units: load.units(),
            }
        })
    }

    async fn once(mut self, key: u64) {
        self.allow(format!("rate:user:{key}")).await;
    }

    async fn twice(mut self, key: u64) {
        self.allow(format!("rate:a:user:{key}")).await;
        self.allow(format!("rate:b:user:{key}")).await;
    }

    async fn allow(&mut self, key: String) {
        let mut call = self.script.key(key);
        call.arg(self.units).arg(self.units).arg(60).arg(1);
        let reply: (i64, i64, String, String) = call
            .invoke_async(&mut self.connection)
            .await
            .expect("an answer");
        std::hint::black_box(reply);
    }

    async fn incr(mut self, key: u64) {
        let mut incr = redis::cmd("INCR");
        let count: i64 = incr
            .arg(format!("user:{key}"))
            .query_async(&mut self.connection)
            .await
            .expect("an answer");
        std::hint::black_box(count);
    }
}

fn in_memory(store: MemoryStore) -> impl Operation {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let limiter = Limiter::builder().memory(store).build();
    let policy = Policy::gcra("p", Quota::per_second(1_000_000).burst(u32::MAX)).expect("a quota");
    batch(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let check = Check::new(&policy, "user:42").expect("a short key");
                assert!(std::hint::black_box(limiter.check(check).await).is_admitted());
            }
        });
    })
}

fn in_governor() -> impl Operation {
    let units = std::num::NonZeroU32::new(1_000_000).expect("not zero");
    let limiter: DefaultKeyedRateLimiter<String> = RateLimiter::keyed(
        governor::Quota::per_second(units).allow_burst(std::num::NonZeroU32::MAX),
    );
    let key = "user:42".to_owned();
    each(move || limiter.check_key(&key))
}

fn surplus(layers: bool) -> f64 {
    let stand = stand(Load::Hot, async |url| {
        [(); 4].map(|()| limiter(url, layers))
    });
    let admitted = stand.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..64 {
            let limiter = stand.user[task % 4].clone();
            tasks.spawn(async move {
                let policy = Policy::gcra("p", Quota::per_day(1_024)).expect("a quota");
                let mut admitted = 0_u32;
                for _ in 0..64 {
                    let check = Check::new(&policy, "hot").expect("a short key");
                    admitted += u32::from(limiter.check(check).await.is_admitted());
                }
                admitted
            });
        }
        tasks.join_all().await.into_iter().sum::<u32>()
    });
    f64::from(admitted) - 1_024.0
}
