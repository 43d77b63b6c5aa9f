use std::net::TcpListener;

use actix_web::body::{BodyStream, BoxBody, MessageBody, SizedStream, to_bytes};
use actix_web::dev::{Service as _, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpMessage as _, HttpRequest, HttpResponse, Responder, error};
use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR, Summary};
use futures_util::{StreamExt as _, future, stream};
use serde_json::json;
use tokio::task::LocalSet;

use super::{FlagsMiddleware, RequestFlags};
use crate::{Client, Context, ErrorCode, fixture};

/// A client with a canary that treats everyone, whose server is not there.
fn client() -> Client {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::builder(format!("http://127.0.0.1:{port}"), "bw_sdk_x").connect().unwrap();
    let metrics = json!([{"metric": REQUEST_ERROR}, {"metric": REQUEST_DURATION_MS}]);
    let canary = fixture::canary("canary", 100_000, metrics, 3_600);
    client.shared().install(fixture::state("e", 1, vec![canary]));
    client
}

/// What was reported since this was asked last.
#[derive(Debug, Default, PartialEq)]
struct Recorded {
    requests: u64,
    failures: u64,
    times: u64,
    labels: Vec<String>,
}

fn recorded(client: &Client) -> Recorded {
    let mut recorded = Recorded::default();
    for window in client.shared().recorder.take_all() {
        match window.summary {
            Summary::Ratio(ratio) => {
                recorded.requests += ratio.n;
                recorded.failures += ratio.k;
                recorded.labels.extend(ratio.labels.into_iter().map(|(label, _)| label));
            }
            Summary::Values(values) => recorded.times += values.n,
        }
    }
    recorded
}

fn well() -> Recorded {
    Recorded { requests: 1, times: 1, ..Recorded::default() }
}

fn failed(label: &str) -> Recorded {
    Recorded { requests: 1, failures: 1, times: 1, labels: vec![label.to_owned()] }
}

/// Nobody knows how it would have ended.
fn given_up() -> Recorded {
    Recorded { times: 1, ..Recorded::default() }
}

/// Answers with the status in the path.
async fn answer(flags: RequestFlags, status: web::Path<u16>) -> impl Responder {
    assert!(flags.bool("canary", false));
    HttpResponse::build(StatusCode::from_u16(*status).unwrap()).body("the body")
}

async fn fail(flags: RequestFlags, status: web::Path<u16>) -> Result<HttpResponse, Error> {
    assert!(flags.bool("canary", false));
    Err(error::InternalError::new("why", StatusCode::from_u16(*status).unwrap()).into())
}

async fn panics(flags: RequestFlags) -> HttpResponse {
    assert!(flags.bool("canary", false));
    panic!("a handler's own fault")
}

async fn hangs(flags: RequestFlags) -> HttpResponse {
    assert!(flags.bool("canary", false));
    future::pending().await
}

async fn asks_nothing() -> &'static str {
    "nothing"
}

fn pieces() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(["one", "two"]).map(|piece| Ok(Bytes::from(piece)))
}

async fn streams(flags: RequestFlags, how: web::Path<String>) -> HttpResponse {
    assert!(flags.bool("canary", false));
    let broken = stream::once(future::ready(Err(std::io::Error::other("the source is gone"))));
    match how.as_str() {
        "sized" => HttpResponse::Ok().body(SizedStream::new(6, pieces())),
        "broken" => HttpResponse::Ok().body(BodyStream::new(pieces().chain(broken))),
        "late" => HttpResponse::ServiceUnavailable().body(BodyStream::new(pieces())),
        "panics" => {
            let rude = stream::once(async { panic!("a body's own fault") });
            HttpResponse::Ok().body(BodyStream::new(pieces().chain(rude)))
        }
        _ => HttpResponse::Ok().body(BodyStream::new(pieces())),
    }
}

