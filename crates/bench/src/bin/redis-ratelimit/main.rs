//! Decisions over one real Redis: ours, and those of every limiter for Rust that stands on Redis.
//! `redis_rate` is the script of Go's on redis-rs, which most of them copy. A bare `INCR` is what the
//! client and the server can do at most.
//!
//! The server is started by each contender, so that the keys and the work of one are no burden to
//! the next. It shares the machine with the client: read ratios.
//!
//! What stands behind a row that a peer is not in, or not as it would be in production:
//!
//! - limitador is there with `--with limitador`: its storage in Redis does not build without `RocksDB`.
//! - limitador-cached is not asked for many keys: it does not finish.
//! - tower-rate-limit-redis counts to 65 535 and in milliseconds, so it has not enough for one key.
//! - throttle-kit counts in milliseconds, so it gives less for one key, which takes as long.
//! - trypema asks for Redis 7.2; what is used of it runs on 6.2 and 7.0 as well.
//! - governor and `tower_governor` have no Redis: they are in the rows of one process.

mod away;
mod clients;
mod facts;
mod growth;
mod layer;
mod load;
mod memory;
mod peers;
mod stand;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::{Bench, Fact, Row};
use redis_ratelimit::MemoryStore;

use self::clients::Part;
use self::facts::Figure;
use self::layer::Fate;
use self::load::Load;
use self::peers::incr::Incr;
#[cfg(feature = "limitador")]
use self::peers::limitador::Limitador;
use self::peers::ours::Ours;
use self::peers::redis_rate::RedisRate;
use self::peers::throttle_kit::ThrottleKit;
use self::peers::tower_rate_limit_redis::TowerRateLimitRedis;
use self::peers::trypema::{Trypema, TrypemaHybrid};
use self::stand::{Limits, Way, among, many};

const WIDE: Load = Load::Wide(100_000);

fn main() -> ExitCode {
    if let Some(part) = Part::of_this_process() {
        assert!(is_played(&part), "of no limiter: {part:?}");
        return ExitCode::SUCCESS;
    }
    in_one_process(over_redis(Bench::new("redis-ratelimit"))).run()
}

/// By the limiter that it is a part of.
fn is_played(part: &Part) -> bool {
    #[cfg(feature = "limitador")]
    if part.is_played_by::<Limitador<false>>() || part.is_played_by::<Limitador<true>>() {
        return true;
    }
    part.is_played_by::<Ours<true>>()
        || part.is_played_by::<Ours<false>>()
        || part.is_played_by::<RedisRate>()
        || part.is_played_by::<ThrottleKit>()
        || part.is_played_by::<TowerRateLimitRedis>()
        || part.is_played_by::<Trypema>()
        || part.is_played_by::<TrypemaHybrid>()
}

fn over_redis(bench: Bench) -> Bench {
    let tasks = "decisions of so many tasks on 100 000 keys";
    let bench = bench
        .row(against_all(tasks, WIDE, Way::Once, &[1, 64, 1_024]))
        .row(against_all(
            "decisions of 64 tasks on one key",
            Load::Hot,
            Way::Once,
            &[64],
        ))
        .row(against_all(
            "decisions of 64 tasks, 95 % denied",
            Load::Denied,
            Way::Once,
            &[64],
        ))
        .row(against_all(
            "two limits for each of 64 tasks",
            WIDE,
            Way::Twice,
            &[64],
        ));
    let bench = [
        (
            "units beyond 1024 that 4 processes of 16 tasks are given, of 4096 at once",
            Figure::Surplus(Duration::ZERO),
        ),
        (
            "units beyond 1024 that 4 processes of 16 tasks are given, of 4096 in two seconds",
            Figure::Surplus(Duration::from_millis(30)),
        ),
        (
            "units of a limit that requests took which another limit denied",
            Figure::Wasted,
        ),
        (
            "median of a decision of one task in us, 100 000 keys",
            Figure::MedianMicros,
        ),
        (
            "Redis' processor time per decision of 64 tasks in us, 100 000 keys",
            Figure::RedisMicros,
        ),
        (
            "bytes to and from Redis per decision of 64 tasks, 100 000 keys",
            Figure::WireBytes,
        ),
        (
            "bytes of Redis' memory per key, 100 000 keys",
            Figure::KeyBytes(100_000),
        ),
    ]
    .into_iter()
    .fold(bench, |bench, (name, figure)| {
        bench.fact(of_all(name, figure))
    });
    growing(bench)
}

