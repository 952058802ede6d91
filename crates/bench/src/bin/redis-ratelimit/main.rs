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
//! - tower-rate-limit-redis counts to 65 535 and in milliseconds, and throttle-kit in milliseconds:
//!   in the row of one key they give less than is asked for, which takes as long.
//! - trypema asks for Redis 7.2; what is used of it runs on 6.2 and 7.0 as well.
//! - governor and `tower_governor` have no Redis: they are in the rows of one process.

mod facts;
mod growth;
mod layer;
mod load;
mod memory;
mod peers;
mod stand;

use std::process::ExitCode;
use std::time::Instant;

use bench::{Bench, Fact, Row};
use redis_ratelimit::MemoryStore;

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
use self::stand::{Way, among, many};

const WIDE: Load = Load::Wide(100_000);

fn main() -> ExitCode {
    let is_client = growth::is_client(|name, url| match name {
        "all layers" => growth::obey::<Ours<true>>(url),
        "no layers" => growth::obey::<Ours<false>>(url),
        _ => growth::obey::<RedisRate>(url),
    });
    if is_client {
        return ExitCode::SUCCESS;
    }
    in_one_process(over_redis(Bench::new("redis-ratelimit"))).run()
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
            "units beyond 1024 that 64 tasks of 4 limiters are given, one key",
            Figure::Surplus,
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
        .ours("all layers", move |tasks| {
            many::<Ours<true>>(tasks, load, way)
        })
        .ours("no layers", move |tasks| {
            many::<Ours<false>>(tasks, load, way)
        })
        .peer("redis_rate", move |tasks| {
            many::<RedisRate>(tasks, load, way)
        })
        .peer("throttle-kit", move |tasks| {
            many::<ThrottleKit>(tasks, load, way)
        })
        .peer("tower-rate-limit-redis", move |tasks| {
            many::<TowerRateLimitRedis>(tasks, load, way)
        })
        .peer("trypema", move |tasks| many::<Trypema>(tasks, load, way))
        .peer("trypema-hybrid", move |tasks| {
            many::<TrypemaHybrid>(tasks, load, way)
        });
    #[cfg(feature = "limitador")]
    let row = row.peer("limitador", move |tasks| {
        many::<Limitador<false>>(tasks, load, way)
    });
    #[cfg(feature = "limitador")]
    let row = match load {
        Load::Wide(_) | Load::Kept(_) => row,
        _ => row.peer("limitador-cached", move |tasks| {
            many::<Limitador<true>>(tasks, load, way)
        }),
    };
    row.peer("INCR", move |tasks| many::<Incr>(tasks, load, way))
}

fn of_all(name: &str, figure: Figure) -> Fact {
    let fact = Fact::new(name)
        .of("all layers", move || figure.of::<Ours<true>>())
        .of("no layers", move || figure.of::<Ours<false>>())
        .of("redis_rate", move || figure.of::<RedisRate>())
        .of("throttle-kit", move || figure.of::<ThrottleKit>())
        .of("tower-rate-limit-redis", move || {
            figure.of::<TowerRateLimitRedis>()
        })
        .of("trypema", move || figure.of::<Trypema>())
        .of("trypema-hybrid", move || figure.of::<TrypemaHybrid>());
    #[cfg(feature = "limitador")]
    let fact = fact.of("limitador", move || figure.of::<Limitador<false>>());
    match figure {
        Figure::Surplus | Figure::Wasted => {
            #[cfg(feature = "limitador")]
            let fact = fact.of("limitador-cached", move || figure.of::<Limitador<true>>());
            fact
        }
        _ => fact.of("INCR", move || figure.of::<Incr>()),
    }
}

fn growing(bench: Bench) -> Bench {
    let keys = [1_000, 100_000, 1_000_000];
    let mut bench = bench
        .row(
            Row::new("decisions of 64 tasks on so many keys that Redis holds")
                .levels(keys)
                .ours("all layers", |keys| {
                    among::<Ours<true>>(Load::Kept(keys), keys)
                })
                .peer("redis_rate", |keys| {
                    among::<RedisRate>(Load::Kept(keys), keys)
                }),
        )
        .row(
            Row::new("so many limits in a call of each of 64 tasks")
                .sizes([1, 2, 4, 8])
                .ours("all layers", |limits| growth::limits(limits, true))
                .ours("no layers", |limits| growth::limits(limits, false)),
        )
        .row(
            Row::new("decisions of so many processes of 16 tasks on 100 000 keys")
                .sizes([1, 2, 4])
                .ours("all layers", |processes| {
                    growth::processes("all layers", processes)
                })
                .ours("no layers", |processes| {
                    growth::processes("no layers", processes)
                })
                .peer("redis_rate", |processes| {
                    growth::processes("redis_rate", processes)
                }),
        );
    for keys in [1_000, 1_000_000] {
        let figure = Figure::KeyBytes(keys);
        bench = bench.fact(
            Fact::new(format!("bytes of Redis' memory per key, {keys} keys"))
                .of("all layers", move || figure.of::<Ours<true>>())
                .of("redis_rate", move || figure.of::<RedisRate>()),
        );
    }
    bench
}

fn in_one_process(bench: Bench) -> Bench {
    bench
        .row(
            Row::new("a decision in memory")
                .ours("by the processor's counter", |_size| {
                    memory::ours(MemoryStore::new())
                })
                .ours("by the system's clock", |_size| {
                    memory::ours(MemoryStore::with_clock(1_000, Instant::now))
                })
                .peer("governor", |_size| memory::governor()),
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
