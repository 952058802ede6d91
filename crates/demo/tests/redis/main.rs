//! What instances share through Redis: limits, and users.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use demo::store::{CachedStore, SqliteStore, UserStore};
use demo::user::{Draft, Email, Name, User};
use demo::{App, Args};
use testkit::{Redis, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// An instance that admits two requests a minute from an address.
async fn instance(redis: &Redis) -> App {
    let url = redis.url();
    let args = ["demo", "--memory", "--port", "0", "--redis-url", &url];
    let args = Args::parse_from(args.into_iter().chain(["--per-address", "2"]));
    App::start(&args).await.expect("Redis answers")
}

async fn get(instance: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(instance).await.expect("listening");
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("UTF-8");
    answer
}

fn is_denied(answer: &str) -> bool {
    answer.to_lowercase().starts_with("http/1.1 429 ")
}

/// Serves while `promise` is looked at, with an address for each instance.
async fn with_two_instances(redis: &Redis, promise: impl AsyncFnOnce([String; 2])) {
    let stop = CancellationToken::new();
    let (one, two) = (instance(redis).await, instance(redis).await);
    let addresses = [&one, &two].map(|app| app.addr().to_string());
    let serving = async { tokio::join!(one.run(stop.clone()), two.run(stop.clone())) };
    let looking = async {
        promise(addresses).await;
        stop.cancel();
    };
    tokio::join!(serving, looking);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn two_instances_share_one_limit() {
    let redis = Redis::start(&[]).expect("redis-server is installed");
    with_two_instances(&redis, async |[one, two]| {
        assert!(!is_denied(&get(&one, "/users").await));
        assert!(!is_denied(&get(&two, "/users").await));
        for instance in [&one, &two] {
            let answer = get(instance, "/users").await.to_lowercase();
            assert!(is_denied(&answer), "{answer}");
            assert!(answer.contains("retry-after: "), "{answer}");
            assert!(answer.contains("ratelimit: \"address\";r=0;t="), "{answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
            assert!(get(instance, "/health/ready").await.contains(" 200 "));
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis"]
async fn without_redis_an_instance_goes_on_with_the_limit_that_it_knows() {
    let mut redis = Redis::start(&[]).expect("redis-server is installed");
    let stop = CancellationToken::new();
    let app = instance(&redis).await;
    let address = app.addr().to_string();
    let serving = app.run(stop.clone());
    let looking = async {
        assert!(!is_denied(&get(&address, "/users").await));
        redis.kill9();
        assert!(!is_denied(&get(&address, "/users").await));
        assert!(is_denied(&get(&address, "/users").await));
        assert!(get(&address, "/health/ready").await.contains(" 200 "));
        let metrics = get(&address, "/metrics").await;
        assert!(metrics.contains("ratelimit_faults_total"), "{metrics}");
        stop.cancel();
    };
    tokio::join!(serving, looking);
}

fn draft(name: &str) -> Draft {
    Draft {
        email: Email::parse("ada@example.com").expect("an address"),
        name: Name::parse(name).expect("a name"),
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn an_update_by_one_instance_is_seen_by_another_one_that_remembers_the_user() {
    let redis = Redis::start(&[]).expect("redis-server is installed");
    let store = SqliteStore::in_memory().await.expect("memory");
    let store: Arc<dyn UserStore> = Arc::new(store);
    let instance = || {
        let level = ctxsvc::Redis::open(&redis.url()).expect("a URL");
        CachedStore::shared(Arc::clone(&store), level)
    };
    let (one, two) = (instance(), instance());
    let user = User::new(draft("Ada"));
    one.insert(&user).await.expect("inserted");
    for nth in 1..20 {
        let name = format!("Ada {nth}");
        // Both have read it before.
        for instance in [&one, &two] {
            instance.get(user.id).await.expect("it exists");
        }
        let written = one
            .update(user.id, None, &draft(&name))
            .await
            .expect("updated");
        assert_eq!(one.get(user.id).await.expect("it exists"), written);
        let sees = async || {
            let seen = two.get(user.id).await.expect("it exists");
            if seen == written { Ok(()) } else { Err(seen) }
        };
        wait_for(sees, Duration::from_secs(10)).await;
    }
    one.delete(user.id, None).await.expect("deleted");
    wait_for(
        async || two.get(user.id).await.is_err(),
        Duration::from_secs(10),
    )
    .await;
}
