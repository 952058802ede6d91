//! How the cost of a decision grows.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, io};

use bench::{Operation, batch};
use redis_ratelimit::{Check, Limiter, Policy};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::load::Load;
use crate::peers::ours::{limiter, policy};
use crate::stand::{Limits, Stand, Way, ask};

const WIDE: Load = Load::Wide(100_000);

/// Each of 64 tasks asks for so many limits at once; an operation is so many limits.
pub(crate) fn limits(limits: u64, layers: bool) -> impl Operation {
    let quota = WIDE.quota();
    let stand = Stand::new(async |url| {
        let policies: Vec<_> = (0..limits)
            .map(|nth| policy(&nth.to_string(), quota))
            .collect();
        let user = (limiter(url, layers), policies);
        check_all(&user.0, &user.1, u64::MAX).await;
        user
    });
    let mut asked = 0;
    batch(move |count| {
        // The whole of it: the server ends with this closure.
        let stand = &stand;
        let (limiter, policies) = &stand.user;
        let first = asked;
        asked += count;
        stand.runtime.block_on(async {
            let mut asking = JoinSet::new();
            for task in 0..64 {
                let (limiter, policies) = (limiter.clone(), policies.clone());
                asking.spawn(async move {
                    let mut nth = first + task;
                    while nth < first + count {
                        check_all(&limiter, &policies, WIDE.key(nth)).await;
                        nth += 64;
                    }
                });
            }
            asking.join_all().await;
        });
    })
}

async fn check_all(limiter: &Limiter, policies: &[Policy], key: u64) {
    let key = format!("user:{key}");
    let checks = policies.iter().map(|policy| Check::new(policy, &key));
    let checks: Result<Vec<_>, _> = checks.collect();
    let verdict = limiter.check_all(&checks.expect("a short key")).await;
    assert!(verdict.is_admitted(), "{verdict:?}");
}

/// The variable that says what this program is to be, and for which server.
const CLIENT_OF: &str = "BENCH_CLIENT_OF";

/// So many processes with 16 tasks each; an operation is one decision of each process.
///
/// They are this program again, in the part of a [client](is_client).
pub(crate) fn processes(name: &str, processes: u64) -> impl Operation {
    let server = testkit::Redis::start(&[]).expect("redis-server is installed");
    let role = format!("{name} {}", server.url());
    let mut clients: Vec<_> = (0..processes).map(|_| Client::start(&role)).collect();
    batch(move |count| {
        // The whole of it: the server ends with this closure.
        let _server = &server;
        for client in &mut clients {
            client.order(count);
        }
        for client in &mut clients {
            client.await_done();
        }
    })
}

/// Whether this process is a client and nothing else. If so it has done its work: the contender's,
/// whose name it was given, at the server's URL.
pub(crate) fn is_client(work: impl FnOnce(&str, &str)) -> bool {
    let role = env::var(CLIENT_OF).ok();
    let parts = role.as_deref().and_then(|role| role.rsplit_once(' '));
    parts.map(|(name, url)| work(name, url)).is_some()
}

/// Makes as many decisions as each line says, until there are no more.
pub(crate) fn obey<T: Limits>(url: &str) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let limits = runtime.block_on(T::open(url, [WIDE.quota(); 2]));
    // Not those of the other processes.
    let mut first = u64::from(std::process::id()) << 32;
    for line in io::stdin().lines() {
        let decisions: u64 = line.expect("a line").parse().expect("a number");
        let last = first + decisions;
        runtime.block_on(ask(&limits, WIDE, Way::Once, first..last, 16));
        first = last;
        println!("done");
    }
}

/// A process that ends with this value: its input does.
struct Client {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(role: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("a program"))
            .env(CLIENT_OF, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let orders = child.stdin.take();
        let answers = child.stdout.take().expect("it is piped");
        Self {
            child,
            orders,
            answers: BufReader::new(answers),
        }
    }

    fn order(&mut self, decisions: u64) {
        let orders = self.orders.as_mut().expect("only a drop closes it");
        writeln!(orders, "{decisions}").expect("it listens");
    }

    fn await_done(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("text");
        assert_eq!(line, "done\n");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It fails only for a process that has ended.
        let _ = self.child.wait();
    }
}
