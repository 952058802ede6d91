//! What every store promises: one suite, run on each of them.

use std::collections::HashSet;

use demo::store::{EMAIL_TAKEN, NOT_FOUND, UNAVAILABLE, UserStore, VERSION_MISMATCH};
use demo::user::{Draft, User, UserInput};
use errchain::{Code, Result, Value};
use uuid::Uuid;

/// Makes a test of each promise. `$with_store` opens an empty store, and passes it to the promise.
macro_rules! conformance {
    ($with_store:path, $attribute:meta) => {
        crate::conformance::conformance! {
            @each $with_store, $attribute:
            what_is_stored_is_read_back,
            text_of_any_script_survives,
            an_unknown_id_is_not_found,
            an_address_is_taken_without_regard_to_case,
            a_change_needs_the_version_it_names,
            of_rival_updates_of_one_version_exactly_one_wins,
            pages_hold_every_user_once_in_the_order_of_ids,
            an_import_stores_just_those_whose_address_is_free,
            a_closed_store_is_unavailable,
        }
    };
    (@each $with_store:path, $attribute:meta: $($promise:ident,)*) => {$(
        #[tokio::test]
        #[$attribute]
        async fn $promise() {
            $with_store(crate::conformance::$promise).await;
        }
    )*};
}
pub(crate) use conformance;

pub(crate) fn draft(email: &str, name: &str) -> Draft {
    Draft::try_from(UserInput {
        email: email.to_owned(),
        name: name.to_owned(),
    })
    .expect("valid input")
}

pub(crate) fn user(email: &str) -> User {
    User::new(draft(email, "Ada"))
}

fn is_refused<T: std::fmt::Debug>(result: &Result<T>, code: &Code) {
    let is_refused = result.as_ref().is_err_and(|error| error.is(code));
    assert!(is_refused, "not {code}: {result:?}");
}

pub(crate) async fn what_is_stored_is_read_back(store: &dyn UserStore) {
    let ada = user("ada@example.com");
    store.insert(&ada).await.expect("the address is free");
    assert_eq!(store.get(ada.id).await.expect("stored"), ada);

    let changed = store
        .update(ada.id, Some(1), &draft("countess@example.com", "Lovelace"))
        .await
        .expect("at version 1");
    assert_eq!(changed.email.as_str(), "countess@example.com");
    assert_eq!(changed.name.as_str(), "Lovelace");
    assert_eq!((changed.version, changed.created_at), (2, ada.created_at));
    assert!(changed.updated_at >= ada.updated_at);
    assert_eq!(store.get(ada.id).await.expect("stored"), changed);

    store.delete(ada.id, Some(2)).await.expect("at version 2");
    let gone = store.get(ada.id).await;
    is_refused(&gone, &NOT_FOUND);
    let again = user("countess@example.com");
    store.insert(&again).await.expect("free again");
}

pub(crate) async fn text_of_any_script_survives(store: &dyn UserStore) {
    for (number, name) in [
        "O'Hara",
        "\"; DROP TABLE users; --",
        "$1 %s {0} \\0 \\u0000",
        "用户 ユーザー مستخدم",
        "👩‍👩‍👧‍👦",
        "e\u{301}",
    ]
    .into_iter()
    .enumerate()
    {
        let user = User::new(draft(&format!("u{number}@example.com"), name));
        store.insert(&user).await.expect("the address is free");
        assert_eq!(
            store.get(user.id).await.expect("stored").name.as_str(),
            name
        );
    }
}

pub(crate) async fn an_unknown_id_is_not_found(store: &dyn UserStore) {
    store.insert(&user("ada@example.com")).await.expect("free");
    let draft = draft("eve@example.com", "Eve");
    for id in [Uuid::nil(), Uuid::now_v7(), Uuid::max()] {
        for expected in [None, Some(1)] {
            let results = [
                store.get(id).await.map(drop),
                store.update(id, expected, &draft).await.map(drop),
                store.delete(id, expected).await,
            ];
            for result in results {
                is_refused(&result, &NOT_FOUND);
            }
        }
    }
}

