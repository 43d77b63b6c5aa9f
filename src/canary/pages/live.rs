use super::seen::Seen;
use super::{Head, Live, stages, story, tile};
use crate::access::Role;
use crate::http::PageCaller;
use crate::http::display::Moment;
use crate::http::links::Place;

/// The part of the page that follows the canary.
pub(super) fn live(seen: &Seen) -> Live {
    let guards = &seen.detail.guards;
    Live {
        place: seen.place.clone(),
        state: seen.state(),
        mark: seen.mark(),
        banner: story::banner(seen),
        stages: stages::stages(seen),
        next: stages::next(seen),
        guards: guards.iter().map(|guard| tile::tile(guard, &seen.points(guard), seen.span(), seen.now)).collect(),
        facts: story::facts(seen),
        top_errors: story::top_errors(seen),
        decisions: story::decisions(seen),
        head: None,
    }
}

/// The head of the page, as `user` may use it.
pub(super) fn head(user: &PageCaller, seen: &Seen) -> Head {
    let policy = &seen.detail.canary.policy;
    let progress = seen.progress();
    let needed = Role::to_change(seen.detail.production);
    let locked = user.caller.require(needed).is_err();
    Head {
        production: seen.detail.production,
        state: Some(seen.state()),
        started: progress.map(|progress| Moment::new(progress.started_at, seen.now)),
        started_by: progress.map(|progress| progress.started_by.clone()).unwrap_or_default(),
        acts: seen.state().acts(),
        locked: locked.then(|| format!("Changing it needs the role {}.", needed.name())),
        treatment: policy.treatment.clone(),
        control: policy.control.clone(),
        layer: policy.layer.as_ref().map(story::part_of_layer),
        ..bare_head(user, seen.place.clone())
    }
}

/// The head of a page without a canary.
pub(super) fn bare_head(user: &PageCaller, place: Place) -> Head {
    Head { place, csrf: user.csrf(), ..Head::default() }
}

#[cfg(test)]
mod tests;
