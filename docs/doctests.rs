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
    work_tests: "src/work/tests.md",
    work_benchmarks: "src/work/benchmarks.md",
}
