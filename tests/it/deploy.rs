//! The image, the composition and the workflow hold together: what one file names exists in the others and in the program.

mod dockerfile;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use dockerfile::{Dockerfile, Instruction};

/// The program's help, and that of the command `name`.
fn help(name: &str) -> Option<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    let output = program.args([name, "--help"]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[expect(clippy::disallowed_methods, reason = "the server's `files` is not for tests")]
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(&project(path))).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest() -> toml::Table {
    text(&project("Cargo.toml")).parse().unwrap()
}

fn dockerfile() -> Dockerfile {
    text(&project("Dockerfile")).parse().unwrap_or_else(|error| panic!("Dockerfile: {error}"))
}

/// Whether an image says which version it is.
fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag.starts_with(|first: char| first.is_ascii_digit())
}

/// Every variable of the program that the help of its commands names.
fn known_variables() -> BTreeSet<String> {
    let all = ["serve", "init", "seed", "migrate", "health", "demo"].map(|name| help(name).unwrap()).concat();
    let names = all.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let known = names.filter(|name| name.starts_with("BELLWETHER_")).map(str::to_owned);
    known.collect()
}

/// The command that a list of arguments after the program gives, which the program must have.
fn assert_is_a_command(arguments: &[String]) {
    let name = arguments.first().expect("a command");
    assert!(help(name).is_some(), "the program has no command {name}");
}

#[test]
fn what_the_image_copies_is_there_and_gets_through() {
    let ignored = text(&project(".dockerignore"));
    let admitted: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), ".dockerignore lets in only what it names");
    let mut copied = BTreeSet::new();
    for Instruction { words, .. } in dockerfile().all("COPY") {
        let (_, sources) = words.split_last().unwrap();
        if words.iter().any(|word| word.starts_with("--from=")) {
            continue;
        }
        for source in sources {
            assert!(project(source).exists(), "COPY {source}");
            assert!(admitted.contains(source.as_str()), ".dockerignore keeps {source} out");
            copied.insert(source.clone());
        }
    }
    // What cargo reads of the manifest, and the compiler of the source.
    let manifest = manifest();
    let tables = ["example", "test", "bench", "bin"].iter().filter_map(|kind| manifest.get(*kind)?.as_array());
    let named = tables.flatten().filter_map(|target| target.get("path")?.as_str());
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().filter_map(toml::Value::as_str);
    let needed = ["Cargo.toml", "Cargo.lock", "askama.toml", "README.md", "src", "migrations", "static", "templates"];
    for path in named.chain(members).chain(needed) {
        let is_copied = Path::new(path).ancestors().any(|part| copied.contains(part.to_str().unwrap()));
        assert!(is_copied, "the image is built without {path}");
    }
}

#[test]
fn the_image_is_built_with_what_the_manifest_has() {
    let dockerfile = dockerfile();
    let builds: Vec<_> = dockerfile.all("RUN").filter(|run| run.text.contains("cargo build")).collect();
    let [build] = builds.as_slice() else { panic!("it is built once") };
    let words: Vec<_> = build.text.split_whitespace().collect();
    assert!(words.contains(&"--locked") && words.contains(&"--release"), "{}", build.text);
    let after = |option: &str| words.iter().skip_while(|word| **word != option).nth(1).copied();
    assert_eq!((after("--features"), after("--bin")), (Some("postgres-tls"), Some("bellwether")));
    let manifest = manifest();
    assert!(manifest["features"].as_table().unwrap().contains_key("postgres-tls"));
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(dockerfile.images()[0].starts_with(&format!("rust:{rust}-")), "{:?}", dockerfile.images());
    assert!(dockerfile.images().iter().all(|image| is_pinned(image)), "{:?}", dockerfile.images());
}

#[test]
fn the_image_runs_the_program_as_nobody_in_particular() {
    let dockerfile = dockerfile();
    let program = "/usr/local/bin/bellwether";
    let last = dockerfile.last_stage();
    let one = |name: &str| {
        let found: Vec<_> = last.iter().filter(|instruction| instruction.name == name).collect();
        assert_eq!(found.len(), 1, "{name} stands once in the last stage");
        found[0]
    };
    let copy = one("COPY");
    let (target, sources) = copy.words.split_last().unwrap();
    assert_eq!((target.as_str(), sources[0].as_str()), (program, "--from=builder"));
    assert_eq!(sources[1], "/build/target/release/bellwether");

    let user = one("USER");
    let (uid, gid) = user.text.split_once(':').expect("a user and a group");
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0);
    let create = last.iter().find(|run| run.name == "RUN" && run.text.contains("useradd")).unwrap();
    assert!(create.text.contains(&format!("--uid {uid} ")) && create.text.contains(&format!("--gid {gid} ")));
    let volume = &one("VOLUME").text;
    assert!(create.text.contains(&format!("--home-dir {volume} --create-home")), "the user owns {volume}");
    assert!(create.line < user.line && user.line < one("ENTRYPOINT").line && user.line < one("VOLUME").line);

    assert_eq!(one("ENTRYPOINT").list(), [program]);
    assert_is_a_command(&one("CMD").list());
    let health = one("HEALTHCHECK");
    let (options, check) = health.text.split_once("CMD").expect("a health check is a command");
    let check: Vec<String> = serde_json::from_str(check.trim()).unwrap();
    assert_eq!(check[0], program);
    assert_is_a_command(&check[1..]);
    assert!(options.contains("--interval=") && options.contains("--timeout="), "{options}");

    let set = one("ENV").assignments();
    let known = known_variables();
    for name in set.keys().filter(|name| name.starts_with("BELLWETHER_")) {
        // It says how much is logged, in every command alike.
        assert!(known.contains(name) || name == "BELLWETHER_LOG", "the program knows no {name}");
    }
    let port = &one("EXPOSE").text;
    assert_eq!(set["BELLWETHER_LISTEN"], format!("0.0.0.0:{port}"));
    assert!(help("health").unwrap().contains(&format!("127.0.0.1:{port}")), "the health check asks at {port}");
    let database: bellwether::db::DatabaseUrl = set["BELLWETHER_DATABASE_URL"].parse().unwrap();
    assert!(database.to_string().contains(&format!("{volume}/")), "{database} lies in the volume");
    assert_eq!(&one("WORKDIR").text, volume);
}

