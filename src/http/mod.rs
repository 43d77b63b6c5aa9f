//! What every page is made of, besides the routes: its shell, addresses, assets and figures as text.

pub mod assets;
pub mod display;
pub mod links;
pub mod shell;
