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

/// Values as [postcard](https://postcard.jamesmunns.com): short and quick. This is the one to choose.
///
/// It writes no names of fields, so that each change of a type is one of the
/// [schema](crate::Redis::schema), and a type has to be written as it is read: not with
/// `#[serde(flatten)]`, `untagged` or `skip_serializing_if`, say. Bytes that are left over are an error.
#[cfg(feature = "postcard")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Postcard;

#[cfg(feature = "postcard")]
impl<V: serde::Serialize + serde::de::DeserializeOwned> Codec<V> for Postcard {
    const ID: u8 = 2;

    fn encode(&self, value: &V) -> Result<Vec<u8>, CodecError> {
        Ok(postcard::to_stdvec(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        match postcard::take_from_bytes(bytes)? {
            (value, []) => Ok(value),
            _ => Err("there is something behind the value".into()),
        }
    }
}

/// Values as JSON: longer, and readable by people and by other programs. A field that is new and has a
/// default is no change of the schema.
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

#[cfg(all(test, feature = "json", feature = "postcard"))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Most of what a type can be made of.
    type Value = (
        (bool, u8, i64, u128, char),
        String,
        Option<Vec<(i32, Option<String>)>>,
        BTreeMap<String, Vec<u8>>,
        Result<(), u64>,
    );

    fn values() -> impl Strategy<Value = Value> {
        use prop::collection::{btree_map, vec};

        let items = vec((any::<i32>(), prop::option::of(".{0,8}")), 0..4);
        let by_name = btree_map(".{0,8}", vec(any::<u8>(), 0..4), 0..4);
        let many = (prop::option::of(items), by_name);
        let numbers = any::<(bool, u8, i64, u128, char)>();
        let value = (numbers, ".{0,8}", many, any::<Result<(), u64>>());
        value.prop_map(|(numbers, text, (items, by_name), result)| {
            (numbers, text, items, by_name, result)
        })
    }

    fn read_again<C: Codec<Value>>(codec: &C, value: &Value) -> Result<Value, CodecError> {
        codec.decode(&codec.encode(value)?)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_that_is_cut_or_longer(value in values()) {
            prop_assert_eq!(read_again(&Json, &value).expect("JSON"), value.clone());
            prop_assert_eq!(read_again(&Postcard, &value).expect("postcard"), value.clone());
            let bytes = Codec::encode(&Postcard, &value).expect("postcard");
            for length in 0..bytes.len() {
                let cut: Result<Value, _> = Postcard.decode(&bytes[..length]);
                prop_assert!(cut.is_err(), "{} of {}", length, bytes.len());
            }
            for more in [0, 1, 0xff] {
                let longer: Result<Value, _> = Postcard.decode(&[&bytes[..], &[more]].concat());
                prop_assert!(longer.is_err());
            }
        }

        #[test]
        fn numbers_are_read_to_the_last_digit(value in any::<(f64, f32)>()) {
            let json = Codec::encode(&Json, &value).expect("JSON");
            prop_assert_eq!(Codec::<(f64, f32)>::decode(&Json, &json).expect("JSON"), value);
            let bytes = Codec::encode(&Postcard, &value).expect("postcard");
            prop_assert_eq!(Codec::<(f64, f32)>::decode(&Postcard, &bytes).expect("postcard"), value);
        }

        /// And nothing that it says of its own length is believed before it is there.
        #[test]
        fn foreign_bytes_are_an_error_or_a_value_that_can_be_written(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff)], 0..64),
        ) {
            let read: Result<Value, _> = Postcard.decode(&bytes);
            if let Ok(value) = read {
                prop_assert_eq!(read_again(&Postcard, &value).expect("postcard"), value);
            }
        }
    }
}
