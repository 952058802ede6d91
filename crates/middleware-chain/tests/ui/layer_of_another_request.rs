//! A tower layer whose service takes no HTTP request.

use middleware_chain::Chain;

fn main() {
    let _ = Chain::builder().layer(tower::layer::layer_fn(|_rest| ()));
}
