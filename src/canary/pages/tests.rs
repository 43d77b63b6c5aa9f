use chrono::{DateTime, Utc};

use super::*;
use crate::canary::picture::{Bound, Estimate, IntervalPicture, Point, Trend};
use crate::http::shell::User;

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn moment(text: &str) -> Moment {
    let now: DateTime<Utc> = "2026-11-21T10:42:15Z".parse().unwrap();
    Moment::new(text.parse().unwrap(), now)
}

fn place() -> Place {
    Place { project: "default".to_owned(), environment: "production".to_owned(), flag: "canary.pay".to_owned() }
}

fn head(state: Option<State>) -> Head {
    Head {
        place: place(),
        production: true,
        state,
        acts: state.map(State::acts).unwrap_or_default(),
        treatment: "on".to_owned(),
        control: "off".to_owned(),
        csrf: "t0ken".to_owned(),
        ..Head::default()
    }
}

fn tile(verdict: GuardVerdict) -> GuardTile {
    let points = [Point { treatment: Some(0.01), control: Some(0.01) }, Point { treatment: Some(0.02), control: None }];
    GuardTile {
        name: "errors".to_owned(),
        compares: "error rate against control".to_owned(),
        bound: "margin +5 %".to_owned(),
        verdict,
        note: String::new(),
        figures: Figures {
            treatment: "2.0 %".to_owned(),
            control: "1.0 %".to_owned(),
            effect: "+98 %".to_owned(),
            interval: "+31 to +180 %".to_owned(),
            treatment_samples: "3,017".to_owned(),
            control_samples: "27,180".to_owned(),
        },
        interval: IntervalPicture::new(Bound::Margin(0.05), Some(Estimate { low: 0.31, effect: 0.98, high: 1.8 })),
        trend: Trend::new(&points, None).map(|lines| TrendPicture {
            lines,
            top: "2.2 %".to_owned(),
            span: "last 20 s".to_owned(),
        }),
        evidence: Evidence::new(612_f64.ln(), 500_f64.ln()),
    }
}

fn live(state: State) -> Live {
    Live {
        place: place(),
        state,
        mark: "7-41".to_owned(),
        stages: vec![
            Stage {
                share: "1 %".to_owned(),
                state: StageState::Done,
                progress: Position::new(100.0),
                note: String::new(),
            },
            Stage {
                share: "10 %".to_owned(),
                state: StageState::Current,
                progress: Position::new(40.0),
                note: "12 of 30 min".to_owned(),
            },
        ],
        guards: vec![tile(GuardVerdict::Fine)],
        ..Live::default()
    }
}

fn rolled_back() -> Live {
    Live {
        banner: Some(Banner {
            tone: Tone::Harm,
            headline: "Taken back 13 s after the first bad window".to_owned(),
            at: Some(moment("2026-11-21T10:42:03Z")),
            sentence: "Errors were 2.0 % against 1.0 % on control.".to_owned(),
            reach: Some(Reach { environment: "production".to_owned(), revision: 813, reached: 497, connected: 500 }),
            reached_after: None,
            record: Some("/ui/record".to_owned()),
        }),
        guards: vec![tile(GuardVerdict::Harm)],
        decisions: vec![Decision {
            at: moment("2026-11-21T10:42:03Z"),
            tone: Tone::Harm,
            what: "Rolled back".to_owned(),
            by: "by the guard “errors”".to_owned(),
            ..Decision::default()
        }],
        top_errors: vec![TopError {
            label: "POST /pay 502".to_owned(),
            treatment: "51".to_owned(),
            control: "204".to_owned(),
        }],
        ..live(State::RolledBack)
    }
}

fn page(canary: Option<Live>) -> CanaryPage {
    let state = canary.as_ref().map(|live| live.state);
    CanaryPage {
        shell: Shell { user: User { name: "ada".to_owned(), role: "operator".to_owned() }, ..Shell::default() },
        environments: vec![Choice { label: "production".to_owned(), href: place().canary(), current: true }],
        head: head(state),
        canary,
        server: "http://127.0.0.1:8080".to_owned(),
    }
}

