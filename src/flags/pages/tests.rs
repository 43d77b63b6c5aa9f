use chrono::{DateTime, Utc};

use super::*;
use crate::http::shell::{Counts, Notice, User};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn cell(environment: &str, production: bool) -> SwitchCell {
    SwitchCell {
        place: Place {
            project: "default".to_owned(),
            environment: environment.to_owned(),
            flag: "feature.new-dashboard".to_owned(),
        },
        production,
        enabled: true,
        state: StateText { text: "on 25 %".to_owned(), tone: Tone::Plain },
        off_variation: "off".to_owned(),
        csrf: "t0ken".to_owned(),
        ..SwitchCell::default()
    }
}

fn page() -> FlagListPage {
    let now: DateTime<Utc> = "2026-11-21T10:42:15Z".parse().unwrap();
    FlagListPage {
        shell: Shell {
            title: "Flags".to_owned(),
            project: "default".to_owned(),
            counts: Counts { flags: 1, canaries: 2, rolled_back: 1 },
            user: User { name: "ada".to_owned(), role: "operator".to_owned() },
            csrf: "t0ken".to_owned(),
            production: true,
            ..Shell::default()
        },
        filters: vec![
            Filter { label: "All".to_owned(), count: 1, ..Filter::default() },
            Filter { show: "canaries".to_owned(), label: "Canaries".to_owned(), count: 1, tone: Tone::Plain },
        ],
        environments: vec![
            Environment { key: "staging".to_owned(), production: false },
            Environment { key: "production".to_owned(), production: true },
        ],
        flags: vec![FlagRow {
            history: "/history".to_owned(),
            key: "feature.new-dashboard".to_owned(),
            name: "The rebuilt dashboard".to_owned(),
            kind: "release".to_owned(),
            owner: "web".to_owned(),
            tags: vec!["web".to_owned()],
            stale: None,
            cells: vec![cell("staging", false), cell("production", true)],
            changed: Moment::new("2026-11-21T10:40:00Z".parse().unwrap(), now),
            changed_by: "ada".to_owned(),
        }],
        server: "http://127.0.0.1:8080".to_owned(),
        ..FlagListPage::default()
    }
}

#[test]
fn a_switch_is_a_form_that_works_by_itself_and_swaps_only_its_cell() {
    let html = cell("staging", false).render().unwrap();
    let action = "/ui/projects/default/environments/staging/flags/feature.new-dashboard/disable";
    assert!(html.contains(&format!("<form method=\"post\" action=\"{action}\" hx-post=\"{action}\"")), "{html}");
    assert!(html.contains("hx-target=\"closest .cell\" hx-swap=\"outerHTML\""));
    assert!(html.contains("role=\"switch\" aria-checked=\"true\" aria-label=\"feature.new-dashboard in staging\""));
    assert!(html.contains("name=\"csrf_token\" value=\"t0ken\""));
    assert!(!html.contains("hx-confirm"), "only production asks");
}

#[test]
fn the_fragment_is_one_element() {
    let html = cell("staging", false).render().unwrap();
    assert!(html.trim().starts_with("<div class=\"cell\">") && html.trim().ends_with("</div>"), "{html}");
    assert_eq!(html.matches("<div").count(), 1);
}

#[test]
fn production_asks_and_has_its_name_on_the_switch() {
    let html = cell("production", true).render().unwrap();
    assert!(html.contains("<span class=\"where\">production</span>"));
    assert!(html.contains("hx-confirm=\"Turn feature.new-dashboard off in production?"));
    assert!(html.contains("data-confirm-yes=\"Turn off in production\""));
}

#[test]
fn what_is_off_says_so_and_turns_on() {
    let html = SwitchCell { enabled: false, ..cell("production", true) }.render().unwrap();
    assert!(html.contains("aria-checked=\"false\""));
    assert!(html.contains("/enable\""));
    assert!(html.contains(">off<span"));
    assert!(!html.contains("on 25 %"));
    assert!(html.contains("data-confirm-yes=\"Turn on in production\""));
}

