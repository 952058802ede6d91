//! How fast this machine is.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use crate::statistics::median;
use crate::{Operation, each};

/// malloc and free of 64 bytes on the machine that absolute figures are stated for.
const REFERENCE_MALLOC_FREE_NS: f64 = 20.0;

const SAMPLES: usize = 31;
const MALLOCS: u64 = 20_000;
const ROUND_TRIPS: u64 = 200;
const SPINS: u64 = 20_000;

/// How fast this machine is: what three things cost that every program does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Calibration {
    /// malloc and free of 64 bytes, in ns.
    pub malloc_free_ns: f64,
    /// One byte to another thread and back over loopback TCP, in ns.
    pub tcp_round_trip_ns: f64,
    /// Sixteen rounds of mixing a word, each of which waits for the one before, in ns.
    pub spin_ns: f64,
    /// How much slower than the reference this machine is: `malloc_free_ns` by 20. A figure that
    /// is divided by it can be compared with the reference.
    pub scale: f64,
}

impl Calibration {
    /// Measures the machine for some hundred milliseconds.
    pub(crate) fn measure() -> io::Result<Self> {
        let (mut near, mut far) = connected()?;
        let echo = thread::spawn(move || {
            let mut byte = [0];
            while far.read_exact(&mut byte).is_ok() && far.write_all(&byte).is_ok() {}
        });
        let mut round_trip = move || {
            let mut byte = [7];
            near.write_all(&byte)
                .and_then(|()| near.read_exact(&mut byte))
        };
        round_trip()?;
        let tcp_round_trip_ns = nanos_each(ROUND_TRIPS, &mut each(round_trip));
        echo.join().expect("an echo does not panic");
        // After the other one, which has brought the processor up to its speed.
        let spin_ns = nanos_each(SPINS, &mut each(|| mix(black_box(1))));
        let malloc_free_ns = median_of(malloc_free_ns);
        Ok(Self {
            malloc_free_ns,
            tcp_round_trip_ns,
            spin_ns,
            scale: malloc_free_ns / REFERENCE_MALLOC_FREE_NS,
        })
    }
}

/// One look at the machine, to be taken in each round.
pub(crate) fn malloc_free_ns() -> f64 {
    nanos_of_one(MALLOCS, &mut each(|| Box::new([0_u64; 8])))
}

fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}

fn mix(word: u64) -> u64 {
    (0..16).fold(word, |word, round| {
        (word ^ (word >> 29))
            .wrapping_mul(0xBF58_476D_1CE4_E5B9)
            .wrapping_add(round)
    })
}

fn nanos_each(count: u64, operation: &mut impl Operation) -> f64 {
    median_of(|| nanos_of_one(count, operation))
}

fn median_of(mut sample: impl FnMut() -> f64) -> f64 {
    let samples: Vec<f64> = (0..SAMPLES).map(|_| sample()).collect();
    median(&samples)
}

fn nanos_of_one(count: u64, operation: &mut impl Operation) -> f64 {
    let began = Instant::now();
    operation.run(count);
    began.elapsed().as_secs_f64() * 1e9 / to_f64(count)
}

/// Exact up to 2^53, more operations than any slice has.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}
