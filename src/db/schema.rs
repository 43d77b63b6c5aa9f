//! The tables, for every backend. Text, bigint, double and bool only; JSON is kept as text, to the letter.

diesel::table! {
    meta (name) { name -> Text, value -> Text, }
}

diesel::table! {
    projects (id) {
        id -> BigInt, key -> Text, name -> Text, description -> Text, version -> BigInt,
        created_at -> Text, updated_at -> Text,
    }
}

diesel::table! {
    environments (id) {
        id -> BigInt, project_id -> BigInt, key -> Text, name -> Text, production -> Bool, position -> BigInt,
        revision -> BigInt, state_hash -> Text, version -> BigInt, created_at -> Text, updated_at -> Text,
    }
}

diesel::table! {
    users (id) { id -> Text, username -> Text, password_hash -> Text, role -> Text, created_at -> Text, }
}

diesel::table! {
    credentials (id) {
        id -> Text, kind -> Text, hash -> Text, name -> Text, role -> Nullable<Text>,
        environment_id -> Nullable<BigInt>, user_id -> Nullable<Text>,
        created_at -> Text, expires_at -> Nullable<Text>, revoked_at -> Nullable<Text>,
        prefix -> Text, allowed_origins -> Text, version -> BigInt, last_used_at -> Nullable<Text>,
    }
}

diesel::table! {
    audit (sequence) {
        sequence -> BigInt, at -> Text, actor_kind -> Text, actor_id -> Text, actor_name -> Text, action -> Text,
        resource -> Text, project -> Nullable<Text>, environment -> Nullable<Text>, request_id -> Text,
        address -> Text, user_agent -> Text, status -> Text, reason -> Text, changes -> Text, hash -> Text,
    }
}

diesel::table! {
    flags (id) {
        id -> BigInt, project_id -> BigInt, key -> Text, value_type -> Text, definition -> Text, version -> BigInt,
        archived_at -> Nullable<Text>, created_at -> Text, updated_at -> Text, updated_by -> Text,
    }
}

diesel::table! {
    flag_configurations (flag_id, environment_id) {
        flag_id -> BigInt, environment_id -> BigInt, flag_key -> Text, version -> BigInt, configuration -> Text,
        release_json -> Nullable<Text>, served -> Nullable<Text>, digest -> Nullable<Text>,
        updated_at -> Text, updated_by -> Text,
    }
}

diesel::table! {
    flag_references (flag_id, environment_id, kind, target) {
        flag_id -> BigInt, environment_id -> BigInt, kind -> Text, target -> Text,
    }
}

diesel::table! {
    flag_versions (flag_id, environment_id, version) {
        flag_id -> BigInt, environment_id -> BigInt, version -> BigInt, revision -> BigInt, configuration -> Text,
        at -> Text, actor -> Text, action -> Text, reason -> Text, request_id -> Text,
        restored_version -> Nullable<BigInt>, served -> Nullable<Text>,
    }
}

diesel::table! {
    outbox (environment_id, revision) {
        environment_id -> BigInt, revision -> BigInt, message -> Text, at -> Text, hash -> Nullable<Text>,
    }
}

diesel::table! {
    segments (id) {
        id -> BigInt, project_id -> BigInt, key -> Text, name -> Text, description -> Text, rules -> Text,
        included -> BigInt, excluded -> BigInt, version -> BigInt, digest -> Text,
        created_at -> Text, updated_at -> Text, updated_by -> Text,
    }
}

diesel::table! {
    segment_chunks (segment_id, list, first_key, since) {
        segment_id -> BigInt, list -> Text, first_key -> Text, since -> BigInt, until -> Nullable<BigInt>, keys -> Text,
    }
}

diesel::table! {
    segment_versions (segment_id, version) {
        segment_id -> BigInt, version -> BigInt, rules -> Text, included -> BigInt, excluded -> BigInt, digest -> Text,
        at -> Text, actor -> Text, action -> Text, reason -> Text, request_id -> Text,
    }
}

diesel::table! {
    segment_revisions (environment_id, segment_id, revision) {
        segment_id -> BigInt, environment_id -> BigInt, revision -> BigInt, version -> BigInt,
    }
}

diesel::table! {
    canaries (flag_id, environment_id) {
        flag_id -> BigInt, environment_id -> BigInt, version -> BigInt, state -> Text, policy -> Text,
        progress -> Nullable<Text>, updated_at -> Text,
    }
}

diesel::table! {
    canary_log (id) {
        id -> BigInt, flag_id -> BigInt, environment_id -> BigInt, release_id -> Nullable<Text>, at -> Text,
        actor -> Text, event -> Text, stage -> Nullable<BigInt>, percentage -> Nullable<Double>, reason -> Text,
        verdict_id -> Nullable<Text>,
    }
}

diesel::table! {
    guard_states (release_id, guard) { release_id -> Text, guard -> Text, position -> BigInt, state -> Text, }
}

diesel::table! {
    verdicts (id) {
        id -> Text, flag_id -> BigInt, environment_id -> BigInt, release_id -> Text, at -> Text, decision -> Text,
        record -> Text,
    }
}

diesel::table! {
    measurement_windows (release_id, start, arm, metric) {
        release_id -> Text, start -> Text, arm -> Text, metric -> Text, seconds -> BigInt, summary -> Text,
    }
}

diesel::table! {
    measurement_batches (environment_id, instance, sequence) {
        environment_id -> BigInt, instance -> Text, sequence -> BigInt, at -> Text,
    }
}

diesel::table! {
    flag_usage (environment_id, flag_key, variation) {
        environment_id -> BigInt, flag_key -> Text, variation -> Text, evaluations -> BigInt, first_at -> Text,
        last_at -> Text,
    }
}

diesel::joinable!(flag_references -> flags (flag_id));
diesel::joinable!(flag_references -> environments (environment_id));

diesel::allow_tables_to_appear_in_same_query!(
    projects,
    environments,
    users,
    credentials,
    flags,
    flag_configurations,
    flag_references,
    canaries,
    segments,
    segment_revisions,
    segment_versions,
);
