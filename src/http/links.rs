//! The addresses of the pages, in one place: a key may hold any character, so each part is percent-encoded.

use askama::filters::urlencode_strict;

/// Where a person logs in.
pub const LOGIN: &str = "/login";
/// Where the log-out form posts to.
pub const LOGOUT: &str = "/logout";
/// The first page: it leads to a project's flags.
pub const HOME: &str = "/ui";

/// The log-in, and afterwards `next`: a path on this server with its query.
#[must_use]
pub fn login(next: &str) -> String {
    format!("{LOGIN}?next={}", encoded(next))
}

/// `next` if it is the address of a page of this server, else the first page: whatever a link to the log-in says,
/// nobody is led to another site.
#[must_use]
pub fn page_or_home(next: &str) -> &str {
    let page = next.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if page && plain { next } else { HOME }
}

/// A flag in an environment of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The project's key.
    pub project: String,
    /// The environment's key.
    pub environment: String,
    /// The flag's key.
    pub flag: String,
}

/// What a test of a user asks, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The targeting key; empty for none.
    pub key: String,
    /// The attributes as JSON; may be empty.
    pub context: String,
    /// A past time; empty for now.
    pub at: String,
    /// A revision; empty for the newest.
    pub revision: String,
}

impl Question {
    /// The time as a browser's field takes it, which knows no offset: it is in UTC.
    #[must_use]
    pub fn at_field(&self) -> &str {
        self.at.strip_suffix(['Z', 'z']).unwrap_or(&self.at)
    }
}

/// The flag list of a project.
#[must_use]
pub fn flags(project: &str) -> String {
    format!("/ui/projects/{}/flags", encoded(project))
}

/// The flag list with a search and a filter; what is empty is left out.
#[must_use]
pub fn flags_with(project: &str, search: &str, show: &str) -> String {
    format!("{}{}", flags(project), list_query(search, show))
}

