//! An error as an event of `tracing`.

use alloc::string::{String, ToString};

use tracing::{Level, event};

use crate::fixed::is_made_here;
use crate::{Audience, Error};

impl Error {
    /// Emits the error as an event with the attribute names of OpenTelemetry's conventions.
    ///
    /// | attribute | value |
    /// |---|---|
    /// | `error.type` | the code, or else the kind: few values, fit to group and count by |
    /// | `error.retryable` | whether trying again may help |
    /// | `error.fields` | the fields as a JSON array, typed and in order; `{"is_cut":true}` ends one that was cut |
    /// | `exception.type` | the type that the error was made from, `errchain::Error` for a text or a code |
    /// | `exception.message` | the chain in one line |
    /// | `exception.stacktrace` | the operator's report: levels, fields, hops, stack |
    ///
    /// Nothing is formatted if nobody listens.
    ///
    /// # Examples
    ///
    /// ```
    /// use errchain::err;
    /// use tracing::Level;
    ///
    /// err!("out of ink"; pages = 3).emit(Level::WARN);
    /// ```
    pub fn emit(&self, level: Level) {
        // The level of an event is a constant of its place in the program.
        match level {
            Level::ERROR => self.emit_error(),
            Level::WARN => self.emit_warn(),
            Level::INFO => self.emit_info(),
            Level::DEBUG => self.emit_debug(),
            Level::TRACE => self.emit_trace(),
        }
    }

    fn exception_type(&self) -> &'static str {
        if is_made_here(self.handle.root()) {
            return "errchain::Error";
        }
        self.handle.type_name()
    }

    fn error_type(&self) -> String {
        match self.code() {
            Some(code) => code.to_string(),
            None => self.kind().name().to_string(),
        }
    }
}

macro_rules! emit {
    ($($name:ident: $level:ident,)+) => {
        impl Error {$(
            fn $name(&self) {
                event!(
                    target: "errchain",
                    Level::$level,
                    error.r#type = self.error_type(),
                    error.retryable = self.retry().is_retryable(),
                    error.fields = self.report().fields_json(),
                    exception.r#type = self.exception_type(),
                    exception.message = alloc::format!("{self:#}"),
                    exception.stacktrace =
                        self.report().audience(Audience::Operator).plain().to_string(),
                    "{self}",
                );
            }
        )+}
    };
}

emit! {
    emit_error: ERROR,
    emit_warn: WARN,
    emit_info: INFO,
    emit_debug: DEBUG,
    emit_trace: TRACE,
}
