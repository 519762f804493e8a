//! Who wants which moment of which action, worked out once.

use sukkal_plugin_sdk::{Action, Moment};

use super::{FilterSpec, held};

/// For each action and moment, the positions of the filters that want it, in their order.
pub struct Plan(Vec<Box<[usize]>>);

const ACTIONS: usize = 128;
const MOMENTS: usize = Moment::ALL.len();

impl Plan {
    /// Asks each filter what it wants. One that panics at that is wanted nowhere, and said so.
    pub fn of(filters: &[FilterSpec]) -> Self {
        let mut plan = vec![Vec::new(); ACTIONS * MOMENTS];
        for (position, filter) in filters.iter().enumerate() {
            let inside = held::enter(&filter.name, "interest");
            let interest = filter.filter.interest();
            drop(inside);
            let Some(interest) = interest else {
                tracing::error!(filter = &*filter.name, "the filter panicked when asked what it wants; it is left out");
                continue;
            };
            let actions = if filter.actions.is_empty() { Action::ALL } else { &filter.actions };
            for action in actions {
                for moment in Moment::ALL {
                    if interest.wants(moment, *action) {
                        plan[index(moment, *action)].push(position);
                    }
                }
            }
        }
        Plan(plan.into_iter().map(Vec::into_boxed_slice).collect())
    }

    /// The positions of those who want a moment of an action.
    pub fn who_wants(&self, moment: Moment, action: Action) -> &[usize] {
        self.0.get(index(moment, action)).map_or(&[], |positions| positions)
    }
}

fn index(moment: Moment, action: Action) -> usize {
    action.code() as usize * MOMENTS + moment as usize
}
