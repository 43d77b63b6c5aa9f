//! The log-in page.

use askama::Template;

/// The log-in page.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "access/login.html")]
pub struct LoginPage {
    /// The token that the form posts back.
    pub csrf: String,
    /// The user name as it was typed.
    pub username: String,
    /// The path on this server to go to afterwards; empty for the first page.
    pub next: String,
    /// Why the last try failed, in a sentence that does not tell whether the user exists.
    pub fault: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_as_text() {
        let page = LoginPage {
            csrf: "t0ken".to_owned(),
            username: "\"><script>alert(1)</script>".to_owned(),
            next: "/ui?a=1&b=\"2".to_owned(),
            fault: Some("The user name or the password is <wrong>.".to_owned()),
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("name=\"csrf_token\" value=\"t0ken\""));
        assert!(html.contains("role=\"alert\""));
        assert!(html.contains("&#60;wrong&#62;"));
        assert!(!html.contains("value=\"/ui?a=1&b=\"2"));
    }

    #[test]
    fn the_first_look_has_no_fault_and_asks_for_the_name() {
        let html = LoginPage::default().render().unwrap();
        assert!(!html.contains("role=\"alert\""));
        assert!(html.contains("autocomplete=\"current-password\""));
        assert!(html.contains("<form class=\"card\" method=\"post\" action=\"/login\">"));
    }
}
