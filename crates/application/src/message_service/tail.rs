//! The tail of a followed topic: its newest messages, read once and shared by all who follow it.

mod follower;
mod frame_ring;
mod registry;
mod topic_tail;

pub use follower::{FollowEvent, TopicFollower, TopicTails};
