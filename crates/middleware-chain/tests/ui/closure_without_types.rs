//! A closure whose arguments have no types.

use middleware_chain::Chain;

fn main() {
    let _ = Chain::builder().with(async |cx, next| next.run(cx).await);
}