#[test]
fn the_image_finds_its_store_in_the_volume() {
    // The same variables, with another folder for the volume.
    let folder = tempfile::tempdir().unwrap();
    let set = dockerfile().last_stage().iter().find(|instruction| instruction.name == "ENV").unwrap().assignments();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    for (name, value) in &set {
        let place = folder.path().display().to_string();
        command.env(name, value.replace("/var/lib/bellwether", &place));
    }
    let ran = command.args(["migrate", "status"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(folder.path().join("bellwether.db").exists(), "the database is where the volume is");
}

#[test]
fn the_composition_holds_together() {
    let compose = yaml("deploy/compose.yaml");
    let services = compose["services"].as_object().unwrap();
    let (server, database) = (&services["server"], &services["database"]);

    let context = project("deploy").join(server["build"]["context"].as_str().unwrap());
    let image = context.join(server["build"]["dockerfile"].as_str().unwrap());
    assert_eq!(image.canonicalize().unwrap(), project("Dockerfile").canonicalize().unwrap());
    for (name, service) in services {
        assert_eq!(service["image"].is_null(), name == "server", "{name} is built or fetched");
        assert!(service["image"].as_str().is_none_or(is_pinned), "{name} has an image without a version");
    }

    let environment = server["environment"].as_object().unwrap();
    let known = known_variables();
    for name in environment.keys().filter(|name| name.starts_with("BELLWETHER_")) {
        assert!(known.contains(name), "the program knows no {name}");
    }
    let text = environment["BELLWETHER_DATABASE_URL"].as_str().unwrap();
    let url: bellwether::db::DatabaseUrl = text.parse().unwrap();
    let theirs = &database["environment"];
    let (user, name) = (theirs["POSTGRES_USER"].as_str().unwrap(), theirs["POSTGRES_DB"].as_str().unwrap());
    assert_eq!(url.to_string(), format!("postgres://{user}@database:5432/{name}"));
    assert_eq!(server["depends_on"]["database"]["condition"], "service_healthy");
    let check: Vec<_> = database["healthcheck"]["test"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(check[..2], ["CMD", "pg_isready"]);
    assert!(
        check.contains(&format!("--username={user}").as_str()) && check.contains(&format!("--dbname={name}").as_str())
    );

    // Both ask for the password, and neither has one of its own.
    assert_eq!(environment["PGPASSWORD"], theirs["POSTGRES_PASSWORD"]);
    let password = theirs["POSTGRES_PASSWORD"].as_str().unwrap();
    assert!(password.starts_with("${POSTGRES_PASSWORD:?") && password.ends_with('}'), "{password}");

    let port = dockerfile().last_stage().iter().find(|instruction| instruction.name == "EXPOSE").unwrap().text.clone();
    let published: Vec<_> = server["ports"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(published, [format!("127.0.0.1:{port}:{port}")]);
    assert!(database["ports"].is_null(), "the database is for the server alone");

    let volumes: BTreeMap<_, _> =
        services.iter().map(|(name, service)| (name, service["volumes"].as_array())).collect();
    let used: BTreeSet<_> = volumes
        .values()
        .flatten()
        .flat_map(|mounts| mounts.iter())
        .filter_map(|mount| mount.as_str()?.split_once(':'))
        .map(|(volume, _)| volume)
        .collect();
    let declared: BTreeSet<_> = compose["volumes"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(used, declared);
}

#[test]
fn the_workflow_runs_the_one_test_command() {
    let workflow = yaml(".github/workflows/ci.yml");
    let jobs = workflow["jobs"].as_object().unwrap();
    assert_eq!(jobs.len(), 1);
    let job = jobs.values().next().unwrap();
    let steps = job["steps"].as_array().unwrap();
    let commands: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(commands, ["tests/run"]);
    assert!(project("tests/run").exists());
    for action in steps.iter().filter_map(|step| step["uses"].as_str()) {
        assert!(action.starts_with("actions/") && action.contains("@v"), "{action}");
    }
    assert!(is_pinned(job["container"].as_str().unwrap()));
    assert_eq!(job["container"], dockerfile().images()[0], "tested with the Rust that the image is built with");
    assert!(job["timeout-minutes"].as_u64().is_some_and(|minutes| (40..=90).contains(&minutes)));
}
