//! A client can write as much as its server lets it.

/// More of a value is not recorded.
pub(super) const VALUE_MAX: usize = 256;

/// What is recorded of a value: no character is cut in two.
pub(super) fn cut(value: &str) -> &str {
    let mut end = value.len().min(VALUE_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}
