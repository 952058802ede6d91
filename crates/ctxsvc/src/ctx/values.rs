//! Typed values: an immutable list, the last one first.

use std::any::{Any, TypeId};
use std::sync::Arc;

/// A clone shares the list, so a context can be derived from by many.
#[derive(Clone, Default)]
pub(super) struct Values {
    last: Option<Arc<Node>>,
}

struct Node<T: ?Sized = dyn Any + Send + Sync> {
    next: Values,
    /// That of the value, where it can be read without a virtual call.
    type_id: TypeId,
    /// At the end, so that the node is one allocation whatever the type.
    value: T,
}

impl Values {
    pub(super) fn with<T: Any + Send + Sync>(&self, value: T) -> Self {
        let node: Arc<Node> = Arc::new(Node {
            next: self.clone(),
            type_id: TypeId::of::<T>(),
            value,
        });
        Self { last: Some(node) }
    }

    pub(super) fn find<T: Any + Send + Sync>(&self) -> Option<&T> {
        let wanted = TypeId::of::<T>();
        let mut node = self.last.as_deref()?;
        while node.type_id != wanted {
            node = node.next.last.as_deref()?;
        }
        node.value.downcast_ref()
    }
}

impl Drop for Values {
    /// In a loop: a long list that drops its nodes one inside the other would end the stack.
    fn drop(&mut self) {
        let mut last = self.last.take();
        while let Some(mut node) = last {
            last = Arc::get_mut(&mut node).and_then(|node| node.next.last.take());
        }
    }
}