#[test]
fn who_may_not_turn_it_is_told_why() {
    let html = SwitchCell { locked: Some("needs operator".to_owned()), ..cell("production", true) }.render().unwrap();
    assert!(html.contains("aria-label=\"feature.new-dashboard in production, needs operator\" disabled"), "{html}");
}

#[test]
fn a_row_names_every_environment() {
    let html = page().render().unwrap();
    assert_eq!(html.matches("role=\"switch\"").count(), 2);
    assert!(html.contains("<th role=\"columnheader\" scope=\"col\" class=\"environment production\">production</th>"));
    assert!(html.contains("title=\"21 Nov 2026, 10:40:00 UTC\""));
    assert!(html.contains("1 flag in default"));
    assert!(html.contains("class=\"app in-production\""));
    assert!(html.contains("1<span class=\"unseen\"> rolled back</span>"));
}

#[test]
fn hostile_names_stay_text() {
    let mut page = page();
    page.shell.search = HOSTILE.to_owned();
    page.shell.project = HOSTILE.to_owned();
    page.shell.user.name = HOSTILE.to_owned();
    page.shell.notice = Some(Notice { tone: Tone::Harm, text: HOSTILE.to_owned() });
    page.filters[0].label = HOSTILE.to_owned();
    let row = &mut page.flags[0];
    row.key = HOSTILE.to_owned();
    row.name = HOSTILE.to_owned();
    row.owner = HOSTILE.to_owned();
    row.tags = vec![HOSTILE.to_owned()];
    row.changed_by = HOSTILE.to_owned();
    for cell in &mut row.cells {
        cell.place.flag = HOSTILE.to_owned();
        cell.place.environment = HOSTILE.to_owned();
        cell.state.text = HOSTILE.to_owned();
        cell.off_variation = HOSTILE.to_owned();
        cell.search = HOSTILE.to_owned();
    }
    let html = page.render().unwrap();
    assert!(!html.contains("<script>"), "{html}");
    assert!(!html.contains("</script>\""));
    assert_eq!(html.matches("<script ").count(), 2, "only the two of the layout");
}

#[test]
fn no_markup_needs_more_than_the_content_security_policy_allows() {
    let html = page().render().unwrap();
    for refused in [" style=", "<style", "javascript:", "hx-on", " onclick", " onsubmit", "http://", "https://"] {
        assert!(!html.contains(refused), "{refused}");
    }
}

#[test]
fn a_very_long_key_is_shown_in_full() {
    let mut page = page();
    page.flags[0].key = "k".repeat(100);
    assert!(page.render().unwrap().contains(&format!("<span class=\"key\">{}</span>", "k".repeat(100))));
}

#[test]
fn without_flags_the_page_says_what_one_is_for() {
    let mut page = page();
    page.flags.clear();
    page.shell.counts = Counts::default();
    let html = page.render().unwrap();
    assert!(html.contains("No flags yet"));
    assert!(html.contains("curl -X POST &#39;http://127.0.0.1:8080/api/v1/projects/default/flags&#39;"));
    assert!(html.contains("data-copy=\"first-flag\""));
    assert!(!html.contains("<table"));
}

#[test]
fn a_stale_flag_says_why() {
    let mut page = page();
    assert!(!page.render().unwrap().contains("Potentially stale"));
    page.flags[0].stale = Some("production has served only `<on>` for 30 days".to_owned());
    let html = page.render().unwrap();
    assert!(
        html.contains(
            "Potentially stale</span> production has served only <span class=\"key\">&#60;on&#62;</span> for 30 days"
        ),
        "{html}"
    );
}

#[test]
fn a_search_without_a_match_offers_all() {
    let mut page = page();
    page.flags.clear();
    page.shell.search = "zz&z".to_owned();
    page.show = "canaries".to_owned();
    let html = page.render().unwrap();
    assert!(html.contains("No flag matches “zz&#38;z” with this filter."), "{html}");
    assert!(html.contains("href=\"/ui/projects/default/flags\">Show all flags</a>"));
    assert!(html.contains("href=\"/ui/projects/default/flags?q=zz%26z&#38;show=canaries\" aria-current=\"true\""));
}
