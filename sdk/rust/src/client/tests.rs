use std::net::TcpListener;

use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR, Summary, Window};
use bellwether_core::{ErrorCode, Reason};
use serde_json::json;

use super::*;
use crate::fixture;

const SOON: Duration = Duration::from_secs(5);

/// A client whose server is not there.
fn client() -> Client {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Client::builder(format!("http://127.0.0.1:{port}"), "bw_sdk_x").application("tests").connect().unwrap()
}

/// Two canaries: everyone is in `a`'s treatment and in `b`'s control.
fn canaries() -> Arc<State> {
    let metrics = json!([{"metric": REQUEST_ERROR}, {"metric": REQUEST_DURATION_MS}, {"metric": "cart.size"}]);
    let mut disabled = fixture::canary("disabled", 100_000, metrics.clone(), 3_600);
    disabled["enabled"] = json!(false);
    let a = fixture::canary("a", 100_000, metrics.clone(), 3_600);
    let b = fixture::canary("b", 0, metrics, 3_600);
    fixture::state("e", 3, vec![a, b, disabled, fixture::constant("plain", "boolean", json!(true))])
}

/// Release, arm and metric of each window, with its count.
fn recorded(client: &Client) -> Vec<(String, String, String, u64)> {
    let count = |window: &Window| match &window.summary {
        Summary::Ratio(ratio) => ratio.n,
        Summary::Values(values) => values.n,
    };
    let windows = client.shared().recorder.take_all();
    windows.iter().map(|w| (w.release.clone(), w.arm.clone(), w.metric.clone(), count(w))).collect()
}

fn window(release: &str, arm: &str, metric: &str, count: u64) -> (String, String, String, u64) {
    (release.into(), arm.into(), metric.into(), count)
}

#[tokio::test]
async fn without_a_server_defaults_answer() {
    let client = client();
    let user = Context::new("u");
    assert!(client.bool("a", &user, true));
    assert_eq!(client.string("a", &user, "blue"), "blue");
    assert_eq!((client.integer("a", &user, 7), client.float("a", &user, 0.5)), (7, 0.5));
    assert_eq!(client.json("a", &user, json!([1])), json!([1]));
    let told = client.bool_detail("a", &user, true);
    assert_eq!((told.reason, told.error, told.revision), (Reason::Error, Some(ErrorCode::ProviderNotReady), None));
    assert!(!client.wait_ready(Duration::from_millis(10)).await);
    client.flush().await;
    client.close(SOON).await;
    client.close(SOON).await;
    client.flush().await;
    assert!(client.bool("a", &user, true));
}

#[tokio::test]
async fn flags_that_arrive_are_used_and_announced() {
    let client = client();
    let mut revisions = client.revisions();
    assert_eq!((client.revision(), *revisions.borrow_and_update()), (None, None));
    client.shared().install(canaries());
    assert!(client.wait_ready(SOON).await);
    revisions.changed().await.unwrap();
    assert_eq!((client.revision(), *revisions.borrow_and_update()), (Some(3), Some(3)));
    let user = Context::new("u");
    assert!(client.bool("a", &user, false));
    assert!(!client.bool("b", &user, true));
    let told = client.clone().bool_detail("a", &user, false);
    assert_eq!((told.reason, told.variation.as_deref(), told.revision), (Reason::Split, Some("on"), Some(3)));
}

#[tokio::test]
async fn a_scope_reports_to_the_releases_it_met() {
    let client = client();
    client.shared().install(canaries());
    let request = client.scope(&Context::new("u"));
    let timer = request.timer();
    assert!(request.bool("a", false));
    assert!(request.bool_detail("a", false).value, "met twice, counted once");
    assert!(!request.bool("disabled", true) && request.bool("plain", false));
    timer.stop();
    request.track("cart.size", 3.0);
    request.track("cart.size", f64::NAN);
    request.track("unwatched", 3.0);
    assert!(!request.bool("b", true));
    request.finish(false, "POST /pay");
    assert_eq!(
        recorded(&client),
        [
            window("release-a", "treatment", "cart.size", 1),
            window("release-a", "treatment", REQUEST_DURATION_MS, 1),
            window("release-a", "treatment", REQUEST_ERROR, 1),
            window("release-b", "control", REQUEST_ERROR, 1),
        ]
    );
}

/// What `track` reports of `context` once `asked` was done.
fn tracked(context: &Context, asked: impl FnOnce(&Client)) -> Vec<(String, String, String, u64)> {
    let client = client();
    client.track("cart.size", context, 3.0);
    client.shared().install(canaries());
    asked(&client);
    client.track("cart.size", context, 3.0);
    client.track("unwatched", context, 3.0);
    client.track("cart.size", context, f64::INFINITY);
    client.track("", context, 3.0);
    recorded(&client)
}

#[tokio::test]
async fn a_metric_counts_for_the_releases_that_its_unit_met() {
    let user = Context::new("u");
    let both = [window("release-a", "treatment", "cart.size", 1), window("release-b", "control", "cart.size", 1)];
    let asked = |client: &Client| {
        client.bool("a", &user, false);
        client.scope(&user.clone().set("country", "NO")).bool("b", false);
    };
    assert_eq!(tracked(&user, asked), both);
    let number = Context::default().set("targetingKey", 42);
    let same = Context::new("42");
    assert_eq!(tracked(&number, |client| _ = client.bool_detail("a", &same, false)), both[..1]);
}