fn user_of(request: &HttpRequest) -> String {
    request.headers().get("x-user").map(|user| user.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// An application with all of these.
fn app(
    client: &Client,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .wrap(FlagsMiddleware::new(client.clone(), |request| Context::new(user_of(request))))
        .route("/nothing", web::get().to(asks_nothing))
        .service(web::resource("/answer/{status}").to(answer))
        .service(web::scope("/v1").route("/fail/{status}", web::post().to(fail)))
        .route("/panics/{user}", web::get().to(panics))
        .route("/hangs/{user}", web::get().to(hangs))
        .route("/streams/{how}", web::get().to(streams))
}

#[tokio::test]
async fn a_request_is_reported_with_its_outcome() {
    let client = client();
    let service = init_service(app(&client)).await;
    let custom = Method::from_bytes(b"MADE-UP").unwrap();
    for (method, path, expected) in [
        (Method::GET, "/answer/200", well()),
        (Method::GET, "/answer/204", well()),
        // From here on it is another protocol.
        (Method::GET, "/answer/101", well()),
        (Method::HEAD, "/answer/200", well()),
        (Method::GET, "/answer/304", well()),
        (Method::GET, "/answer/404", well()),
        (Method::GET, "/answer/500", failed("GET /answer/{status} 500")),
        (Method::HEAD, "/answer/500", failed("HEAD /answer/{status} 500")),
        (custom, "/answer/503", failed("OTHER /answer/{status} 503")),
        (Method::POST, "/v1/fail/400", well()),
        (Method::POST, "/v1/fail/502", failed("POST /v1/fail/{status} 502")),
        (Method::GET, "/streams/sized", well()),
        (Method::GET, "/streams/whole", well()),
        (Method::GET, "/streams/late", failed("GET /streams/{how} 503")),
        (Method::GET, "/streams/broken", failed("GET /streams/{how} 200 broken off")),
        // They met no release.
        (Method::GET, "/nothing", Recorded::default()),
        (Method::GET, "/nowhere", Recorded::default()),
        (Method::GET, "/v1/fail/502", Recorded::default()),
    ] {
        let request = TestRequest::with_uri(path).method(method.clone()).to_request();
        let response = service.call(request).await.unwrap();
        let _ = to_bytes(response.into_body()).await;
        assert_eq!(recorded(&client), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_is_well_when_all_of_it_was_handed_over() {
    let client = client();
    let service = init_service(app(&client)).await;
    let open = async |path| {
        let request = TestRequest::with_uri(path).to_request();
        Box::pin(service.call(request).await.unwrap().into_body())
    };
    for (path, pieces) in [("/streams/whole", 2), ("/streams/sized", 1), ("/answer/200", 0)] {
        let mut body = open(path).await;
        for _ in 0..pieces {
            future::poll_fn(|cx| body.as_mut().poll_next(cx)).await.unwrap().ok().unwrap();
        }
        drop(body);
        assert_eq!(recorded(&client), given_up(), "{path}");
    }
    let mut sized = open("/streams/sized").await;
    for _ in 0..2 {
        future::poll_fn(|cx| sized.as_mut().poll_next(cx)).await.unwrap().ok().unwrap();
    }
    drop(sized);
    assert_eq!(recorded(&client), well(), "not everyone asks whether there is more");
}

#[tokio::test]
async fn what_is_given_up_did_neither_well_nor_badly() {
    let client = client();
    let service = init_service(app(&client)).await;
    let mut request = Box::pin(service.call(TestRequest::with_uri("/hangs/u").to_request()));
    assert!(future::poll_immediate(&mut request).await.is_none());
    drop(request);
    assert_eq!(recorded(&client), given_up());
    drop(service.call(TestRequest::with_uri("/hangs/u").to_request()));
    assert_eq!(recorded(&client), Recorded::default(), "before the handler was run it met no release");
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let client = client();
    let expected = [("/panics/somebody", "GET /panics/{user} panic"), ("/streams/panics", "GET /streams/{how} panic")];
    for (path, label) in expected {
        let service = init_service(app(&client)).await;
        let request = async move {
            let response = service.call(TestRequest::with_uri(path).to_request()).await.unwrap();
            let _ = to_bytes(response.into_body()).await;
        };
        let tasks = LocalSet::new();
        let panicked = tasks.run_until(async { tokio::task::spawn_local(request).await }).await;
        assert!(panicked.is_err_and(|error| error.is_panic()));
        assert_eq!(recorded(&client), failed(label));
    }
}

#[tokio::test]
async fn without_the_middleware_defaults_answer() {
    let why = async |flags: RequestFlags| {
        let why = flags.bool_detail("canary", true);
        assert_eq!((why.value, why.error), (true, Some(ErrorCode::ProviderNotReady)));
        assert_eq!(flags.scope().string("text", "blue"), "blue");
        HttpResponse::Ok().finish()
    };
    let service = init_service(App::new().route("/", web::get().to(why))).await;
    for _ in 0..2 {
        let response = service.call(TestRequest::with_uri("/").to_request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_scope_is_the_users_and_one_for_the_whole_request() {
    let client = client();
    let handler = async |flags: RequestFlags, again: RequestFlags| {
        assert!(std::ptr::eq(flags.scope(), again.scope()));
        assert_eq!(flags.context(), &Context::new("user-42"));
        // What is left of the request is answered elsewhere.
        tokio::task::spawn_blocking(move || flags.bool("canary", false)).await.unwrap().to_string()
    };
    // Wrapped later, so it runs before and finds nothing; wrapped earlier, it runs after and finds the flags.
    let before = async |request: ServiceRequest, next: Next<_>| {
        assert!(request.extensions().get::<RequestFlags>().is_none());
        next.call(request).await
    };
    let after = async |request: ServiceRequest, next: Next<_>| {
        let flags = request.extensions().get::<RequestFlags>().cloned().unwrap();
        assert_eq!(flags.context(), &Context::new("user-42"));
        next.call(request).await
    };
    let app = App::new()
        .wrap(from_fn(after))
        .wrap(FlagsMiddleware::new(client.clone(), |request| Context::new(user_of(request))).clone())
        .wrap(from_fn(before))
        .route("/", web::get().to(handler));
    let service = init_service(app).await;
    let request = TestRequest::with_uri("/").insert_header(("x-user", "user-42")).to_request();
    let response = service.call(request).await.unwrap();
    assert_eq!(to_bytes(response.into_body()).await.ok().unwrap(), "true");
    assert_eq!(recorded(&client), well());
}

#[tokio::test]
async fn an_error_of_what_lies_within_is_an_outcome() {
    let client = client();
    let refuse = async |mut request: ServiceRequest, _: Next<BoxBody>| -> Result<ServiceResponse<BoxBody>, Error> {
        let flags = request.extract::<RequestFlags>().await?;
        assert!(flags.bool("canary", false));
        Err(error::ErrorGatewayTimeout("too late"))
    };
    let app = App::new()
        .wrap(from_fn(refuse))
        .wrap(FlagsMiddleware::new(client.clone(), |_| Context::new("u")))
        .route("/pay/{order}", web::get().to(asks_nothing));
    let service = init_service(app).await;
    assert!(service.call(TestRequest::with_uri("/pay/7").to_request()).await.is_err());
    assert_eq!(recorded(&client), failed("GET /pay/{order} 504"));
    assert!(service.call(TestRequest::with_uri("/no/such/path").to_request()).await.is_err());
    assert_eq!(recorded(&client), failed("GET (no route) 504"));
}
