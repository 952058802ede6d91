//! Values.

use ctxsvc::Ctx;

#[derive(Debug, PartialEq)]
struct Tenant(u32);

#[derive(Debug, PartialEq)]
struct User(u32);

#[test]
fn the_nearest_value_of_a_type_is_found_and_never_one_of_another_type() {
    let first = Ctx::root().with_value(Tenant(1));
    let second = first.with_value(User(2));
    let third = second.with_value(Tenant(3));
    assert_eq!(first.value::<User>(), None);
    assert_eq!(second.value(), Some(&Tenant(1)));
    assert_eq!(second.value(), Some(&User(2)));
    assert_eq!(third.value(), Some(&Tenant(3)));
    assert_eq!(third.value(), Some(&User(2)));
    assert_eq!(
        first.value(),
        Some(&Tenant(1)),
        "the first one is as it was"
    );
    assert_eq!(third.value::<u32>(), None);
}

#[test]
fn values_are_readable_when_the_context_is_over() {
    let (ctx, guard) = Ctx::root().with_value(Tenant(1)).cancellable();
    drop(guard);
    assert_eq!(ctx.value(), Some(&Tenant(1)));
}
