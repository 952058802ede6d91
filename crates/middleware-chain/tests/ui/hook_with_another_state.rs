//! A hook whose method takes another state than it says that it has.

use middleware_chain::{Chain, Exchange, Flow, Hook};

struct Count;

impl Hook for Count {
    type State = u64;

    fn before(&self, _state: &mut u32, _cx: &mut Exchange) -> Flow {
        Flow::Continue(())
    }
}

fn main() {
    let _ = Chain::builder().hook(Count);
}
