//! What a cache over Redis and Postgres costs, and what is left of that when they are slow.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bench::{Fact, Operation, Row, batch};
use ctxsvc::{Cached, Ctx, Json, Load, Redis as Level};
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, Row as _};
use testkit::{Link, Postgres, Proxy, Redis};
use tokio::runtime::{Builder, Runtime};

/// Rows of the table.
const ROWS: i64 = 300_000;

/// The budget unless set.
const BUDGET: Duration = Duration::from_millis(50);

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn rows() -> Vec<Row> {
    vec![cold(), warm()]
}

pub(crate) fn facts() -> Vec<Fact> {
    let silent = Link::Blackhole;
    let slow = Link::Delay(Duration::from_millis(300));
    vec![
        Fact::new("median ms until 100 keys are there that are in neither")
            .of("ctxsvc", ours_cold)
            .of("one MGET and one query", by_hand_cold),
        Fact::new("slowest of 200 misses after Redis has fallen silent, ms")
            .of("ctxsvc", move || troubled::<Ours>(silent).0)
            .of("get, load, set", move || troubled::<Seed>(silent).0),
        Fact::new("99th percentile of these, ms")
            .of("ctxsvc", move || troubled::<Ours>(silent).1)
            .of("get, load, set", move || troubled::<Seed>(silent).1),
        Fact::new("slowest of 200 misses while Redis takes 300 ms, ms")
            .of("ctxsvc", move || troubled::<Ours>(slow).0)
            .of("get, load, set", move || troubled::<Seed>(slow).0),
        Fact::new("99th percentile of those, ms")
            .of("ctxsvc", move || troubled::<Ours>(slow).1)
            .of("get, load, set", move || troubled::<Seed>(slow).1),
        Fact::new("milliseconds until Postgres is free of an abandoned query of 2 s")
            .of("ctxsvc", || abandoned(true).0)
            .of("sqlx alone", || abandoned(false).0),
        Fact::new("milliseconds of the next query on a pool of one")
            .of("ctxsvc", || abandoned(true).1)
            .of("sqlx alone", || abandoned(false).1),
    ]
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Both servers, with a table, and what one client has of them.
struct Stand {
    runtime: Runtime,
    pool: PgPool,
    redis: Redis,
    _postgres: Postgres,
}

impl Stand {
    fn new() -> Self {
        let postgres = Postgres::start(&[]).expect("postgres is installed");
        let redis = Redis::start(&[]).expect("redis-server is installed");
        let runtime = runtime();
        let pool = runtime.block_on(async {
            let pool = PgPool::connect(&postgres.url()).await.expect("a pool");
            let made = sqlx::raw_sql(
                "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
                 INSERT INTO users SELECT id, 'user ' || id FROM generate_series(0, 299999) id;
                 ANALYZE users",
            );
            made.execute(&pool).await.expect("a table");
            pool
        });
        Self {
            runtime,
            pool,
            redis,
            _postgres: postgres,
        }
    }

    /// Also makes sure that a closure keeps all of it, and not its runtime alone.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// A hundred keys that nobody has asked for in this run.
fn next_hundred() -> Vec<i64> {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let first = NEXT.fetch_add(100, Ordering::SeqCst) % ROWS;
    (first..first + 100).collect()
}

struct Users(PgPool);

impl Users {
    async fn names(&self, ids: &[i64]) -> Vec<(i64, String)> {
        let query = sqlx::query("SELECT id, name FROM users WHERE id = ANY($1)").bind(ids);
        let rows = query.fetch_all(&self.0).await.expect("rows");
        let rows = rows.iter().map(|row| (row.get(0), row.get(1)));
        rows.collect()
    }
}

impl Load for Users {
    type Key = i64;
    type Value = String;
    type Error = Infallible;

    async fn load(&self, ctx: &Ctx, id: &i64) -> Result<Option<String>, Infallible> {
        Ok(self.load_many(ctx, &[*id]).await?.remove(id))
    }

    async fn load_many(
        &self,
        _ctx: &Ctx,
        ids: &[i64],
    ) -> Result<std::collections::HashMap<i64, String>, Infallible> {
        Ok(self.names(ids).await.into_iter().collect())
    }
}

fn users(stand: &Stand, capacity: u64) -> Cached<Users> {
    let level = Level::open(&stand.redis.url()).expect("a URL");
    let builder = Cached::builder("users", Users(stand.pool.clone()));
    let builder = builder.ttl(HOUR).capacity(capacity);
    builder
        .redis(level.budget(Duration::from_secs(5)), Json)
        .build()
}

fn ours(keys: impl Fn() -> Vec<i64> + 'static, is_warm: bool) -> impl Operation {
    let (stand, ctx) = (Stand::new(), Ctx::root());
    let users = stand.block_on(async {
        let users = users(&stand, 0);
        if is_warm {
            users.get_many(&ctx, &keys()).await.expect("found");
            // Until Redis has them, whoever asks is given what was just loaded.
            assert_eq!(users.close(HOUR).await.left, 0);
        }
        users
    });
    batch(move |count| {
        stand.block_on(async {
            for _ in 0..count {
                let found = users.get_many(&ctx, &keys()).await;
                assert_eq!(found.expect("found").len(), 100);
            }
        });
    })
}

async fn multiplexed(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("the server answers")
}

/// What has to be asked in any case: one MGET, and one query for what it does not bring.
fn by_hand(keys: impl Fn() -> Vec<i64> + 'static, is_warm: bool) -> impl Operation {
    let stand = Stand::new();
    let mut connection = stand.block_on(multiplexed(&stand.redis));
    let repository = Users(stand.pool.clone());
    if is_warm {
        stand.block_on(async {
            for id in keys() {
                let set = redis::cmd("SET")
                    .arg(format!("users:{id}"))
                    .arg("a name")
                    .to_owned();
                set.exec_async(&mut connection).await.expect("it is set");
            }
        });
    }
    batch(move |count| {
        stand.block_on(async {
            for _ in 0..count {
                let ids = keys();
                let names: Vec<_> = ids.iter().map(|id| format!("users:{id}")).collect();
                let get = redis::cmd("MGET").arg(names).to_owned();
                let found: Vec<Option<String>> =
                    get.query_async(&mut connection).await.expect("an answer");
                if !is_warm {
                    assert_eq!(repository.names(&ids).await.len(), found.len());
                }
            }
        });
    })
}

/// How long a caller waits. What is told to Redis after that is waited for in between.
fn ours_cold() -> f64 {
    let (stand, ctx) = (Stand::new(), Ctx::root());
    let users = stand.block_on(async { users(&stand, 0) });
    median_ms(|| {
        stand.block_on(async {
            let keys = next_hundred();
            let began = Instant::now();
            let found = users.get_many(&ctx, &keys).await.expect("found");
            let took = began.elapsed();
            assert_eq!((found.len(), users.close(HOUR).await.left), (100, 0));
            took
        })
    })
}

fn by_hand_cold() -> f64 {
    let mut operation = by_hand(next_hundred, false);
    median_ms(|| {
        let began = Instant::now();
        operation.run(1);
        began.elapsed()
    })
}

fn median_ms(mut timed: impl FnMut() -> Duration) -> f64 {
    let mut took: Vec<_> = (0..1_000).map(|_| timed().as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2] * 1e3).round() / 1e3
}

fn cold() -> Row {
    Row::new("100 keys that are neither in memory nor in Redis, one batch after the other")
        .ours("ctxsvc", |_| ours(next_hundred, false))
        .peer("one MGET and one query", |_| by_hand(next_hundred, false))
}

fn warm() -> Row {
    let same = || (0..100).collect();
    Row::new("100 keys that are in Redis")
        .ours("ctxsvc", move |_| ours(same, true))
        .peer("one MGET", move |_| by_hand(same, true))
}

/// A cache of rows that are ready, whose Redis is at the other end of a proxy.
trait Shared {
    async fn open(url: &str) -> Self;

    async fn get(&self, key: i64);
}

struct Ours(Cached<Ready>);

struct Ready;

impl Load for Ready {
    type Key = i64;
    type Value = i64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, key: &i64) -> Result<Option<i64>, Infallible> {
        Ok(Some(*key))
    }
}

