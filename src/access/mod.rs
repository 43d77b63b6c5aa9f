//! Who may do what.

pub mod pages;
