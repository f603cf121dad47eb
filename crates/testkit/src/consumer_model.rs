//! A model of consumers, and the comparison of real ones with it over random schedules.

mod compare;
mod lookups;
mod model;
mod operations;
mod reopen;
pub mod run;
mod schedule;
mod values;