impl Shared for Ours {
    async fn open(url: &str) -> Self {
        let level = Level::open(url).expect("a URL").budget(BUDGET);
        Self(Cached::builder("rows", Ready).redis(level, Json).build())
    }

    async fn get(&self, key: i64) {
        let found = self.0.get(&Ctx::root(), &key).await;
        assert!(found.expect("Redis is nobody's error").is_some());
    }
}

/// As it is often written: each error of Redis is a miss.
struct Seed(MultiplexedConnection);

impl Shared for Seed {
    async fn open(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL");
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(BUDGET));
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await;
        Self(connection.expect("the server answers"))
    }

    async fn get(&self, key: i64) {
        let mut connection = self.0.clone();
        let name = format!("rows:{key}");
        let found = redis::cmd("GET")
            .arg(&name)
            .query_async(&mut connection)
            .await;
        if let Ok(Some::<i64>(_)) = found {
            return;
        }
        let set = redis::cmd("SET").arg(&name).arg(key).to_owned();
        let _ = set.exec_async(&mut connection).await;
    }
}

/// The slowest, and the 99th percentile, in milliseconds.
fn troubled<C: Shared>(link: Link) -> (f64, f64) {
    let server = Redis::start(&[]).expect("redis-server is installed");
    let proxy = Proxy::to(server.addr()).expect("a port");
    runtime().block_on(async {
        let cache = C::open(&format!("redis://{}", proxy.addr())).await;
        for key in 0..100 {
            cache.get(key).await;
        }
        proxy.set(link);
        let mut took = Vec::new();
        for key in 0..200 {
            let began = Instant::now();
            cache.get(1_000 + key).await;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        (rounded(took[199]), rounded(took[197]))
    })
}

/// Until the server is free, and what the next query takes: in milliseconds.
fn abandoned(is_ours: bool) -> (f64, f64) {
    let server = Postgres::start(&[]).expect("postgres is installed");
    runtime().block_on(async {
        let options: sqlx::postgres::PgConnectOptions = server.url().parse().expect("a URL");
        let watcher = PgPool::connect_with(options.clone()).await.expect("a pool");
        let options = if is_ours {
            ctxsvc::stops_when_abandoned(options)
        } else {
            options
        };
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await.expect("a pool");
        let ctx = Ctx::root().with_timeout(Duration::from_millis(20));
        let sleep = sqlx::query("SELECT pg_sleep(2)");
        if is_ours {
            let given_up = sleep.execute(ctx.on(&pool)).await;
            assert!(given_up.is_err());
        } else {
            let given_up = ctx.run(sleep.execute(&pool)).await;
            assert!(given_up.is_err());
        }
        let began = Instant::now();
        let next = async {
            let next = sqlx::query("SELECT 1");
            if is_ours {
                next.execute(Ctx::root().on(&pool)).await.expect("answered");
            } else {
                next.execute(&pool).await.expect("answered");
            }
            began.elapsed()
        };
        let free = async {
            let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)' \
                        AND state = 'active' AND pid <> pg_backend_pid()";
            loop {
                let left: i64 = sqlx::query_scalar(busy)
                    .fetch_one(&watcher)
                    .await
                    .expect("a count");
                if left == 0 {
                    return began.elapsed();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let (next, free) = tokio::join!(next, free);
        // The pool is whole, once the connection is back.
        let is_whole = async || pool.size() as usize == pool.num_idle();
        testkit::wait_for(is_whole, Duration::from_secs(10)).await;
        let ms = |it: Duration| rounded(it.as_secs_f64() * 1e3);
        (ms(free), ms(next))
    })
}

fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
