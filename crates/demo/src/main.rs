//! An HTTP user service.

fn main() {}
