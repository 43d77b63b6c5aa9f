//! Flags and their configuration in each environment.

pub mod pages;
