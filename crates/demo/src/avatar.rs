//! A picture for who has none: a pattern of squares that goes with an id.

use std::iter::repeat_n;

use png::{BitDepth, ColorType, Encoder, EncodingError};
use uuid::Uuid;

/// Squares in a row and in a column. Those on the right mirror those on the left.
const SQUARES: usize = 5;
const FREE: usize = SQUARES.div_ceil(2);

/// The side of a square, in bytes of eight pixels.
const SQUARE_BYTES: usize = 6;
const SIDE: u32 = 240;

const BACKGROUND: [u8; 3] = [0xF4; 3];

/// Draws it as a PNG of 240 by 240 pixels.
pub(crate) fn draw(id: Uuid) -> Result<Vec<u8>, EncodingError> {
    // The lower half of an id of version 7 is random: RFC 9562, section 5.7.
    let (_, random) = id.as_u64_pair();
    let [red, green, blue, ..] = random.to_le_bytes().map(|byte| 0x30 + byte / 2);
    let mut file = Vec::new();
    let mut picture = Encoder::new(&mut file, SIDE, SIDE);
    picture.set_color(ColorType::Indexed);
    picture.set_depth(BitDepth::One);
    picture.set_palette([BACKGROUND, [red, green, blue]].concat());
    picture
        .write_header()?
        .write_image_data(&pixels(random >> 24))?;
    Ok(file)
}

/// A bit for each pixel, row by row.
fn pixels(pattern: u64) -> Vec<u8> {
    let square = |row: usize, column: usize| {
        let column = column.min(SQUARES - 1 - column);
        let is_set = pattern >> (row * FREE + column) & 1 == 1;
        if is_set { 0xFF } else { 0 }
    };
    let line =
        |row| (0..SQUARES).flat_map(move |column| repeat_n(square(row, column), SQUARE_BYTES));
    let lines = |row| repeat_n(line(row).collect::<Vec<_>>(), SQUARE_BYTES * 8);
    (0..SQUARES).flat_map(lines).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_its_ids_own_and_mirrored() {
        let draw = |id| draw(Uuid::from_u128(id)).expect("memory");
        assert_eq!(draw(1 << 30), draw(1 << 30));
        assert_ne!(draw(1 << 30), draw(1 << 31));
        let line = SQUARES * SQUARE_BYTES;
        for row in pixels(0b010_111_001_100_101).chunks(line) {
            let mirrored: Vec<_> = row.iter().rev().copied().collect();
            assert_eq!(row, mirrored);
        }
    }
}
