//! Text that anybody may have chosen, as JSON.

/// Writes a JSON string in visible ASCII: all else is escaped, so that no input can break a line or
/// a terminal.
pub(super) fn json_string(to: &mut Vec<u8>, value: &str) {
    to.push(b'"');
    let is_said = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    // Most of a value, and most values as a whole, go as they are.
    let plain = value.bytes().take_while(|byte| is_said(*byte)).count();
    let (plain, rest) = value.split_at(plain);
    to.extend_from_slice(plain.as_bytes());
    for letter in rest.chars() {
        match letter {
            '"' | '\\' => to.extend([b'\\', letter as u8]),
            ' '..='~' => to.push(letter as u8),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    to.extend(*b"\\u");
                    let digit = |shift: u32| b"0123456789abcdef"[usize::from(*unit >> shift & 15)];
                    to.extend([12, 8, 4, 0].map(digit));
                }
            }
        }
    }
    to.push(b'"');
}
