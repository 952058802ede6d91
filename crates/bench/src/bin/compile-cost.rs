//! What twenty members cost before the first request: seconds of the compiler and bytes of the
//! program, as a chain and as a `ServiceBuilder`.
//!
//! `cargo run --release --bin compile-cost`, in this folder. It writes programs with none and with
//! twenty members, each of a type of its own, into `target/compile-cost` and has cargo build them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const MEMBERS: usize = 20;
/// The quickest counts: what else the machine does only makes one slower.
const TRIES: usize = 3;

const MANIFEST: &str = r#"[package]
name = "compile-cost"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
bytes = "1"
http = "1"
http-body-util = "0.1"
middleware-chain = { path = "MIDDLEWARE_CHAIN" }
pin-project-lite = "0.2"
tower = { version = "0.5", default-features = false, features = ["util"] }

[profile.release]
strip = true
"#;

/// A service, and a call of what stands around it.
const COMMON: &str = r"
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, ServiceBuilder};
use middleware_chain::{Chain, Exchange, Next, Result as Outcome};

#[derive(Clone)]
struct Hello;

impl<B> Service<Request<B>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Full::default())))
    }
}

fn ask<S: Service<Request<Empty<Bytes>>, Error = Infallible>>(mut service: S) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let answering = pin!(service.call(Request::new(Empty::new())));
    assert!(answering.poll(&mut cx).is_ready());
}
";

/// One member each way. `NTH` is its number.
const FUNCTION: &str = r"
async fn memberNTH(cx: &mut Exchange, next: Next<'_>) -> Outcome {
    black_box((NTH, cx.request()));
    let done = next.run(cx).await?;
    black_box((NTH, cx.response()));
    Ok(done)
}
";

const LAYER: &str = r"
#[derive(Clone)]
struct LayerNTH;
#[derive(Clone)]
struct ServiceNTH<S>(S);

impl<S> Layer<S> for LayerNTH {
    type Service = ServiceNTH<S>;

    fn layer(&self, inner: S) -> ServiceNTH<S> {
        ServiceNTH(inner)
    }
}

impl<S: Service<Request<B>, Response = Response<R>>, B, R> Service<Request<B>> for ServiceNTH<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = FutureNTH<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box((NTH, &request));
        FutureNTH { inner: self.0.call(request) }
    }
}

pin_project_lite::pin_project! {
    struct FutureNTH<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for FutureNTH<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = std::task::ready!(self.project().inner.poll(cx));
        black_box((NTH, &response));
        Poll::Ready(response)
    }
}
";

/// How to put members together.
struct Way {
    name: &'static str,
    member: &'static str,
    /// The composition, with each member between these.
    begin: &'static str,
    add: &'static str,
    end: &'static str,
}

const WAYS: [Way; 2] = [
    Way {
        name: "chain",
        member: FUNCTION,
        begin: "Chain::builder()",
        add: ".with(memberNTH)",
        end: ".build().unwrap().layer(Hello)",
    },
    Way {
        name: "service-builder",
        member: LAYER,
        begin: "ServiceBuilder::new()",
        add: ".layer(LayerNTH)",
        end: ".service(Hello)",
    },
];

impl Way {
    fn program(&self, members: usize) -> String {
        let each = |text: &str| -> String {
            let nth = |nth: usize| text.replace("NTH", &nth.to_string());
            (0..members).map(nth).collect()
        };
        let (begin, added, end) = (self.begin, each(self.add), self.end);
        let declared = each(self.member);
        format!(
            "#![allow(unused_imports)]\n{COMMON}{declared}\nfn main() {{\n    ask({begin}{added}{end});\n}}\n"
        )
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let project = project()?;
    println!("{MEMBERS} members: what they add, the quickest of {TRIES} builds");
    println!("  {:<16} {:>9} {:>15}", "", "debug s", "release bytes");
    for way in WAYS {
        let (none, none_bytes) = cost(&project, &way, 0)?;
        let (all, all_bytes) = cost(&project, &way, MEMBERS)?;
        let seconds = all.as_secs_f64() - none.as_secs_f64();
        let bytes = i128::from(all_bytes) - i128::from(none_bytes);
        println!("  {:<16} {seconds:>9.2} {bytes:>15}", way.name);
    }
    Ok(())
}

fn project() -> Result<PathBuf, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("no target folder")?;
    let project = target.join("compile-cost");
    fs::create_dir_all(project.join("src/bin"))?;
    let chain = here.join("../middleware-chain");
    let chain = chain.to_str().ok_or("a path that is not UTF-8")?;
    let manifest = MANIFEST.replace("MIDDLEWARE_CHAIN", chain);
    fs::write(project.join("Cargo.toml"), manifest)?;
    // The versions that all benchmarks are built with.
    fs::copy(here.join("Cargo.lock"), project.join("Cargo.lock"))?;
    Ok(project)
}

/// Time of a debug build of the program alone, and the size of a release build.
fn cost(project: &Path, way: &Way, members: usize) -> Result<(Duration, u64), Box<dyn Error>> {
    let name = format!("{}-{members}", way.name);
    let source = project.join(format!("src/bin/{name}.rs"));
    let program = way.program(members);
    fs::write(&source, &program)?;
    build(project, &name, &[])?;
    let mut quickest = Duration::MAX;
    for nth in 0..TRIES {
        // Cargo looks at the content's time: another one each time.
        fs::write(&source, format!("{program}// {nth}\n"))?;
        let began = Instant::now();
        build(project, &name, &[])?;
        quickest = quickest.min(began.elapsed());
    }
    build(project, &name, &["--release"])?;
    let file = project.join("target/release").join(&name);
    Ok((quickest, fs::metadata(file)?.len()))
}

fn build(project: &Path, name: &str, more: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--bin", name])
        .args(more)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env("CARGO_INCREMENTAL", "0");
    if cargo.status()?.success() {
        Ok(())
    } else {
        Err(format!("{name} does not compile").into())
    }
}
