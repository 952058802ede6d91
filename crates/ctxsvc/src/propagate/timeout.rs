//! How a timeout is written in a header.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
pub(super) const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// gRPC over HTTP/2, section "Requests": one to eight digits and a unit.
pub(super) fn from_grpc(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let number = number(digits).filter(|_| digits.len() <= 8)?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 3_600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// As [`from_grpc`] reads it: rounded down, in the smallest unit that fits.
pub(super) fn to_grpc(timeout: Duration) -> HeaderValue {
    let units = [
        (timeout.as_nanos(), 'n'),
        (timeout.as_micros(), 'u'),
        (timeout.as_millis(), 'm'),
        (u128::from(timeout.as_secs()), 'S'),
    ];
    let fits = units.into_iter().find(|(number, _)| *number < 100_000_000);
    let (number, unit) = fits.unwrap_or((99_999_999, 'S'));
    HeaderValue::try_from(format!("{number}{unit}")).expect("digits and a letter")
}

/// `250ms`, `1.5s`, or a number: of milliseconds if the header's name ends with `-ms`, else of
/// seconds.
pub(super) fn from_text(name: &HeaderName, value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let in_seconds = !name.as_str().ends_with("-ms");
    let (number, in_seconds) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, false),
        (None, Some(number)) => (number, true),
        (None, None) => (text, in_seconds),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let unit_ns: u64 = if in_seconds { 1_000_000_000 } else { 1_000_000 };
    let whole = self::number(whole.as_bytes())?.checked_mul(unit_ns)?;
    let digits = u32::try_from(fraction.len())
        .ok()
        .filter(|digits| *digits <= 9)?;
    let fraction = self::number(fraction.as_bytes())? * unit_ns / 10_u64.pow(digits);
    Some(Duration::from_nanos(whole.checked_add(fraction)?))
}

/// As [`from_text`] reads it, rounded down.
pub(super) fn to_text(timeout: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("{}ms", timeout.as_millis())).expect("digits and letters")
}

/// Digits and nothing else: no sign, no space.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_grpc_are_read_as_its_protocol_says() {
        for (text, ms) in [
            ("1S", Some(1_000)),
            ("20m", Some(20)),
            ("5000u", Some(5)),
            ("7000000n", Some(7)),
            ("1M", Some(60_000)),
            ("1H", Some(3_600_000)),
            ("0m", Some(0)),
            ("99999999H", Some(359_999_996_400_000)),
            ("999999999m", None),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            (" 1S", None),
        ] {
            let value = HeaderValue::from_static(text);
            assert_eq!(from_grpc(&value), ms.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(
            from_grpc(&HeaderValue::from_bytes(b"1\xff").expect("bytes")),
            None
        );
    }

    #[test]
    fn timeouts_in_words_are_read_and_what_is_none_is_ignored() {
        let (plain, in_ms) = (REQUEST_TIMEOUT, HeaderName::from_static("x-rq-timeout-ms"));
        for (name, text, ms) in [
            (&plain, "250ms", Some(250)),
            (&plain, "1.5s", Some(1_500)),
            (&plain, "2", Some(2_000)),
            (&in_ms, "2", Some(2)),
            (&in_ms, "2s", Some(2_000)),
            (&plain, "0", Some(0)),
            (&plain, "18446744073709551615", None),
            (&plain, "99999999999999999999", None),
            (&plain, "1.0000000001s", None),
            (&plain, "1.s", None),
            (&plain, "s", None),
            (&plain, "", None),
            (&plain, "-1s", None),
            (&plain, "1 s", None),
            (&plain, "1e3", None),
            (&plain, "inf", None),
        ] {
            let value = HeaderValue::from_static(text);
            assert_eq!(
                from_text(name, &value),
                ms.map(Duration::from_millis),
                "{name}: {text:?}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_as_no_more_time() {
        for nanos in [
            0,
            1,
            999,
            99_999_999,
            100_000_000,
            1_500_000_000,
            99_999_999_999_999_999,
        ] {
            let timeout = Duration::from_nanos(nanos);
            let (grpc, text) = (to_grpc(timeout), to_text(timeout));
            let grpc = from_grpc(&grpc).expect("it was written");
            let text = from_text(&REQUEST_TIMEOUT, &text).expect("it was written");
            assert!(
                grpc <= timeout && text <= timeout,
                "{timeout:?}: {grpc:?}, {text:?}"
            );
            assert!(
                timeout.saturating_sub(grpc) <= timeout / 1_000_000,
                "{timeout:?}: {grpc:?}"
            );
        }
        assert_eq!(to_grpc(Duration::MAX), "99999999S");
    }
}
