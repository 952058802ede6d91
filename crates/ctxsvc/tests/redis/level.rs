//! What processes have of a level that they share. Each handle here stands for a process.

use ctxsvc::Source;

use crate::repository::Repository;
use crate::{cached, get};

#[tokio::test]
#[ignore = "needs redis"]
async fn what_one_process_has_loaded_others_find() {
    let keys = testkit::redis();
    let repository = Repository::taking(20);
    let (one, two) = (cached(&keys, &repository), cached(&keys, &repository));
    let first = get(&one, 1).await.expect("loaded").expect("it exists");
    assert_eq!((*first, first.source()), (0, Source::Origin));
    one.close(crate::PATIENCE).await;
    println!("{one:?}");
    let second = get(&two, 1).await.expect("loaded").expect("it exists");
    println!("{two:?}");
    assert_eq!((*second, second.source()), (0, Source::Redis));
    assert_eq!(repository.loads(), 1);
    let again = get(&one, 1).await.expect("loaded").expect("it exists");
    assert_eq!(again.source(), Source::Memory);
}
