//! How values become bytes.

use std::error::Error;

/// How values of a type become bytes in Redis, and bytes values.
///
/// Bytes that it can't read are a miss: the value is loaded again. Raise the
/// [schema](crate::Redis::schema) when it would read what was written before as something else.
///
/// # Examples
///
/// ```
/// use ctxsvc::{Codec, CodecError};
///
/// /// Text as it is.
/// struct Text;
///
/// impl Codec<String> for Text {
///     const ID: u8 = 200;
///
///     fn encode(&self, value: &String) -> Result<Vec<u8>, CodecError> {
///         Ok(value.clone().into_bytes())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
///         Ok(std::str::from_utf8(bytes)?.to_owned())
///     }
/// }
/// ```
pub trait Codec<V>: Send + Sync + 'static {
    /// Tells it from other codecs, so that nothing is read that another one has written. Those of
    /// this crate are below 100.
    const ID: u8;

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Any. Then the value is not kept in Redis.
    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError>;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Any. Then the value is loaded again. A panic is taken for one too.
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;
}

/// Why a [`Codec`] can't do it.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// Values as JSON: longer than others and readable by people.
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

#[cfg(feature = "json")]
impl<V: serde::Serialize + serde::de::DeserializeOwned> Codec<V> for Json {
    const ID: u8 = 1;

    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError> {
        Ok(serde_json::to_vec(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
