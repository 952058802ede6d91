//! Every chapter of the book, so that `cargo test --doc` compiles and runs its samples.

#![cfg(doctest)]

macro_rules! chapters {
    ($($name:ident: $path:literal,)*) => {$(
        #[doc = include_str!($path)]
        mod $name {}
    )*};
}

chapters! {
    start: "src/start.md",
    demo_run: "src/demo/run.md",
    demo_http: "src/demo/http.md",
    demo_failure: "src/demo/failure.md",
    demo_server: "src/demo/server.md",
    ratelimit_choose: "src/ratelimit/choose.md",
    ratelimit_several: "src/ratelimit/several.md",
    ratelimit_http: "src/ratelimit/http.md",
    ratelimit_cluster: "src/ratelimit/cluster.md",
    ratelimit_failure: "src/ratelimit/failure.md",
    ratelimit_operations: "src/ratelimit/operations.md",
    ratelimit_from_go: "src/ratelimit/from-go.md",
    errchain_why: "src/errchain/why.md",
    errchain_quick_start: "src/errchain/quick-start.md",
    errchain_codes: "src/errchain/codes.md",
    errchain_traces: "src/errchain/traces.md",
    errchain_redaction: "src/errchain/redaction.md",
    errchain_reports: "src/errchain/reports.md",
    errchain_from_anyhow: "src/errchain/from-anyhow.md",
    errchain_from_go: "src/errchain/from-go.md",
    errchain_failure: "src/errchain/failure.md",
    ctxsvc_context: "src/ctxsvc/context.md",
    ctxsvc_database: "src/ctxsvc/database.md",
    ctxsvc_headers: "src/ctxsvc/headers.md",
    ctxsvc_repository: "src/ctxsvc/repository.md",
    ctxsvc_freshness: "src/ctxsvc/freshness.md",
    ctxsvc_failure: "src/ctxsvc/failure.md",
    ctxsvc_operations: "src/ctxsvc/operations.md",
    ctxsvc_from_go: "src/ctxsvc/from-go.md",
    middleware_chain_write: "src/middleware-chain/write.md",
    middleware_chain_order: "src/middleware-chain/order.md",
    middleware_chain_observing: "src/middleware-chain/observing.md",
    middleware_chain_errors: "src/middleware-chain/errors.md",
    middleware_chain_timeouts: "src/middleware-chain/timeouts.md",
    middleware_chain_servers: "src/middleware-chain/servers.md",
    middleware_chain_failure: "src/middleware-chain/failure.md",
    middleware_chain_from_go: "src/middleware-chain/from-go.md",
    elastic_pool_sizing: "src/elastic-pool/sizing.md",
    elastic_pool_tasks: "src/elastic-pool/tasks.md",
    elastic_pool_overload: "src/elastic-pool/overload.md",
    elastic_pool_shutdown: "src/elastic-pool/shutdown.md",
    elastic_pool_observing: "src/elastic-pool/observing.md",
    elastic_pool_failure: "src/elastic-pool/failure.md",
    elastic_pool_from_go: "src/elastic-pool/from-go.md",
    elastic_pool_suites: "src/elastic-pool/suites.md",
    work_tests: "src/work/tests.md",
    work_benchmarks: "src/work/benchmarks.md",
}