/// All that can be put to it.
fn against_all(name: &str, load: Load, way: Way, sizes: &[u64]) -> Row {
    let row = Row::new(name)
        .sizes(sizes.iter().copied())
        .ours(Ours::<true>::NAME, move |tasks| {
            many::<Ours<true>>(tasks, load, way)
        })
        .ours(Ours::<false>::NAME, move |tasks| {
            many::<Ours<false>>(tasks, load, way)
        })
        .peer(RedisRate::NAME, move |tasks| {
            many::<RedisRate>(tasks, load, way)
        })
        .peer(ThrottleKit::NAME, move |tasks| {
            many::<ThrottleKit>(tasks, load, way)
        })
        .peer(Trypema::NAME, move |tasks| {
            many::<Trypema>(tasks, load, way)
        })
        .peer(TrypemaHybrid::NAME, move |tasks| {
            many::<TrypemaHybrid>(tasks, load, way)
        });
    let row = match load {
        Load::Hot => row,
        _ => row.peer(TowerRateLimitRedis::NAME, move |tasks| {
            many::<TowerRateLimitRedis>(tasks, load, way)
        }),
    };
    #[cfg(feature = "limitador")]
    let row = row.peer(Limitador::<false>::NAME, move |tasks| {
        many::<Limitador<false>>(tasks, load, way)
    });
    #[cfg(feature = "limitador")]
    let row = match load {
        Load::Wide(_) | Load::Kept(_) => row,
        _ => row.peer(Limitador::<true>::NAME, move |tasks| {
            many::<Limitador<true>>(tasks, load, way)
        }),
    };
    row.peer(Incr::NAME, move |tasks| many::<Incr>(tasks, load, way))
}

fn of_all(name: &str, figure: Figure) -> Fact {
    let fact = Fact::new(name)
        .of(Ours::<true>::NAME, move || figure.of::<Ours<true>>())
        .of(Ours::<false>::NAME, move || figure.of::<Ours<false>>())
        .of(RedisRate::NAME, move || figure.of::<RedisRate>())
        .of(ThrottleKit::NAME, move || figure.of::<ThrottleKit>())
        .of(TowerRateLimitRedis::NAME, move || {
            figure.of::<TowerRateLimitRedis>()
        })
        .of(Trypema::NAME, move || figure.of::<Trypema>())
        .of(TrypemaHybrid::NAME, move || figure.of::<TrypemaHybrid>());
    #[cfg(feature = "limitador")]
    let fact = fact.of(Limitador::<false>::NAME, move || {
        figure.of::<Limitador<false>>()
    });
    match figure {
        Figure::Surplus(_) | Figure::Wasted => {
            #[cfg(feature = "limitador")]
            let fact = fact.of(Limitador::<true>::NAME, move || {
                figure.of::<Limitador<true>>()
            });
            fact
        }
        _ => fact.of(Incr::NAME, move || figure.of::<Incr>()),
    }
}

fn growing(bench: Bench) -> Bench {
    let keys = [1_000, 100_000, 1_000_000];
    let mut bench = bench
        .row(
            Row::new("decisions of 64 tasks on so many keys that Redis holds")
                .levels(keys)
                .ours(Ours::<true>::NAME, |keys| {
                    among::<Ours<true>>(Load::Kept(keys), keys)
                })
                .peer(RedisRate::NAME, |keys| {
                    among::<RedisRate>(Load::Kept(keys), keys)
                }),
        )
        .row(
            Row::new("so many limits in a call of each of 64 tasks")
                .sizes([1, 2, 4, 8])
                .ours(Ours::<true>::NAME, |limits| growth::limits(limits, true))
                .ours(Ours::<false>::NAME, |limits| growth::limits(limits, false)),
        )
        .row(
            Row::new("decisions of so many processes of 16 tasks on 100 000 keys")
                .sizes([1, 2, 4])
                .ours(Ours::<true>::NAME, growth::processes::<Ours<true>>)
                .ours(Ours::<false>::NAME, growth::processes::<Ours<false>>)
                .peer(RedisRate::NAME, growth::processes::<RedisRate>),
        );
    for keys in [1_000, 1_000_000] {
        let figure = Figure::KeyBytes(keys);
        bench = bench.fact(
            Fact::new(format!("bytes of Redis' memory per key, {keys} keys"))
                .of(Ours::<true>::NAME, move || figure.of::<Ours<true>>())
                .of(RedisRate::NAME, move || figure.of::<RedisRate>()),
        );
    }
    bench
}

fn in_one_process(bench: Bench) -> Bench {
    bench
        .row(
            Row::new("a decision in memory")
                .ours("by the counter", |_size| memory::ours(MemoryStore::new()))
                .ours("by the system's clock", |_size| {
                    memory::ours(MemoryStore::with_clock(1_000, Instant::now))
                })
                .peer("governor", |_size| memory::governor()),
        )
        .row(
            Row::new("a decision while the breaker is open")
                .ours(Ours::<false>::NAME, |_size| away::not_asked()),
        )
        .fact(
            Fact::new("ms that the slowest hundredth takes beyond its budget, Redis is silent")
                .of(Ours::<true>::NAME, || away::overdue_ms(true))
                .of(Ours::<false>::NAME, || away::overdue_ms(false)),
        )
        .row(through_the_layer(
            "an admitted request through the layer, in memory",
            Fate::Admitted,
        ))
        .row(through_the_layer(
            "a denied request through the layer, in memory",
            Fate::Denied,
        ))
}

fn through_the_layer(name: &str, fate: Fate) -> Row {
    Row::new(name)
        .ours("redis-ratelimit", move |_size| layer::ours(fate))
        .peer("tower_governor", move |_size| layer::tower_governor(fate))
}
