mod archive;
mod buckets;
mod configuration;
mod create;
mod list;
mod patch;
mod switch;
