//! Segments as they were.

use bellwether::db::{Connection, Part};
use bellwether::flags::segments::history::{self, Stood};
use bellwether_core::KeyList;
use reqwest::Method;
use serde_json::json;

use super::{SEGMENTS, segment};
use crate::harness::{DEVELOPMENT, TestApp, on_both, sql};

/// The environment's id.
async fn id(app: &TestApp) -> i64 {
    let read = |c: &mut Connection<'_>| bellwether::projects::environment(c, "default", DEVELOPMENT);
    app.services().store.read(Part::Configuration, read).await.unwrap().id()
}

async fn at(app: &TestApp, revision: u64) -> Vec<Stood> {
    let environment = id(app).await;
    app.services().store.read(Part::Configuration, move |c| history::at(c, environment, revision)).await.unwrap()
}

async fn listed(app: &TestApp, of: (i64, u64), list: KeyList, key: &'static str) -> bool {
    app.services().store.read(Part::Configuration, move |c| history::listed(c, of, list, key)).await.unwrap()
}

async fn count(app: &TestApp, table: &'static str) -> usize {
    let query = move |c: &mut Connection<'_>| {
        sql::texts(c, &format!("SELECT digest_text AS text FROM (SELECT 'x' AS digest_text FROM {table}) AS rows_of"))
    };
    app.services().store.read(Part::Configuration, query).await.unwrap().len()
}

on_both!(each_revision_knows_its_segments, async |app| {
    let before = app.revision(DEVELOPMENT).await;
    let all: String = (0..5_000).map(|at| format!("user-{at:04}\n")).collect();
    let app = app.with_segment("beta", &["user-0007"]).await.with_segment("other", &[]).await;
    app.keys_call(Method::PUT, "beta", "", &all).header("x-request-id", "upload").await.expect(200);
    app.keys_call(Method::DELETE, "beta", "", "user-0007\n").await.expect(200);
    app.keys_call(Method::PUT, "beta", "?list=excluded", "user-0008\n").await.expect(200);
    app.post(SEGMENTS, &json!({"key": "late"})).await.expect(201);
    assert!(at(&app, before).await.is_empty());
    let stood = at(&app, before + 4).await;
    let told: Vec<_> = stood.iter().map(|stood| (&*stood.key, stood.version, stood.revision)).collect();
    assert_eq!(told, [("beta", 3, before + 4), ("other", 1, before + 2)]);
    let beta = stood[0].segment;
    let third = at(&app, before + 3).await;
    let kept = third[0].kept.as_ref().unwrap();
    assert_eq!((&*kept.action, &*kept.request_id, &*kept.actor), ("segment.replace_keys", "upload", "the admin"));
    for (version, key, included, excluded) in [
        (1, "user-0007", true, false),
        (1, "user-0008", false, false),
        (2, "user-0007", true, false),
        (2, "user-4999", true, false),
        (3, "user-0007", false, false),
        (3, "user-0008", true, false),
        (4, "user-0008", true, true),
        (4, "user-0", false, false),
        (4, "", false, false),
    ] {
        assert_eq!(listed(&app, (beta, version), KeyList::Included, key).await, included, "{version} {key}");
        assert_eq!(listed(&app, (beta, version), KeyList::Excluded, key).await, excluded, "{version} {key}");
    }
});

on_both!(only_so_much_of_the_past_is_kept, async |app| {
    app.start_again_with_history(3).await;
    let app = app.with_segment("beta", &[]).await;
    for at in 0..10 {
        app.keys_call(Method::PUT, "beta", "", &format!("user-{at}\n")).await.expect(200);
    }
    assert_eq!(count(&app, "segment_versions").await, 3);
    assert_eq!(count(&app, "segment_revisions").await, 9);
    assert_eq!(count(&app, "segment_chunks").await, 3);
    let revision = app.revision(DEVELOPMENT).await;
    let stood = at(&app, revision - 2).await;
    assert_eq!(stood[0].version, 9);
    let beta = stood[0].segment;
    assert!(listed(&app, (beta, 9), KeyList::Included, "user-7").await);
    assert!(!listed(&app, (beta, 9), KeyList::Included, "user-9").await);
    app.delete(&segment("beta", "")).any_version().await.expect(204);
    for table in ["segments", "segment_versions", "segment_revisions", "segment_chunks"] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
});
