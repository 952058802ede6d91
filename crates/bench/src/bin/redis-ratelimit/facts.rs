//! What a ratio of times does not show.

use std::time::{Duration, Instant};

use redis::{Connection, InfoDict};

use crate::clients::Clients;
use crate::load::{Load, Quota, SCARCE};
use crate::stand::{Limits, Stand, Way};

/// Units that all of the processes ask for together, four times as many as there are.
const ASKED: u64 = 4 * SCARCE as u64;

/// A figure of a limiter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure {
    /// Units beyond a limit of 1024 that 4 processes of 16 tasks are given, of 4096 they ask for.
    /// Each task waits for so long after each.
    Surplus(Duration),
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
            Self::Surplus(pause) => surplus::<T>(pause),
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

fn surplus<T: Limits>(pause: Duration) -> f64 {
    const PROCESSES: u64 = 4;
    let load = Load::Scarce(pause);
    let server = testkit::Redis::start(&[]).expect("redis-server is installed");
    let mut clients = Clients::start::<T>(PROCESSES, load, &server.url());
    let admitted = clients.ask(ASKED / PROCESSES);
    to_f64(admitted) - f64::from(SCARCE)
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
    (used() - before) / to_f64(keys)
}

#[expect(clippy::cast_precision_loss, reason = "there are not so many")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

fn connect(server: &testkit::Redis) -> Connection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}
