use actix_web::{HttpResponse, web};

use super::Desk;
use super::ask::AskPage;
use crate::error::{Error, Result};
use crate::flags::{BulkAction, BulkInput, FlagFilter, shrinks};
use crate::http::display::counted;
use crate::http::shell::Choice;
use crate::http::{PageCaller, Posted, links, page};
use crate::projects::{Environment, Frame};

/// What the form of the list can do, of which a user may do some. `href` holds the field's value.
pub(super) fn choices(user: &PageCaller, environments: &[Environment]) -> Vec<Choice> {
    let may = |one: &&Environment| user.caller.require_change(one.production).is_ok();
    let choice = |label: String, value: String| Choice { label, href: value, current: false };
    let mut choices = Vec::new();
    for (verb, words) in [("enable", "Turn on"), ("disable", "Turn off")] {
        for one in environments.iter().filter(may) {
            choices.push(choice(format!("{words} in {}", one.key), format!("{verb}:{}", one.key)));
        }
    }
    if user.caller.require_change(false).is_ok() {
        choices.push(choice("Add the tag".to_owned(), "tag".to_owned()));
        choices.push(choice("Remove the tag".to_owned(), "untag".to_owned()));
    }
    if user.caller.require_change(true).is_ok() {
        choices.push(choice("Archive".to_owned(), "archive".to_owned()));
    }
    choices
}

/// The form's fields; the flags and what else was chosen.
#[derive(Clone, Debug, Default)]
struct Fields {
    action: String,
    tag: String,
    reason: String,
    confirmation: String,
    flags: Vec<String>,
    /// What the list showed, to lead back there.
    search: String,
    show: String,
    ticked: bool,
    /// Whether the page that asks has been seen.
    asked: bool,
}

impl Fields {
    fn of(form: Vec<(String, String)>) -> Self {
        let mut fields = Self::default();
        for (name, value) in form {
            match name.as_str() {
                "action" => fields.action = value,
                "tag" => fields.tag = value.trim().to_owned(),
                "reason" => fields.reason = value,
                "confirmation" => fields.confirmation = value,
                "flag" => fields.flags.push(value),
                "q" => fields.search = value,
                "show" => fields.show = value,
                "ticked" => fields.ticked = value == "yes",
                "asked" => fields.asked = value == "yes",
                _ => {}
            }
        }
        fields
    }

    fn input(&self) -> Result<BulkInput> {
        let (verb, environment) = match self.action.split_once(':') {
            Some((verb, environment)) => (verb, Some(environment.to_owned())),
            None => (self.action.as_str(), None),
        };
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        let action = match verb {
            "enable" => BulkAction::Enable,
            "disable" => BulkAction::Disable,
            "archive" => BulkAction::Archive,
            "tag" => {
                add.push(self.tag.clone());
                BulkAction::Tag
            }
            "untag" => {
                remove.push(self.tag.clone());
                BulkAction::Tag
            }
            _ => return Err(Error::Malformed("the form names no action".to_owned())),
        };
        let (flags, reason) = (self.flags.clone(), self.reason.trim().to_owned());
        Ok(BulkInput { action, flags, environment, add, remove, reason })
    }
}

/// The page that asks before it is done.
fn question(frame: Frame, fields: &Fields, input: &BulkInput, used: usize) -> AskPage {
    let Frame { environments, mut shell } = frame;
    let flags = counted(input.flags.len() as u64, "flag", "flags");
    let here = input.environment.as_ref().and_then(|key| environments.iter().find(|one| one.key == *key));
    let production = here.map_or(input.action == BulkAction::Archive, |one| one.production);
    let place = input.environment.clone().unwrap_or_default();
    let (heading, sentence, submit) = match (input.action, input.add.is_empty()) {
        (BulkAction::Enable, _) => (
            format!("Turn {flags} on in {place}"),
            "Their targets, rules and splits decide again who is served what.".to_owned(),
            format!("Turn on in {place}"),
        ),
        (BulkAction::Disable, _) => (
            format!("Turn {flags} off in {place}"),
            "Everyone is served their off variations within a moment.".to_owned(),
            format!("Turn off in {place}"),
        ),
        (BulkAction::Tag, false) => (
            format!("Tag {flags}"),
            format!("Each of them is to have the tag “{}”. What they serve stays as it is.", fields.tag),
            "Add the tag".to_owned(),
        ),
        (BulkAction::Tag, true) => (
            format!("Remove a tag from {flags}"),
            format!("None of them is to have the tag “{}”. What they serve stays as it is.", fields.tag),
            "Remove the tag".to_owned(),
        ),
        (BulkAction::Archive, _) => (
            format!("Archive {flags}"),
            "No environment serves them any more: services get their own defaults. They can be brought back."
                .to_owned(),
            format!("Archive {flags}"),
        ),
    };
    let many = input.action == BulkAction::Archive && shrinks(used, input.flags.len());
    let carried = input.flags.iter().map(|flag| ("flag", flag.clone()));
    let own = [
        ("asked", "yes".to_owned()),
        ("action", fields.action.clone()),
        ("tag", fields.tag.clone()),
        ("q", fields.search.clone()),
        ("show", fields.show.clone()),
    ];
    let expected = match input.action {
        BulkAction::Archive => Some(shell.project.clone()),
        BulkAction::Enable | BulkAction::Disable if production => Some(place),
        _ => None,
    };
    shell.title.clone_from(&heading);
    shell.production = production;
    AskPage {
        heading,
        sentences: vec![sentence, "All of them are changed, or none.".to_owned()],
        flags: input.flags.clone(),
        action: links::flags_bulk(&shell.project),
        hidden: own.into_iter().chain(carried).collect(),
        reason: Some(fields.reason.clone()),
        expected,
        tick: many.then(|| format!("Yes: {} of the {used} flags in use", input.flags.len())),
        submit,
        back: links::flags_with(&shell.project, &fields.search, &fields.show),
        shell,
        ..AskPage::default()
    }
}

/// Asks first, and does it when that is confirmed.
pub(super) async fn run(
    posted: Posted<Vec<(String, String)>>,
    desk: web::Data<Desk>,
    path: web::Path<String>,
) -> Result<HttpResponse> {
    let Posted { user, form } = posted;
    let (project, fields) = (path.into_inner(), Fields::of(form));
    let input = fields.input()?;
    let frame = desk.frame(&user, project.clone()).await?;
    let used = desk.flags.list(&user.caller, project.clone(), FlagFilter::default()).await?.len();
    let page = question(frame, &fields, &input, used);
    let bulk = match input.checked() {
        Ok(bulk) => bulk,
        Err(Error::Invalid(faults)) => {
            let chosen = |pointer: &str| match pointer {
                "/flags" => "choose 1 to 500 flags".to_owned(),
                "/add" | "/add/0" | "/remove" => "give a tag of 1 to 60 characters".to_owned(),
                _ => String::new(),
            };
            let said = faults.into_iter().map(|fault| match chosen(&fault.pointer) {
                words if words.is_empty() => fault,
                message => bellwether_core::Fault { message, ..fault },
            });
            return AskPage { submit: String::new(), ..page }.refused(Error::Invalid(said.collect()));
        }
        Err(other) => return Err(other),
    };
    if !fields.asked {
        return page::render(&page);
    }
    if let Err(error) = page.confirmed(&fields.confirmation, fields.ticked) {
        return page.refused(error);
    }
    match desk.flags.bulk(&user.caller, project.clone(), bulk, fields.ticked).await {
        Ok(_) => Ok(page::see_other(&links::flags_with(&project, &fields.search, &fields.show))),
        Err(error) => page.refused(error),
    }
}
