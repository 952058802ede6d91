//! A chain as an onion.

use std::fmt;

use super::Chain;

/// The members as an onion: a request goes from the top to the middle, and its response back.
///
/// ```
/// use middleware_chain::{CatchPanic, Chain, RequestId};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let chain = Chain::builder().hook(RequestId::new()).with(CatchPanic::new()).build()?;
/// assert_eq!(
///     chain.to_string().lines().collect::<Vec<_>>(),
///     [
///         "┌ request_id    hook",
///         "│ ┌ catch_panic middleware",
///         "│ │ service",
///         "│ └ catch_panic",
///         "└ request_id",
///     ]
/// );
/// # Ok(())
/// # }
/// ```
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = &self.0.members;
        let widths = members.iter().enumerate();
        let widths = widths.map(|(depth, member)| 2 * depth + member.name.chars().count());
        let width = widths.max().unwrap_or(0);
        for (depth, member) in members.iter().enumerate() {
            bars(f, depth)?;
            let name = width - 2 * depth;
            writeln!(f, "┌ {:name$} {}", member.name, member.kind_name())?;
        }
        bars(f, members.len())?;
        write!(f, "service")?;
        for (depth, member) in members.iter().enumerate().rev() {
            writeln!(f)?;
            bars(f, depth)?;
            write!(f, "└ {}", member.name)?;
        }
        Ok(())
    }
}

fn bars(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    (0..count).try_for_each(|_| f.write_str("│ "))
}
