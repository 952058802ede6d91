//! A burst of jobs that wait, thrown at an idle pool: look at how many workers come, and go again.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use elastic_pool::{JobGroup, Shutdown, blocking};

const JOBS: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = blocking::Pool::builder()
        .workers(0..=64)
        .idle_timeout(Duration::from_millis(200))
        .build()?;
    let began = Instant::now();
    let mut group = JobGroup::new();
    for _ in 0..JOBS {
        group.add(
            pool.submit(|| thread::sleep(Duration::from_millis(1)))
                .await?,
        );
    }
    println!("submitted {JOBS} jobs of 1 ms in {:?}", began.elapsed());
    while group.next().await.transpose()?.is_some() {}
    let metrics = pool.metrics();
    println!(
        "all done after {:?} by {} workers",
        began.elapsed(),
        metrics.workers
    );
    for share in [0.5, 0.99] {
        let (wait, run) = (metrics.wait.quantile(share), metrics.run.quantile(share));
        println!("{share}: waited for {wait:?} at most, ran for {run:?} at most");
    }
    let report = pool.shutdown(Shutdown::Drain(Duration::from_secs(5))).await;
    println!(
        "{} completed, clean: {}",
        report.completed,
        report.is_clean()
    );
    Ok(())
}
