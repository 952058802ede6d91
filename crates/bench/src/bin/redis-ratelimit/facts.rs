//! What a ratio of times does not show.

use std::time::Instant;

use redis::{Connection, InfoDict};
use tokio::task::JoinSet;

use crate::load::{Load, Quota};
use crate::stand::{Limits, Stand, Way};

/// A figure of a limiter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure {
    /// Units beyond a limit of 1024 that 64 tasks with 4 limiters are given, of 4096 they ask for.
    Surplus,
    /// Units of a limit of 1024 that were taken by requests which a limit of 8 denied.
    Wasted,
    /// The median of a decision of one task, in microseconds.
    MedianMicros,
    /// Processor time of Redis in microseconds per decision of 64 tasks.
    RedisMicros,
    /// Bytes to and from Redis per decision of 64 tasks.
    WireBytes,
    /// Bytes of Redis per key, of so many keys.
    KeyBytes(u64),
}

impl Figure {
    pub(crate) fn of<T: Limits>(self) -> f64 {
        let figure = match self {
            Self::Surplus => surplus::<T>(),
            Self::Wasted => wasted::<T>(),
            Self::MedianMicros => median_micros::<T>(),
            Self::RedisMicros => {
                let (seconds, _) = of_redis::<T>();
                seconds * 1e6
            }
            Self::WireBytes => {
                let (_, bytes) = of_redis::<T>();
                bytes
            }
            Self::KeyBytes(keys) => key_bytes::<T>(keys),
        };
        (figure * 10.0).round() / 10.0
    }
}

fn surplus<T: Limits>() -> f64 {
    let quotas = [Quota::per_day(1_024); 2];
    let stand = Stand::new(async |url| {
        let mut limiters = Vec::new();
        for _ in 0..4 {
            limiters.push(T::open(url, quotas).await);
        }
        limiters
    });
    let admitted = stand.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..64 {
            let limiter = stand.user[task % 4].clone();
            tasks.spawn(async move {
                let mut admitted = 0_u32;
                for _ in 0..64 {
                    admitted += u32::from(limiter.clone().once(0).await);
                }
                admitted
            });
        }
        tasks.join_all().await.into_iter().sum::<u32>()
    });
    f64::from(admitted) - 1_024.0
}

fn wasted<T: Limits>() -> f64 {
    let stand = Stand::<T>::open([Quota::per_day(1_024), Quota::per_day(8)]);
    stand.runtime.block_on(async {
        let mut admitted = 0_u32;
        for _ in 0..256 {
            admitted += u32::from(stand.user.clone().twice(0).await);
        }
        let mut left = 0_u32;
        while stand.user.clone().once(0).await {
            left += 1;
        }
        1_024.0 - f64::from(admitted) - f64::from(left)
    })
}

fn median_micros<T: Limits>() -> f64 {
    const DECISIONS: u32 = 20_000;
    let load = Load::Wide(100_000);
    let stand = Stand::<T>::open([load.quota(); 2]);
    stand.ask(load, Way::Once, 1_000, 1);
    let mut micros: Vec<f64> = stand.runtime.block_on(async {
        let mut micros = Vec::new();
        for nth in 0..DECISIONS {
            let began = Instant::now();
            stand.user.clone().once(load.key(nth.into())).await;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        micros
    });
    micros.sort_by(f64::total_cmp);
    micros[micros.len() / 2]
}

/// Seconds of its processor, and bytes that it has read and written, per decision.
fn of_redis<T: Limits>() -> (f64, f64) {
    const DECISIONS: u32 = 200_000;
    let load = Load::Wide(100_000);
    let stand = Stand::<T>::open([load.quota(); 2]);
    stand.ask(load, Way::Once, 10_000, 64);
    let mut connection = connect(&stand.server);
    let before = spent(&mut connection);
    stand.ask(load, Way::Once, DECISIONS.into(), 64);
    let after = spent(&mut connection);
    let each = |before: f64, after: f64| (after - before) / f64::from(DECISIONS);
    (each(before.0, after.0), each(before.1, after.1))
}

fn spent(connection: &mut Connection) -> (f64, f64) {
    let info: InfoDict = redis::cmd("INFO").query(connection).expect("an answer");
    let sum = |names: [&str; 2]| {
        let figures = names.map(|name| info.get::<f64>(name).expect("a figure"));
        figures[0] + figures[1]
    };
    (
        sum(["used_cpu_user", "used_cpu_sys"]),
        sum(["total_net_input_bytes", "total_net_output_bytes"]),
    )
}

fn key_bytes<T: Limits>(keys: u64) -> f64 {
    let load = Load::Kept(keys);
    let stand = Stand::<T>::open([load.quota(); 2]);
    let mut connection = connect(&stand.server);
    let mut used = || {
        let info: InfoDict = redis::cmd("INFO")
            .query(&mut connection)
            .expect("an answer");
        info.get::<f64>("used_memory").expect("a figure")
    };
    let before = used();
    stand.ask(load, Way::Once, keys, 64);
    #[expect(clippy::cast_precision_loss, reason = "there are not so many keys")]
    let keys = keys as f64;
    (used() - before) / keys
}

fn connect(server: &testkit::Redis) -> Connection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}
