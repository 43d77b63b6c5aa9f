use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use super::{Callers, parameter, response};

/// What says which answers an operation can give.
pub(super) struct Nature<'n> {
    pub(super) method: HttpMethod,
    pub(super) path: &'n str,
    pub(super) callers: Callers,
}

/// Adds what holds for every operation of such a nature.
pub(super) fn complete(operation: &mut Operation, nature: &Nature<'_>) {
    parameter::complete(operation.parameters.get_or_insert_default(), nature.path);
    let statuses = refusals(operation, nature);
    for answer in operation.responses.responses.iter_mut() {
        response::dress(answer);
    }
    for status in statuses {
        let known = operation.responses.responses.contains_key(&status.to_string());
        if !known {
            let problem = response::problem_of(status, nature.is_ofrep());
            operation.responses.responses.insert(status.to_string(), problem);
        }
    }
}

impl Nature<'_> {
    fn is_ofrep(&self) -> bool {
        self.path.starts_with("/ofrep/")
    }

    fn writes(&self) -> bool {
        self.method != HttpMethod::Get
    }
}

/// The statuses of the problem documents that an operation can answer.
fn refusals(operation: &Operation, nature: &Nature<'_>) -> Vec<u16> {
    let staff = nature.callers == Callers::Staff;
    let parameters = operation.parameters.iter().flatten().filter_map(given);
    let (mut queried, mut placed, mut version) = (false, false, None);
    for parameter in parameters {
        queried |= parameter.parameter_in == ParameterIn::Query;
        placed |= parameter.parameter_in == ParameterIn::Path;
        if parameter.name == "If-Match" {
            version = Some(parameter.required == Required::True);
        }
    }
    let body = operation.request_body.is_some();
    let table = [
        // An address that can't be read, at the least.
        (400, true),
        (401, nature.callers != Callers::Anyone),
        (403, nature.callers != Callers::Anyone),
        // A new token is for a project and an environment, which its body names.
        (404, placed || (nature.writes() && nature.path.ends_with("/tokens"))),
        // An archived flag has no configuration to show.
        (409, staff && (nature.writes() || nature.path.contains("/{flag}"))),
        (412, version.is_some()),
        (413, body),
        (415, body),
        (422, !nature.is_ofrep() && (body || queried || (staff && nature.writes()))),
        (428, version == Some(true)),
        (429, nature.callers != Callers::Anyone),
        // What comes out of memory needs no store.
        (503, staff || (body && !nature.is_ofrep())),
    ];
    table.into_iter().filter_map(|(status, can)| can.then_some(status)).collect()
}

fn given(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}
