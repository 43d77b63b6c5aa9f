//! The edge: routes, the error table, request ids, limits and headers. Handlers stand in each domain's `api` and
//! `pages` and stay thin: parse, one call, respond.

mod body;
pub mod caller;
pub mod health;
mod paging;
pub mod problem;
pub mod request;

pub use body::Json;
pub use caller::IfMatch;
pub use paging::{Page, Paging};