#[test]
fn a_tile_shows_figures_bound_evidence_and_samples() {
    let html = rolled_back().render().unwrap();
    for expected in [
        ">harm</span>",
        "<b>2.0 %</b>",
        "control 1.0 %",
        "<b>+98 %</b>",
        "+31 to +180 %",
        "margin +5 %",
        "E, acts at 500",
        "<dd>612</dd>",
        "enough to act",
        "3,017",
        "control 27,180",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
}

#[test]
fn a_rollback_says_why_and_how_far_it_has_reached() {
    let html = rolled_back().render().unwrap();
    assert!(html.contains("Errors were 2.0 % against 1.0 % on control."));
    assert!(html.contains("Revision 813 has reached 497 of 500 instances."));
    assert!(html.contains("href=\"/ui/record\">See the evidence</a>"));
    assert!(html.contains("title=\"21 Nov 2026, 10:42:03 UTC\">10:42:03</time>"));
}

#[test]
fn the_live_part_asks_with_what_it_shows_until_all_is_settled() {
    let running = live(State::Running).render().unwrap();
    let href = "/ui/projects/default/environments/production/flags/canary.pay/canary/live?seen=7-41&#38;state=running";
    assert!(running.contains(&format!("hx-get=\"{href}\" hx-trigger=\"every 2s\"")), "{running}");
    let mut ended = rolled_back();
    assert!(ended.render().unwrap().contains("every 2s"), "three instances are still behind");
    if let Some(reach) = ended.banner.as_mut().and_then(|banner| banner.reach.as_mut()) {
        reach.reached = 500;
    }
    assert!(ended.render().unwrap().contains("every 10s"));
}

#[test]
fn a_new_state_brings_the_head_and_the_title_along() {
    let same = rolled_back().render().unwrap();
    assert!(!same.contains("hx-swap-oob"));
    let changed = Live { head: Some(Head { swap: true, ..head(Some(State::RolledBack)) }), ..rolled_back() };
    let html = changed.render().unwrap();
    assert!(html.contains("id=\"head\" hx-swap-oob=\"true\""), "{html}");
    assert!(html.contains("<title>rolled back · canary.pay · Bellwether</title>"));
    assert!(html.contains("canary.pay in production is now rolled back."));
}

#[test]
fn every_action_is_a_form_with_a_reason_and_in_production_a_confirmation() {
    let html = head(Some(State::Running)).render().unwrap();
    let forms = html.matches("<form method=\"post\"").count();
    assert_eq!(forms, 4);
    for field in ["name=\"csrf_token\"", "name=\"reason\" required", "name=\"confirmation\""] {
        assert_eq!(html.matches(field).count(), forms, "{field}");
    }
    assert!(html.contains("/canary/rollback\">"));
    assert!(html.contains("<button type=\"submit\" class=\"button strong\">Roll back in production</button>"));

    let staging = Head { production: false, ..head(Some(State::Running)) }.render().unwrap();
    assert!(!staging.contains("name=\"confirmation\""));
    assert!(staging.contains("<button type=\"submit\" class=\"button strong\">Roll back</button>"));
}

#[test]
fn a_refused_form_opens_again_as_it_was_typed() {
    let refused = Refused {
        act: Act::Rollback,
        message: "Nothing was changed: that is not the flag's key.".to_owned(),
        reason: HOSTILE.to_owned(),
        confirmation: "canary".to_owned(),
    };
    let html = Head { refused: Some(refused), ..head(Some(State::Running)) }.render().unwrap();
    assert_eq!(html.matches("data-open").count(), 1);
    assert!(html.contains("value=\"canary\""));
    assert!(html.contains("role=\"alert\""));
    assert!(!html.contains("<script>"));
}

#[test]
fn who_may_do_nothing_is_told_why() {
    let locked = Some("Changing it needs the role operator.".to_owned());
    let html = Head { locked, ..head(Some(State::Running)) }.render().unwrap();
    assert!(html.contains("Changing it needs the role operator."));
    assert!(!html.contains("<form"));
}

#[test]
fn without_a_canary_the_page_gives_the_commands() {
    let html = page(None).render().unwrap();
    assert!(html.contains("No canary in production"));
    let address = "http://127.0.0.1:8080/api/v1/projects/default/environments/production/flags/canary.pay/canary";
    assert!(html.contains(&format!("curl -X PUT &#39;{address}&#39;")), "{html}");
    assert!(html.contains(&format!("curl -X POST &#39;{address}/start&#39;")));
    assert!(!html.contains("id=\"live\""));
    assert!(!html.contains("popover"));
}

#[test]
fn what_has_no_data_yet_says_so() {
    let mut draft = live(State::Draft);
    draft.guards = vec![GuardTile {
        figures: Figures::default(),
        interval: IntervalPicture::new(Bound::Margin(0.05), None),
        trend: None,
        evidence: Evidence::new(0.0, 500_f64.ln()),
        ..tile(GuardVerdict::Waiting)
    }];
    let html = draft.render().unwrap();
    for expected in ["no data yet", "no estimate yet", "no windows yet", ">waiting</span>", "None yet"] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("class=\"range\""));
}

#[test]
fn hostile_text_stays_text_and_nothing_needs_inline_style() {
    let mut live = rolled_back();
    live.guards[0].name = HOSTILE.to_owned();
    live.guards[0].note = HOSTILE.to_owned();
    live.top_errors[0].label = HOSTILE.to_owned();
    live.decisions[0].reason = HOSTILE.to_owned();
    live.decisions[0].by = HOSTILE.to_owned();
    live.place.flag = HOSTILE.to_owned();
    live.facts = vec![Fact { label: HOSTILE.to_owned(), text: HOSTILE.to_owned(), title: HOSTILE.to_owned() }];
    let mut page = page(Some(live));
    page.head.place.flag = HOSTILE.to_owned();
    page.head.started_by = HOSTILE.to_owned();
    let html = page.render().unwrap();
    assert!(!html.contains("<script>"), "{html}");
    assert_eq!(html.matches("<script ").count(), 2, "only the two of the layout");
    for refused in [" style=", "<style", "javascript:", "hx-on", " onclick"] {
        assert!(!html.contains(refused), "{refused}");
    }
}

#[test]
fn evidence_grows_in_words() {
    let words = |e: f64| Evidence::new(e.ln(), 500_f64.ln()).words;
    assert_eq!(words(0.4), "none");
    assert_eq!(words(3.0), "weak");
    assert_eq!(words(20.0), "growing");
    assert_eq!(words(300.0), "close to acting");
    assert_eq!(words(500.0), "enough to act");
    let over = Evidence::new(1e3, 500_f64.ln());
    assert_eq!((over.value.as_str(), over.share), ("over 1 million", Position::new(100.0)));
    assert_eq!(Evidence::new(f64::NAN, 6.2).share, Position::new(0.0));
}
