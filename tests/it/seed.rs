//! `bellwether seed`: the nine default flags with their shares, and canaries ready to start.

use bellwether::access::Caller;
use bellwether::app::App;
use bellwether::canary::Act;
use bellwether::config::Given;
use bellwether::flags::Place;
use bellwether::version::IfMatch;
use serde_json::json;

fn seed(folder: &std::path::Path) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bellwether"));
    let output = command.arg("seed").current_dir(folder).env_remove("BELLWETHER_DATABASE_URL").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn place(environment: &str, flag: &str) -> Place {
    Place { project: "default".to_owned(), environment: environment.to_owned(), flag: flag.to_owned() }
}

#[test]
fn the_nine_default_flags() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(seed(folder.path()).lines().filter(|line| line.starts_with("created")).count(), 9);
    assert_eq!(seed(folder.path()).lines().filter(|line| line.starts_with("already there")).count(), 9);

    let database_url = Some(format!("sqlite://{}/data/bellwether.db", folder.path().display()));
    let settings =
        Given { listen: Some("127.0.0.1:0".to_owned()), database_url, ..Given::default() }.settings().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let app = App::start(settings).await.unwrap();
        let (flags, canaries) = (app.services.flags.clone(), app.services.canaries.clone());
        let caller = Caller::system("test");
        let on = |share: u32| json!({"on": share * 1_000, "off": (100 - share) * 1_000});
        let halves = || json!({"control": 50_000, "variant_a": 50_000});
        for (flag, [development, staging, production]) in [
            ("feature.new-dashboard", [on(100), on(50), on(0)]),
            ("feature.advanced-analytics", [on(100), on(25), on(0)]),
            ("feature.ai-budgeting", [on(100), on(0), on(0)]),
            ("feature.offline-sync", [on(100), on(0), on(0)]),
            ("experiment.new-onboarding-flow", [halves(), halves(), halves()]),
            ("experiment.checkout-redesign", [halves(), halves(), halves()]),
        ] {
            for (environment, weights) in
                [("development", development), ("staging", staging), ("production", production)]
            {
                let view = flags.configured(&caller, place(environment, flag)).await.unwrap();
                assert_eq!(view.configuration["fallthrough"]["split"]["weights"], weights, "{flag} in {environment}");
            }
        }
        let stages = [
            ("canary.new-payment-processor", vec![(1.0, 1_800), (10.0, 1_800), (25.0, 3_600), (50.0, 3_600)]),
            ("canary.new-notification-service", vec![(5.0, 1_800), (25.0, 3_600)]),
        ];
        for (flag, stages) in stages {
            let at = place("production", flag);
            let view = canaries.act(&caller, at, IfMatch::Any, Act::Start, String::new()).await.unwrap();
            let found: Vec<_> =
                view.policy.stages.iter().map(|stage| (stage.percentage, stage.minimum_seconds)).collect();
            assert_eq!(found[..found.len() - 1], stages[..], "{flag}");
            assert_eq!(found.last().map(|last| last.0), Some(100.0));
            let limit = view.guards.iter().find(|guard| guard.name == "error limit").unwrap().limit;
            assert_eq!(limit, Some(0.05), "five percent, as the flag says");
        }
        drop((flags, canaries));
        app.stop().await;
    });
}
