use diesel::prelude::*;

use super::ConfigurationRecord;
use crate::db::schema::{environments, flag_references, flags};
use crate::db::{Connection, on_backend};
use crate::error::Result;

/// What a configuration may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flags) enum ReferenceKind {
    /// Another flag.
    Prerequisite,
    /// A segment.
    Segment,
}

impl ReferenceKind {
    fn name(self) -> &'static str {
        match self {
            Self::Prerequisite => "prerequisite",
            Self::Segment => "segment",
        }
    }
}

/// A flag that names something, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::flags) struct Dependent {
    /// The flag's key.
    pub(in crate::flags) flag: String,
    /// The environment's id in the store.
    pub(in crate::flags) environment_id: i64,
    /// The environment's key.
    pub(in crate::flags) environment: String,
    /// Whether that is a production environment.
    pub(in crate::flags) production: bool,
}

/// Keeps what a configuration names.
pub(super) fn keep(connection: &mut Connection<'_>, record: &ConfigurationRecord) -> Result<()> {
    let key = (record.flag_id, record.environment_id);
    let known: Vec<(String, String)> = {
        let query = flag_references::table
            .filter(flag_references::flag_id.eq(key.0))
            .filter(flag_references::environment_id.eq(key.1))
            .select((flag_references::kind, flag_references::target));
        on_backend!(connection, |c| query.load(c))?
    };
    let named = record.configuration.references();
    let mut named: Vec<_> = named.into_iter().map(|(kind, target)| (kind.name().to_owned(), target)).collect();
    named.sort_unstable();
    named.dedup();
    for (kind, target) in known.iter().filter(|known| !named.contains(known)) {
        let gone = flag_references::table.find((key.0, key.1, kind, target));
        on_backend!(connection, |c| diesel::delete(gone).execute(c))?;
    }
    for (kind, target) in named.iter().filter(|named| !known.contains(named)) {
        let insert = diesel::insert_into(flag_references::table).values((
            flag_references::flag_id.eq(key.0),
            flag_references::environment_id.eq(key.1),
            flag_references::kind.eq(kind),
            flag_references::target.eq(target),
        ));
        on_backend!(connection, |c| insert.execute(c))?;
    }
    Ok(())
}

/// Removes what a flag's configurations name, everywhere.
pub(super) fn delete(connection: &mut Connection<'_>, flag: i64) -> Result<()> {
    let of_flag = flag_references::table.filter(flag_references::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(of_flag).execute(c))?;
    Ok(())
}

/// Every `(flag, target)` of one kind among the flags in use of an environment, by key.
pub(in crate::flags) fn references_in(
    connection: &mut Connection<'_>,
    environment: i64,
    kind: ReferenceKind,
) -> Result<Vec<(String, String)>> {
    let query = flag_references::table
        .inner_join(flags::table)
        .filter(flag_references::environment_id.eq(environment))
        .filter(flag_references::kind.eq(kind.name()))
        .filter(flags::archived_at.is_null())
        .order((flags::key, flag_references::target))
        .select((flags::key, flag_references::target));
    Ok(on_backend!(connection, |c| query.load(c))?)
}

/// The flags in use of a project that name `target`, by environment and key.
pub(in crate::flags) fn dependents(
    connection: &mut Connection<'_>,
    project: i64,
    kind: ReferenceKind,
    target: &str,
) -> Result<Vec<Dependent>> {
    let query = flag_references::table
        .inner_join(flags::table)
        .inner_join(environments::table)
        .filter(environments::project_id.eq(project))
        .filter(flag_references::kind.eq(kind.name()))
        .filter(flag_references::target.eq(target))
        .filter(flags::archived_at.is_null())
        .order((environments::position, flags::key))
        .select((flags::key, environments::id, environments::key, environments::production));
    let rows: Vec<(String, i64, String, bool)> = on_backend!(connection, |c| query.load(c))?;
    let dependent =
        |(flag, environment_id, environment, production)| Dependent { flag, environment_id, environment, production };
    Ok(rows.into_iter().map(dependent).collect())
}
