//! Any mix of operations, beside a model that is too simple to be wrong.

use errchain::{Code, CodeRef, Context, Error, Kind, StdError, code};
use proptest::prelude::*;

code!(RED: "model", "RED", Kind::NotFound, "Red");
code!(BLUE: "model", "BLUE", Kind::Internal, "Blue");

#[derive(Debug, Clone)]
enum Op {
    Context(&'static str),
    OwnedContext(String),
    Field(&'static str, u64),
    TextField(&'static str, String),
    Public(&'static str, i64),
    Hop,
    Code(&'static Code),
    OutAndBack,
    BoxAndBack,
    ThroughAResult,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = prop::sample::select(vec!["a", "b", "c"]);
    let op = prop_oneof![
        3 => prop::sample::select(vec!["one", "two"]).prop_map(Op::Context),
        3 => ".{0,8}".prop_map(Op::OwnedContext),
        3 => (key.clone(), any::<u64>()).prop_map(|(key, value)| Op::Field(key, value)),
        2 => (key.clone(), ".{0,8}").prop_map(|(key, value)| Op::TextField(key, value)),
        2 => (key, any::<i64>()).prop_map(|(key, value)| Op::Public(key, value)),
        6 => Just(Op::Hop),
        2 => prop::sample::select(vec![&RED, &BLUE]).prop_map(Op::Code),
        1 => Just(Op::OutAndBack),
        1 => Just(Op::BoxAndBack),
        1 => Just(Op::ThroughAResult),
    ];
    // Enough for the node's block and three behind it.
    prop::collection::vec(op, 0..60)
}

#[derive(Default)]
struct Model {
    levels: Vec<String>,
    fields: Vec<(String, String, bool)>,
    hops: usize,
    codes: Vec<&'static Code>,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Context(text) => self.levels.push((*text).to_owned()),
            Op::OwnedContext(text) => self.levels.push(text.clone()),
            Op::Field(key, value) => self.field(key, value, false),
            Op::TextField(key, value) => self.field(key, value, false),
            Op::Public(key, value) => self.field(key, value, true),
            Op::Hop => self.hops += 1,
            Op::Code(code) => self.codes.push(code),
            Op::OutAndBack | Op::BoxAndBack => {}
            Op::ThroughAResult => {
                self.levels.push("result".to_owned());
                self.hops += 1;
            }
        }
    }

    fn field(&mut self, key: &str, value: &dyn ToString, is_public: bool) {
        self.fields
            .push((key.to_owned(), value.to_string(), is_public));
    }
}

fn apply(error: Error, op: Op) -> Error {
    match op {
        Op::Context(text) => error.context(text),
        Op::OwnedContext(text) => error.context(|| text),
        Op::Field(key, value) => error.with(key, value),
        Op::TextField(key, value) => error.with(key, value),
        Op::Public(key, value) => error.public(key, value),
        Op::Hop => error.hop(),
        Op::Code(code) => error.with_code(code),
        Op::OutAndBack => Error::from(StdError::from(error)),
        Op::BoxAndBack => Error::from_boxed(error.into()),
        Op::ThroughAResult => {
            let result: Result<(), _> = Err(error);
            result.context("result").hop().expect_err("it is one")
        }
    }
}

/// Roots of every kind: static, text, by value, boxed.
fn root(kind: u8) -> Error {
    match kind {
        0 => errchain::err!("root"),
        1 => Error::msg("root"),
        2 => Error::new(std::io::Error::other("root")),
        _ => Error::from_boxed("root".into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn order_and_values_survive_any_mix_of_operations(kind in 0..4_u8, ops in ops()) {
        let mut model = Model::default();
        let mut error = root(kind);
        for op in ops {
            model.apply(&op);
            error = apply(error, op);
        }

        let mut levels: Vec<_> = error.chain().map(ToString::to_string).collect();
        let root = levels.pop();
        prop_assert_eq!(root.as_deref(), Some("root"));
        levels.reverse();
        prop_assert_eq!(levels, model.levels);
        let fields: Vec<_> = error
            .fields()
            .map(|field| (field.key().to_owned(), field.value().to_string(), field.is_public()))
            .collect();
        prop_assert_eq!(fields, model.fields);
        prop_assert_eq!(error.hops().count(), model.hops);
        let code = model.codes.last().map(|code| code.reason());
        prop_assert_eq!(error.code().map(CodeRef::reason), code);
        for code in [&RED, &BLUE] {
            prop_assert_eq!(error.is(code), model.codes.contains(&code));
        }
    }
}
