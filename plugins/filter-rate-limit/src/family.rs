//! Families of actions: what one bucket counts together.

use sukkal_plugin_sdk::{Action, Subject};

/// A family of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Posting messages.
    Post,
    /// Listing and reading messages.
    Read,
    /// Making, renewing and reading claims.
    Claim,
    /// Deleting messages and releasing claims, pops included.
    Delete,
    /// Queues, topics and subscriptions: making, changing, listing, counting.
    Manage,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 5] = [Family::Post, Family::Read, Family::Claim, Family::Delete, Family::Manage];

    /// As settings and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Post => "post",
            Family::Read => "read",
            Family::Claim => "claim",
            Family::Delete => "delete",
            Family::Manage => "manage",
        }
    }

    /// The family of an action; none for what is never limited: documents, pings, administration.
    pub fn of(action: Action) -> Option<Family> {
        match action {
            Action::MessagePost => Some(Family::Post),
            Action::MessageList | Action::MessageGet | Action::MessageGetMany => Some(Family::Read),
            Action::ClaimCreate | Action::ClaimGet | Action::ClaimUpdate => Some(Family::Claim),
            Action::MessageDelete | Action::MessageDeleteMany | Action::ClaimDelete => Some(Family::Delete),
            _ => match action.subject()? {
                Subject::Queue | Subject::Topic | Subject::Subscription => Some(Family::Manage),
                _ => None,
            },
        }
    }

    /// The actions of the family.
    pub fn actions(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| Family::of(*action) == Some(self))
    }
}
