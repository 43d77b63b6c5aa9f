use super::*;

#[test]
fn the_reach_is_said_in_words() {
    let reach = |reached, connected| Reach { environment: "e".to_owned(), revision: 812, reached, connected };
    assert_eq!(reach(0, 0).who(), "no instance connected");
    assert_eq!(reach(0, 1).who(), "0 of 1 instance");
    assert_eq!(reach(1, 1).who(), "the one instance");
    assert_eq!(reach(1_500, 1_500).who(), "all 1,500 instances");
    assert_eq!(reach(497, 500).who(), "497 of 500 instances");
    assert_eq!(reach(497, 500).percent(), 99);
    assert_eq!(reach(0, 0).percent(), 100);
    assert!(!reach(497, 500).is_complete());
}

#[test]
fn the_foot_asks_only_for_what_is_new() {
    let environments = vec![
        Reach { environment: "staging".to_owned(), revision: 4, reached: 2, connected: 3 },
        Reach { environment: "<b>".to_owned(), revision: 812, reached: 0, connected: 0 },
    ];
    let html = ReachList { project: "default".to_owned(), environments }.render().unwrap();
    assert!(html.contains("hx-get=\"/ui/projects/default/reach?seen=4.2.3_812.0.0\""), "{html}");
    assert!(html.contains("<span class=\"behind\">2 of 3 instances</span>"));
    assert!(html.contains("&#60;b&#62;"));
}

#[test]
fn an_error_tells_the_request_and_the_next_step() {
    let page = ErrorPage {
        status: 404,
        title: "No such flag".to_owned(),
        sentence: "There is no flag <script>.".to_owned(),
        request_id: "0192-abc".to_owned(),
        next: Choice { label: "All flags".to_owned(), href: "/ui".to_owned(), current: false },
    };
    let html = page.render().unwrap();
    assert!(html.contains("<code>0192-abc</code>"));
    assert!(html.contains("href=\"/ui\">All flags</a>"));
    assert!(html.contains("There is no flag &#60;script&#62;."));
    assert!(html.contains("<title>No such flag · Bellwether</title>"));
}