/// `?q=…&show=…`, or less.
fn list_query(search: &str, show: &str) -> String {
    let parts: Vec<String> = [("q", search), ("show", show)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// What acts on many flags at once, asking first.
#[must_use]
pub fn flags_bulk(project: &str) -> String {
    format!("{}/bulk", flags(project))
}

/// What acts on an archived flag, asking first.
#[must_use]
pub fn archived_flag(project: &str, flag: &str, act: &str) -> String {
    format!("{}/{}/{act}", flags(project), encoded(flag))
}

/// The flags of a project in the admin API, below the server's address.
#[must_use]
pub fn api_flags(project: &str) -> String {
    format!("/api/v1/projects/{}/flags", encoded(project))
}

/// The foot of the rail: how far each environment's last change has reached. `seen` is the mark of what is shown now.
#[must_use]
pub fn reach(project: &str, seen: &str) -> String {
    format!("/ui/projects/{}/reach?seen={}", encoded(project), encoded(seen))
}

impl Place {
    /// The flag in this environment: the root of the addresses below.
    #[must_use]
    pub fn root(&self) -> String {
        format!(
            "/ui/projects/{}/environments/{}/flags/{}",
            encoded(&self.project),
            encoded(&self.environment),
            encoded(&self.flag)
        )
    }

    /// What the switch posts to, to turn the flag on or off.
    #[must_use]
    pub fn switch(&self, on: bool) -> String {
        format!("{}/{}", self.root(), if on { "enable" } else { "disable" })
    }

    /// The page that asks before the switch turns, and the list to come back to.
    #[must_use]
    pub fn switch_question(&self, on: bool, search: &str, show: &str) -> String {
        format!("{}{}", self.switch(on), list_query(search, show))
    }

    /// The versions of the flag's configuration, or those before one.
    #[must_use]
    pub fn history(&self, before: Option<u64>) -> String {
        before.map_or_else(
            || format!("{}/history", self.root()),
            |before| format!("{}/history?before={before}", self.root()),
        )
    }

    /// The test of a user, of this one if it is asked.
    #[must_use]
    pub fn explain(&self, question: Option<&Question>) -> String {
        let page = format!("{}/explain", self.root());
        let Some(Question { key, context, at, revision }) = question else { return page };
        let fields = [("key", key), ("context", context), ("at", at), ("revision", revision)];
        let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
        format!("{page}?{}", fields.join("&"))
    }

    /// The form for a test of a user at a revision.
    #[must_use]
    pub fn explain_at(&self, revision: u64) -> String {
        format!("{}/explain?revision={revision}", self.root())
    }

    /// The page that asks before a version is restored, and what its form posts to.
    #[must_use]
    pub fn restore(&self, version: u64) -> String {
        format!("{}/history/{version}/restore", self.root())
    }

    /// The canary's page.
    #[must_use]
    pub fn canary(&self) -> String {
        format!("{}/canary", self.root())
    }

    /// The part of the canary's page that follows the canary. `seen` is the mark of what the page shows now, `state`
    /// the canary's state in its head.
    #[must_use]
    pub fn canary_live(&self, seen: &str, state: &str) -> String {
        format!("{}/canary/live?seen={}&state={}", self.root(), encoded(seen), encoded(state))
    }

    /// What a form of the canary's page posts to.
    #[must_use]
    pub fn canary_action(&self, action: &str) -> String {
        format!("{}/canary/{}", self.root(), encoded(action))
    }

    /// The record of a decision of the canary's guards.
    #[must_use]
    pub fn canary_verdict(&self, id: &str) -> String {
        format!("{}/canary/verdicts/{}", self.root(), encoded(id))
    }

    /// The flag's configuration in the admin API, below the server's address.
    #[must_use]
    pub fn api(&self) -> String {
        format!(
            "/api/v1/projects/{}/environments/{}/flags/{}",
            encoded(&self.project),
            encoded(&self.environment),
            encoded(&self.flag)
        )
    }
}

/// Everything but letters, digits and `-._~` percent-encoded: safe as a path's segment and as a query's value.
fn encoded(text: &str) -> String {
    let Ok(filter) = urlencode_strict(text);
    filter.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_key_stays_one_segment() {
        let place = Place {
            project: "a/../b".to_owned(),
            environment: "prod uction".to_owned(),
            flag: "x?<script>&\"#'".to_owned(),
        };
        assert_eq!(
            place.canary_action("rollback"),
            "/ui/projects/a%2F..%2Fb/environments/prod%20uction/flags/x%3F%3Cscript%3E%26%22%23%27/canary/rollback"
        );
    }

    #[test]
    fn a_query_names_only_what_is_set() {
        assert_eq!(flags_with("default", "", ""), "/ui/projects/default/flags");
        assert_eq!(flags_with("default", "", "canaries"), "/ui/projects/default/flags?show=canaries");
        assert_eq!(flags_with("default", "a&b", "x"), "/ui/projects/default/flags?q=a%26b&show=x");
    }

    #[test]
    fn a_question_is_in_the_address() {
        let place = Place { project: "p".to_owned(), environment: "e".to_owned(), flag: "f".to_owned() };
        let question = Question { key: "u&1".to_owned(), context: "{\"a\": 1}".to_owned(), ..Question::default() };
        let page = "/ui/projects/p/environments/e/flags/f/explain";
        assert_eq!(place.explain(None), page);
        let query = "?key=u%261&context=%7B%22a%22%3A%201%7D&at=&revision=";
        assert_eq!(place.explain(Some(&question)), format!("{page}{query}"));
        assert_eq!(Question { at: "2026-11-21T14:03Z".to_owned(), ..question }.at_field(), "2026-11-21T14:03");
    }

    #[test]
    fn after_the_log_in_comes_a_page_of_this_server() {
        for own in ["/ui", "/ui?a=b", "/ui/projects/default/flags?q=a%26b&show=x"] {
            assert_eq!(page_or_home(own), own);
        }
        for other in ["", "/", "/uix", "//evil.example", "https://evil.example/ui", "/ui\\..", "/ui/\r\nx: y", "/ui/å"]
        {
            assert_eq!(page_or_home(other), HOME, "{other}");
        }
        assert_eq!(login("/ui?a=b&c"), "/login?next=%2Fui%3Fa%3Db%26c");
    }

    #[test]
    fn the_switch_posts_to_what_it_does() {
        let place = Place { project: "p".to_owned(), environment: "e".to_owned(), flag: "feature.a".to_owned() };
        assert_eq!(place.switch(true), "/ui/projects/p/environments/e/flags/feature.a/enable");
        assert_eq!(place.switch(false), "/ui/projects/p/environments/e/flags/feature.a/disable");
        assert_eq!(place.api(), "/api/v1/projects/p/environments/e/flags/feature.a");
    }
}
