//! What `#[traced]` calls on the error of each `?`, whose type it cannot see.

use core::any::TypeId;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, transmute, transmute_copy};
use core::panic::Location;

use crate::Error;

/// Records a hop if the error is one of ours, and hands any other back as it is.
///
/// By type and not by trait, because a trait would take part in type inference: `text.parse()?`
/// must go on finding its error type by itself. The comparison is made at compile time.
#[inline]
pub(crate) fn hop_if_ours<E>(error: E, at: &'static Location<'static>) -> E {
    if type_id::<E>() != TypeId::of::<Error>() {
        return error;
    }
    let error = ManuallyDrop::new(error);
    // SAFETY: `E` is `Error`: the ids are equal, and `Error` has no lifetime in which the two
    // could still differ. The original is not dropped.
    let ours: Error = unsafe { transmute_copy(&error) };
    let ours = ManuallyDrop::new(ours.hop_at(at));
    // SAFETY: as above, in the other direction.
    unsafe { transmute_copy(&ours) }
}

/// `TypeId::of` without `'static`: types that differ only in lifetimes have the same id.
#[inline]
fn type_id<T>() -> TypeId {
    trait Id {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T> Id for PhantomData<T> {
        #[inline]
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let marker = PhantomData::<T>;
    let marker: &dyn Id = &marker;
    // SAFETY: only a lifetime changes, and `id` reads nothing that could have ended.
    let marker = unsafe { transmute::<&dyn Id, &(dyn Id + 'static)>(marker) };
    marker.id()
}