pub(crate) async fn an_address_is_taken_without_regard_to_case(store: &dyn UserStore) {
    let (ada, eve) = (user("Ada@Example.com"), user("eve@example.com"));
    store.insert(&ada).await.expect("free");
    store.insert(&eve).await.expect("free");

    let results = [
        store.insert(&user("aDA@eXAMPLE.COM")).await,
        store
            .update(eve.id, None, &draft("ada@example.com", "Eve"))
            .await
            .map(drop),
    ];
    for result in results {
        is_refused(&result, &EMAIL_TAKEN);
    }
    assert_eq!(store.get(eve.id).await.expect("unchanged"), eve);
    store
        .update(ada.id, None, &draft("ADA@example.com", "Ada"))
        .await
        .expect("one's own address is not taken");
}

pub(crate) async fn a_change_needs_the_version_it_names(store: &dyn UserStore) {
    let ada = user("ada@example.com");
    store.insert(&ada).await.expect("free");
    let draft = draft("ada@example.com", "Ada");
    for wrong in [0, 2, -1, i64::MAX] {
        let results = [
            store.update(ada.id, Some(wrong), &draft).await.map(drop),
            store.delete(ada.id, Some(wrong)).await,
        ];
        for result in results {
            is_refused(&result, &VERSION_MISMATCH);
            let error = result.expect_err("refused");
            assert_eq!(error.field("current"), Some(&Value::I64(1)));
        }
    }
    assert_eq!(store.get(ada.id).await.expect("unchanged"), ada);
    let updated = store
        .update(ada.id, None, &draft)
        .await
        .expect("any version");
    assert_eq!(updated.version, 2);
    store.delete(ada.id, None).await.expect("any version");
}

pub(crate) async fn of_rival_updates_of_one_version_exactly_one_wins(store: &dyn UserStore) {
    let ada = user("ada@example.com");
    store.insert(&ada).await.expect("free");
    let update = |rival: i32| {
        let draft = draft("ada@example.com", &format!("Rival {rival}"));
        async move { store.update(ada.id, Some(1), &draft).await }
    };
    let results: [_; 4] = tokio::join!(update(1), update(2), update(3), update(4)).into();
    let won: Vec<_> = results.iter().flatten().collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(store.get(ada.id).await.expect("stored"), *won[0]);
}

pub(crate) async fn pages_hold_every_user_once_in_the_order_of_ids(store: &dyn UserStore) {
    let mut stored: Vec<_> = (0..7).map(|n| user(&format!("u{n}@example.com"))).collect();
    for user in stored.iter().rev() {
        store.insert(user).await.expect("free");
    }
    stored.sort_by_key(|user| user.id);
    for limit in [1, 2, 3, 7, 100] {
        let (mut listed, mut after): (Vec<User>, _) = (Vec::new(), None);
        // One page more than can be needed, so that a cursor that stands still fails this test.
        for _ in 0..=stored.len() {
            let page = store.list(after, limit).await.expect("available");
            assert!(page.len() <= limit as usize);
            after = page.last().map(|last| last.id).or(after);
            listed.extend(page);
        }
        assert_eq!(listed, stored, "in pages of {limit}");
    }
}

pub(crate) async fn an_import_stores_just_those_whose_address_is_free(store: &dyn UserStore) {
    store
        .insert(&user("taken@example.com"))
        .await
        .expect("free");
    let users = [
        "a@example.com",
        "TAKEN@example.com",
        "b@example.com",
        "A@example.com",
    ]
    .map(user);
    let stored = store.insert_free(&users).await.expect("available");
    assert_eq!(stored, HashSet::from([users[0].id, users[2].id]));
    assert_eq!(store.get(users[0].id).await.expect("stored"), users[0]);
    assert!(store.get(users[3].id).await.is_err());

    assert!(
        store
            .insert_free(&users)
            .await
            .expect("available")
            .is_empty()
    );
    assert!(store.insert_free(&[]).await.expect("available").is_empty());
    let all = store.list(None, 100).await.expect("available");
    assert_eq!(all.len(), 3);
}

pub(crate) async fn a_closed_store_is_unavailable(store: &dyn UserStore) {
    store.ping().await.expect("open");
    store.close().await;
    let result = store.ping().await;
    is_refused(&result, &UNAVAILABLE);
}
