//! Sizes and auto traits.

use std::panic::{RefUnwindSafe, UnwindSafe};

use errchain::{Code, Error, Field, Fields, Result, StdError, Value};

const WORD: usize = size_of::<usize>();

#[test]
fn an_error_is_one_word_and_its_result_is_no_larger() {
    assert_eq!(size_of::<Error>(), WORD);
    assert_eq!(size_of::<StdError>(), WORD);
    assert_eq!(size_of::<Result<()>>(), WORD);
    assert_eq!(size_of::<Option<Error>>(), WORD);
    assert_eq!(size_of::<Result<u64>>(), 8 + WORD);
}

#[test]
fn errors_cross_threads_and_unwinding() {
    fn holds<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    fn crosses<T: Send + Sync + Unpin>() {}
    holds::<Error>();
    holds::<StdError>();
    holds::<Code>();
    crosses::<Field>();
    crosses::<Value>();
    crosses::<Fields<'static>>();
}
