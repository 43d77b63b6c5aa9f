//! The Rust SDK's examples, each run as a process of its own against a real server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::harness::{FLAGS, PRODUCTION, TestApp, eventually, on_both, within};

/// Where the examples are. They are built here, as cargo builds those of another package for nobody: when `tests/run` has
/// built the whole workspace, nothing is left to do.
async fn built() -> &'static HashMap<String, PathBuf> {
    static BUILT: OnceCell<HashMap<String, PathBuf>> = OnceCell::const_new();
    BUILT.get_or_init(build).await
}

async fn build() -> HashMap<String, PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--workspace", "--examples", "--message-format=json"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "the examples are built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let example = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    };
    messages.filter_map(example).collect()
}

/// An example that knows its server.
async fn example(app: &TestApp, name: &str) -> Command {
    let mut command = Command::new(&built().await[name]);
    command
        .env("BELLWETHER_URL", app.origin())
        .env("BELLWETHER_SERVER_KEY", &app.keys(PRODUCTION).server)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What it prints until it ends well.
async fn said(app: &TestApp, name: &str) -> String {
    let mut command = example(app, name).await;
    let output = within("the end of the example", command.output()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {out}\n{err}");
    out.into_owned()
}

/// Has the flags that the examples ask for.
async fn furnished(app: TestApp) -> TestApp {
    let app = app.with_flag("feature.new-dashboard").await;
    app.roll_out(PRODUCTION, "feature.new-dashboard", 100.0).await;
    let sizes = json!([{"name": "large", "value": 50}, {"name": "small", "value": 10}]);
    app.post(FLAGS, &json!({"key": "page.size", "type": "integer", "variations": sizes})).await.expect(201);
    app
}

/// Requests and failures of treatment, then of control.
async fn outcomes(app: &TestApp, release: &str) -> [u64; 4] {
    let (treatment, failed, control, control_failed, _) = crate::sdk::counted(app, release).await;
    [treatment, failed, control, control_failed]
}

on_both!(basic, async |app| {
    let app = furnished(app).await;
    let release = app.start_canary(PRODUCTION, "canary.new-payment-processor").await;
    let said = said(&app, "basic").await;
    assert_eq!(said, "new dashboard: true (SPLIT)\npage size: 10\n100 requests reported\n");
    let [treatment, failed, _, control_failed] = eventually("the requests to be counted", async || {
        let outcomes = outcomes(&app, &release).await;
        (outcomes[0] + outcomes[2] == 100).then_some(outcomes)
    })
    .await;
    assert!(treatment > 20 && failed > 0 && failed <= 10 && control_failed == 0);
});

on_both!(openfeature, async |app| {
    let app = furnished(app).await;
    assert_eq!(said(&app, "openfeature").await, "new dashboard: true (SPLIT)\npage size: 10\n");
});

on_both!(actix, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.new-payment-processor").await;
    let mut command = example(&app, "actix").await;
    let mut service = command.env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let line = within("the service to listen", lines.next_line()).await.unwrap().unwrap();
    let origin = line.strip_prefix("listening on ").unwrap().to_owned();

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut failed = 0;
    for order in 0..60 {
        let request = http.post(format!("{origin}/pay/{order}")).header("x-user", format!("user-{order}"));
        let answer = request.send().await.unwrap();
        failed += u64::from(answer.status() == 502);
        assert!(answer.status() == 502 || answer.text().await.unwrap().contains("is paid"));
    }
    let id = service.id().unwrap().to_string();
    assert!(within("the signal", Command::new("kill").args(["-TERM", &id]).status()).await.unwrap().success());
    assert!(within("the end of the service", service.wait()).await.unwrap().success());
    eventually("the requests to be counted", async || {
        let [treatment, treatment_failed, control, control_failed] = outcomes(&app, &release).await;
        (treatment + control == 60 && (treatment_failed, control_failed) == (failed, 0)).then_some(())
    })
    .await;
});

#[tokio::test]
async fn testing() {
    let output = within("the end of the example", Command::new(&built().await["testing"]).output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "prices are right\n");
}
