//! The details of a gRPC status: `google.rpc.Status` with a `google.rpc.RetryInfo`.

/// The details in the encoding of the header `grpc-status-details-bin`.
pub(super) fn status_with_retry_info(code: u8, message: &str, seconds: u64) -> String {
    let mut duration = Vec::new();
    varint_field(&mut duration, 1, seconds);
    let mut retry_info = Vec::new();
    bytes_field(&mut retry_info, 1, &duration);
    let mut any = Vec::new();
    bytes_field(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    bytes_field(&mut any, 2, &retry_info);
    let mut status = Vec::new();
    varint_field(&mut status, 1, u64::from(code));
    bytes_field(&mut status, 2, message.as_bytes());
    bytes_field(&mut status, 3, &any);
    base64(&status)
}

/// Protocol Buffers, wire type 0.
fn varint_field(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(number << 3);
    varint(out, value);
}

/// Protocol Buffers, wire type 2.
fn bytes_field(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// RFC 4648, section 4, without padding, as gRPC wants it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=chunk.len() {
            let value = group >> (18 - 6 * digit) & 0x3f;
            text.push(char::from(ALPHABET[value as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc_without_padding() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fu", "ZnU"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn details_are_what_protoc_encodes() {
        // printf 'code: 8 message: "no" details: { type_url: "type.googleapis.com/google.rpc.RetryInfo"
        // value: "\n\003\010\254\002" }' | protoc --encode=google.rpc.Status, of 300 seconds.
        let expected = [
            &b"\x08\x08\x12\x02no\x1a\x31\x0a\x28"[..],
            b"type.googleapis.com/google.rpc.RetryInfo",
            b"\x12\x05\x0a\x03\x08\xac\x02",
        ];
        assert_eq!(
            status_with_retry_info(8, "no", 300),
            base64(&expected.concat())
        );
    }
}
