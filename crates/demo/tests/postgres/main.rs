//! What the service promises on PostgreSQL, also when PostgreSQL is slow, away or lost.

#[path = "../conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use demo::api::router;
use demo::store::{PostgresStore, UserStore};
use redis_ratelimit::{Limiter, RateLimitLayer};
use sqlx::{Connection, PgConnection};
use testkit::{Link, Proxy, Schema, wait_for};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

/// Longer than the store may let anybody wait, and a bound on hanging.
const BOUND: Duration = Duration::from_mins(1);

const LOCK: &str = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE";

conformance::conformance!(with_postgres, ignore = "needs postgres");

async fn with_postgres(promise: impl AsyncFn(&dyn UserStore)) {
    let schema = testkit::postgres(None);
    let store = connect(schema.url()).await;
    promise(&store).await;
    store.close().await;
}

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url)
        .await
        .expect("the server answers")
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn two_instances_that_start_at_once_both_find_their_tables() {
    let schema = testkit::postgres(None);
    let (one, two) = tokio::join!(connect(schema.url()), connect(schema.url()));
    let ada = conformance::user("ada@example.com");
    one.insert(&ada).await.expect("free");
    assert_eq!(two.get(ada.id).await.expect("stored by the other"), ada);
    one.close().await;
    two.close().await;
}

/// The service with a proxy between it and the database.
struct Service {
    routes: Router,
    proxy: Proxy,
    store: PostgresStore,
    schema: Schema,
}

impl Service {
    async fn start() -> Self {
        let schema = testkit::postgres(None);
        let (proxy, url) = Proxy::before(schema.url()).expect("a free port");
        let store = connect(&url).await;
        let metrics = demo::telemetry::metrics();
        let routes = router(
            Arc::new(store.clone()),
            demo::Pools::start().expect("the system has threads"),
            RateLimitLayer::new(Limiter::memory()),
            metrics,
        );
        Self {
            routes,
            proxy,
            store,
            schema,
        }
    }

    async fn get(&self, path: &str) -> StatusCode {
        get(self.routes.clone(), path).await.status()
    }

    /// Asks as often at a time as the pool has connections, so that each one is opened and used.
    async fn all_connections_work(&self) -> Result<(), Vec<StatusCode>> {
        let mut requests = JoinSet::new();
        for _ in 0..10 {
            let routes = self.routes.clone();
            requests.spawn(async move { get(routes, "/users").await.status() });
        }
        let statuses = requests.join_all().await;
        if statuses.iter().all(StatusCode::is_success) {
            Ok(())
        } else {
            Err(statuses)
        }
    }

    async fn warm_up(&self) {
        self.all_connections_work()
            .await
            .expect("the server answers");
    }

    async fn connect_past_the_proxy(&self) -> PgConnection {
        let connecting = PgConnection::connect(self.schema.url());
        connecting.await.expect("the server answers")
    }

    async fn end(self) {
        self.store.close().await;
    }
}

async fn get(routes: Router, path: &str) -> Response<Body> {
    let request = Request::get(path).body(Body::empty()).expect("well formed");
    let response = timeout(BOUND, routes.oneshot(request)).await;
    response.expect("an answer in time").expect("infallible")
}

fn is_clear_about_it(response: &Response<Body>) -> bool {
    response.status() == StatusCode::SERVICE_UNAVAILABLE
        && response.headers()["content-type"] == "application/problem+json"
        && response.headers().contains_key("retry-after")
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_database_that_goes_away_and_comes_back_costs_only_the_time_between() {
    let service = Service::start().await;
    for away in [Link::Reset, Link::Fin, Link::Blackhole] {
        service.warm_up().await;
        service.proxy.set(away);
        for path in ["/users", "/health/ready"] {
            let response = get(service.routes.clone(), path).await;
            assert!(is_clear_about_it(&response), "{away:?}: {response:?}");
        }
        assert_eq!(service.get("/health/live").await, StatusCode::OK);

        service.proxy.set(Link::Pass);
        let back = async || service.get("/users").await.is_success();
        wait_for(back, BOUND).await;
        assert_eq!(service.get("/health/ready").await, StatusCode::OK);
    }
    service.end().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn connections_that_the_network_has_lost_are_replaced() {
    let service = Service::start().await;
    service.warm_up().await;
    let before = service.proxy.accepted();
    service.proxy.orphan();
    wait_for(async || service.all_connections_work().await, BOUND).await;
    assert!(service.proxy.accepted() > before);
    service.end().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn requests_that_are_given_up_on_do_not_use_up_the_pool() {
    let service = Service::start().await;
    service.warm_up().await;
    let mut other = service.connect_past_the_proxy().await;
    let mut lock = other.begin().await.expect("a transaction");
    sqlx::query(LOCK)
        .execute(&mut *lock)
        .await
        .expect("nobody else holds it");

    let mut abandoned = JoinSet::new();
    for _ in 0..10 {
        let routes = service.routes.clone();
        abandoned.spawn(async move { get(routes, "/users").await.status() });
    }
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass";
    let all_wait = async || {
        let waiting: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut *lock)
            .await
            .expect("open");
        if waiting == 10 { Ok(()) } else { Err(waiting) }
    };
    wait_for(all_wait, BOUND).await;
    service.proxy.orphan();
    abandoned.shutdown().await;
    lock.rollback().await.expect("the server answers");

    wait_for(async || service.all_connections_work().await, BOUND).await;
    service.end().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_statement_that_waits_for_a_lock_is_given_up_on_in_time() {
    let service = Service::start().await;
    let mut other = service.connect_past_the_proxy().await;
    let mut lock = other.begin().await.expect("a transaction");
    sqlx::query(LOCK)
        .execute(&mut *lock)
        .await
        .expect("nobody else holds it");

    let asked = Instant::now();
    let response = get(service.routes.clone(), "/users").await;
    assert!(is_clear_about_it(&response), "{response:?}");
    assert!(asked.elapsed() < BOUND / 2, "{:?}", asked.elapsed());

    lock.rollback().await.expect("the server answers");
    assert_eq!(service.get("/users").await, StatusCode::OK);
    service.end().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn imports_of_the_same_addresses_at_once_do_not_block_each_other() {
    let schema = testkit::postgres(None);
    let store = connect(schema.url()).await;
    let mut imports = JoinSet::new();
    for import in 0..4 {
        // The same addresses, each time in another order.
        let addresses = (0..4_000_usize).map(|n| (n * 1_999 + import * 977) % 4_000);
        let users: Vec<_> = addresses
            .map(|n| conformance::user(&format!("u{n}@example.com")))
            .collect();
        let store = store.clone();
        imports.spawn(async move {
            let mut stored = 0;
            for batch in users.chunks(500) {
                stored += store.insert_free(batch).await?.len();
            }
            Ok::<_, errchain::Error>(stored)
        });
    }
    let stored: Result<Vec<_>, _> = imports.join_all().await.into_iter().collect();
    assert_eq!(stored.expect("no deadlock").iter().sum::<usize>(), 4_000);
    store.close().await;
}
