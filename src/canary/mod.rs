//! Canaries: a release that climbs its stages while guards watch it.

pub mod pages;
pub mod picture;
