//! What the log can tell of: every `noun.verb`.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Every action that is recorded, and what it means.
pub const ACTIONS: [(&str, &str); 40] = [
    ("canary.advance", "a canary came to its next stage"),
    ("canary.configure", "a canary's policy was written"),
    ("canary.delete", "a canary was removed"),
    ("canary.extend", "a stage's time runs again, for want of data"),
    ("canary.hold", "guards keep a canary where it is"),
    ("canary.pause", "a person keeps a canary where it is"),
    ("canary.promote", "treatment is served to everyone"),
    ("canary.resume", "a canary goes on"),
    ("canary.rollback", "control is served to everyone"),
    ("canary.start", "a canary's release began"),
    ("environment.create", "an environment was created"),
    ("environment.delete", "an environment was deleted"),
    ("environment.update", "an environment was changed"),
    ("flag.archive", "a flag was taken out of use"),
    ("flag.configure", "how an environment serves a flag was changed"),
    ("flag.create", "a flag was created"),
    ("flag.disable", "a flag was turned off in an environment"),
    ("flag.enable", "a flag was turned on in an environment"),
    ("flag.purge", "an archived flag was removed for good"),
    ("flag.restore", "an old version of how an environment serves a flag was brought back"),
    ("flag.rollout", "the shares of a flag were changed in an environment"),
    ("flag.target", "a user is served a variation of their own"),
    ("flag.unarchive", "an archived flag was brought back"),
    ("flag.untarget", "a user is served no longer anything of their own"),
    ("flag.update", "what a flag is was changed"),
    ("project.create", "a project was created"),
    ("project.delete", "a project was deleted"),
    ("project.update", "a project was changed"),
    ("segment.add_keys", "keys were added to a list of a segment"),
    ("segment.create", "a segment was created"),
    ("segment.delete", "a segment was removed"),
    ("segment.remove_keys", "keys were removed from a list of a segment"),
    ("segment.replace_keys", "a list of keys of a segment was replaced"),
    ("segment.update", "a segment was changed"),
    ("session.create", "a user logged in"),
    ("session.delete", "a user logged out"),
    ("store.init", "the store got its first user and credentials"),
    ("token.create", "a service token or a key was created"),
    ("token.revoke", "a service token or a key was revoked"),
    ("token.update", "a token's name or its origins were changed"),
];

/// Whether [`ACTIONS`] has it.
pub(super) fn is_known(action: &str) -> bool {
    ACTIONS.iter().any(|(known, _)| *known == action)
}

/// One of [`ACTIONS`].
pub(super) struct Action;

impl PartialSchema for Action {
    fn schema() -> RefOr<Schema> {
        let lines: Vec<_> = ACTIONS.iter().map(|(name, meaning)| format!("- `{name}`: {meaning}")).collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!("What was done:\n\n{}", lines.join("\n"))))
            .enum_values(Some(ACTIONS.map(|(name, _)| name)))
            .into()
    }
}

impl ToSchema for Action {
    fn name() -> std::borrow::Cow<'static, str> {
        "AuditAction".into()
    }
}
