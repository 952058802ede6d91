//! The tower layer: a request is passed on if its limits admit it, and answered otherwise.

mod answer;
mod body;
mod future;
mod grpc;
mod headers;
mod layer;
mod rules;
mod service;

pub use self::body::ResponseBody;
pub use self::future::ResponseFuture;
pub use self::headers::Headers;
pub use self::layer::RateLimitLayer;
pub use self::service::RateLimit;
