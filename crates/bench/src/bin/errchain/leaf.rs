//! One error, made and dropped.

use std::hint::black_box;

use bench::{Row, each};

use crate::io;

pub(crate) fn rows() -> [Row; 4] {
    [literal(), fields(), io_and_context(), code_and_json()]
}

fn literal() -> Row {
    #[derive(Debug, snafu::Snafu)]
    #[snafu(whatever, display("{message}"))]
    struct Whatever {
        message: String,
    }
    #[derive(Debug)]
    struct Leaf;
    impl std::fmt::Display for Leaf {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("user not found")
        }
    }
    impl std::error::Error for Leaf {}

    Row::new("a literal with file and line")
        .ours("errchain", |_| each(|| errchain::err!("user not found")))
        .peer("anyhow, no line", |_| {
            each(|| anyhow::anyhow!("user not found"))
        })
        .peer("eyre", |_| each(|| eyre::eyre!("user not found")))
        .peer("error-stack", |_| each(|| error_stack::Report::new(Leaf)))
        .peer("snafu, no line", |_| {
            each(|| -> Result<(), Whatever> { snafu::whatever!("user not found") })
        })
        .peer("rootcause", |_| {
            each(|| rootcause::report!("user not found"))
        })
        .peer("exn", |_| each(|| exn::Exn::new(Leaf)))
        .peer("ohno", |_| each(|| ohno::app_err!("user not found")))
}

/// Three values travel with an error.
fn fields() -> Row {
    let values = || black_box((7_u64, "acme", 0.5_f64));
    Row::new("three fields")
        .ours("errchain, typed", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                errchain::err!("no user")
                    .with("id", id)
                    .with("tenant", tenant)
                    .with("ratio", ratio)
            })
        })
        .peer("anyhow, text", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                anyhow::anyhow!("no user: id={id} tenant={tenant} ratio={ratio}")
            })
        })
        .peer("eyre, text", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                eyre::eyre!("no user: id={id} tenant={tenant} ratio={ratio}")
            })
        })
        .peer("error-stack, typed", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                let report = error_stack::Report::new(std::fmt::Error);
                report
                    .attach_opaque(id)
                    .attach_opaque(tenant)
                    .attach_opaque(ratio)
            })
        })
        .peer("rootcause, typed", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                rootcause::report!("no user")
                    .attach(id)
                    .attach(tenant)
                    .attach(ratio)
            })
        })
        .peer("ohno, text", move |_| {
            each(move || {
                let (id, tenant, ratio) = values();
                ohno::app_err!("no user: id={id} tenant={tenant} ratio={ratio}")
            })
        })
}

fn io_and_context() -> Row {
    Row::new("an I/O error and a context")
        .ours("errchain", |_| {
            use errchain::Context as _;
            each(|| io().context("reading the file"))
        })
        .peer("anyhow, no line", |_| {
            use anyhow::Context as _;
            each(|| io().context("reading the file"))
        })
        .peer("eyre", |_| {
            use eyre::WrapErr as _;
            each(|| io().wrap_err("reading the file"))
        })
        .peer("error-stack", |_| {
            use error_stack::ResultExt as _;
            each(|| io().change_context(std::fmt::Error))
        })
        .peer("rootcause", |_| {
            use rootcause::prelude::ResultExt as _;
            each(|| io().context("reading the file"))
        })
        .peer("exn", |_| {
            use exn::ResultExt as _;
            each(|| io().or_raise(|| std::fmt::Error))
        })
        .peer("ohno", |_| {
            use ohno::IntoAppError as _;
            each(|| io().into_app_err("reading the file"))
        })
}

fn code_and_json() -> Row {
    errchain::code!(CODE: "user", "NOT_FOUND", errchain::Kind::NotFound, "User not found");
    let ours = || {
        errchain::err!(CODE, "no row")
            .context("loading the user")
            .context("handling the request")
            .with("id", 7)
            .with("tenant", "acme")
            .public("ratio", 0.5)
            .hop()
    };
    let theirs = || {
        anyhow::anyhow!("no row")
            .context("loading the user")
            .context("handling the request")
    };
    Row::new("JSON of three levels and three fields")
        .ours("errchain, with places", move |_| {
            let error = ours();
            each(move || error.report().json().to_string())
        })
        .peer("anyhow, by hand with serde_json", move |_| {
            let error = theirs();
            each(move || {
                let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
                let fields = serde_json::json!({ "id": 7, "tenant": "acme", "ratio": 0.5 });
                serde_json::json!({
                    "message": error.to_string(),
                    "code": "user/NOT_FOUND",
                    "chain": chain,
                    "fields": fields,
                })
                .to_string()
            })
        })
        .peer("error-stack, its own serde", |_| {
            let report = error_stack::Report::new(std::fmt::Error)
                .attach("id: 7")
                .attach("tenant: acme")
                .attach("ratio: 0.5")
                .change_context(std::fmt::Error)
                .change_context(std::fmt::Error);
            each(move || serde_json::to_string(&report))
        })
}