#[tokio::test]
async fn a_metric_of_who_met_no_release_counts_for_none() {
    let (user, vip) = (Context::new("u"), Context::new("vip"));
    let nothing: [(String, String, String, u64); 0] = [];
    assert_eq!(tracked(&user, |_| {}), nothing);
    assert_eq!(tracked(&user, |client| _ = client.all_flags(&user)), nothing, "nobody was served that");
    assert_eq!(tracked(&user, |client| _ = client.bool("a", &Context::new("other"), false)), nothing);
    assert_eq!(tracked(&vip, |client| _ = client.bool("a", &vip, false)), nothing, "an individual target");
    assert_eq!(tracked(&user, |client| _ = client.bool("disabled", &user, false)), nothing);
    let nobody = Context::anonymous();
    assert_eq!(tracked(&nobody, |client| _ = client.bool("a", &nobody, false)), nothing);
    let long = Context::new("x".repeat(1_001));
    assert_eq!(tracked(&long, |client| _ = client.bool("a", &long, false)), nothing);
}

#[tokio::test]
async fn a_unit_counts_for_the_arm_that_it_met_last() {
    let client = client();
    let (user, metrics) = (Context::new("u"), json!([{"metric": "cart.size"}]));
    for (revision, share) in [(1, 100_000), (2, 0)] {
        let flag = fixture::canary("a", share, metrics.clone(), 3_600);
        client.shared().install(fixture::state("e", revision, vec![flag]));
        client.bool("a", &user, false);
    }
    client.track("cart.size", &user, 3.0);
    assert_eq!(recorded(&client), [window("release-a", "control", "cart.size", 1)]);
    // The release is over.
    client.shared().install(fixture::state("e", 3, vec![fixture::constant("a", "boolean", json!(true))]));
    client.track("cart.size", &user, 3.0);
    assert!(recorded(&client).is_empty());
}

#[tokio::test]
async fn evaluations_are_counted_across_changes() {
    let client = client();
    let user = Context::new("u");
    let renamed = json!({"key": "b", "version": 2, "type": "boolean", "enabled": true, "off_variation": "other",
        "variations": [{"name": "other", "value": true}], "fallthrough": {"variation": "other"}});
    let constant = |key| fixture::constant(key, "boolean", json!(true));
    for (revision, b) in [(1, constant("b")), (2, renamed)] {
        client.shared().install(fixture::state("e", revision, vec![constant("a"), b]));
        for key in ["a", "b", "none"] {
            assert_eq!(client.bool(key, &user, false), key != "none");
        }
        client.string("a", &user, "a flag of another type");
    }
    let taken = || {
        let taken = client.shared().take_evaluations().into_iter();
        let mut taken: Vec<_> = taken.map(|one| (one.flag, one.variation, one.count)).collect();
        taken.sort();
        taken
    };
    let told = |flag: &str, variation: &str, count| (flag.to_owned(), variation.to_owned(), count);
    assert_eq!(taken(), [told("a", "first", 2), told("b", "first", 1), told("b", "other", 1)]);
    assert_eq!(taken(), []);
    client.close(SOON).await;
    client.bool("a", &user, false);
    client.track("cart.size", &user, 1.0);
    assert_eq!(taken(), [], "nothing is recorded any more");
}

#[tokio::test]
async fn what_no_split_served_or_nobody_reported_counts_for_no_release() {
    let client = client();
    client.shared().install(canaries());
    let request = client.scope(&Context::new("vip"));
    assert!(request.bool("a", false), "an individual target");
    assert_eq!(request.string("b", "text"), "text", "another type than the flag's");
    request.timer().stop();
    request.finish(true, "GET /");
    let request = client.scope(&Context::new("u"));
    assert!(request.bool("a", false));
    drop(request.timer());
    drop(request);
    assert!(recorded(&client).is_empty());
}

#[tokio::test]
async fn a_scope_outlives_the_request_handler() {
    let client = client();
    client.shared().install(canaries());
    let request = client.scope(&Context::new("u"));
    let task = tokio::spawn(async move {
        let timer = request.timer();
        let on = request.bool("a", false);
        tokio::task::yield_now().await;
        timer.stop();
        request.finish(on, "GET /");
    });
    task.await.unwrap();
    assert_eq!(recorded(&client).len(), 2);
}

#[tokio::test]
async fn the_last_clone_ends_the_tasks() {
    let client = client();
    let clone = client.clone();
    let Tasks { flags, sender } = client.inner.tasks.lock().unwrap().take().unwrap();
    drop(client);
    assert!(!flags.iter().any(JoinHandle::is_finished) && !sender.is_finished());
    let request = clone.scope(&Context::new("u"));
    drop(clone);
    assert!(!flags.iter().any(JoinHandle::is_finished) && !sender.is_finished(), "a request is under way");
    drop(request);
    for task in flags {
        timeout(SOON, task).await.unwrap().unwrap();
    }
    timeout(SOON, sender).await.unwrap().unwrap();
}
