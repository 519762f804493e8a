//! Who wants which moment of which action, worked out once.

use std::sync::Arc;

use sukkal_plugin_sdk::{Action, Moment};

use super::{FilterSpec, OnError, Unfit, held};

/// For each action and moment, the positions of the filters that want it, in their order.
#[derive(Default)]
pub struct Plan(Vec<Box<[usize]>>);

const ACTIONS: usize = 128;
const MOMENTS: usize = Moment::ALL.len();

impl Plan {
    /// Asks each filter what it wants. A pipeline without one of them would be another one than its operator wants:
    /// without that which asks who a client is, everybody would be whoever they say they are.
    ///
    /// # Errors
    /// The first that does not say, or that would let in everybody while it fails; by its name.
    pub fn of(filters: &[FilterSpec]) -> Result<Self, (Arc<str>, Unfit)> {
        let mut plan = vec![Vec::new(); ACTIONS * MOMENTS];
        for (position, filter) in filters.iter().enumerate() {
            let unfit = |why| (filter.name.clone(), why);
            let inside = held::enter(&filter.name, "interest");
            let interest = filter.filter.interest();
            drop(inside);
            let interest = interest.ok_or_else(|| unfit(Unfit::Panicked))?;
            for action in Action::ALL {
                for moment in Moment::ALL {
                    // Who is asked of some actions alone who they are, may do all others as whoever they say they are.
                    let is_limited = moment != Moment::Authenticate && !filter.actions.is_empty();
                    let is_for = !is_limited || filter.actions.contains(action);
                    if is_for && interest.wants(moment, *action) {
                        if moment == Moment::Authenticate && filter.on_error == OnError::Pass {
                            return Err(unfit(Unfit::LetsIn));
                        }
                        plan[index(moment, *action)].push(position);
                    }
                }
            }
        }
        Ok(Plan(plan.into_iter().map(Vec::into_boxed_slice).collect()))
    }

    /// The positions of those who want a moment of an action.
    pub fn who_wants(&self, moment: Moment, action: Action) -> &[usize] {
        self.0.get(index(moment, action)).map_or(&[], |positions| positions)
    }
}

fn index(moment: Moment, action: Action) -> usize {
    action.code() as usize * MOMENTS + moment as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sukkal_plugin_sdk::load::LoadedFilter;
    use sukkal_plugin_sdk::{Filter, Interest};

    use super::*;

    /// A filter that wants this; none: it panics when it is asked.
    struct Wants(Option<Interest>);

    impl Filter for Wants {
        type State = ();

        fn interest(&self) -> Interest {
            self.0.expect("asked")
        }
    }

    fn spec(name: &str, wants: Option<Interest>, on_error: OnError) -> FilterSpec {
        FilterSpec {
            name: name.into(),
            filter: LoadedFilter::new(Wants(wants)),
            timeout: Duration::from_secs(5),
            on_error,
            projects: Vec::new(),
            queues: Vec::new(),
            actions: vec![Action::MessagePost],
            observer: None,
        }
    }

    fn unfit(filters: &[FilterSpec]) -> Option<(String, Unfit)> {
        Plan::of(filters).err().map(|(name, unfit)| (name.to_string(), unfit))
    }

    #[test]
    fn there_is_no_plan_without_a_filter_that_panics_or_with_one_that_lets_in_everybody() {
        let knows = Interest::none().all(Moment::Authenticate);
        let sound = || spec("sound", Some(knows), OnError::Refuse);
        assert_eq!(unfit(&[sound()]), None);
        let panics = spec("panics", None, OnError::Refuse);
        assert_eq!(unfit(&[sound(), panics]), Some(("panics".to_owned(), Unfit::Panicked)));
        let lets_in = spec("lets-in", Some(knows), OnError::Pass);
        assert_eq!(unfit(&[sound(), lets_in]), Some(("lets-in".to_owned(), Unfit::LetsIn)));
        let later = spec("later", Some(Interest::none().all(Moment::Request)), OnError::Pass);
        assert_eq!(unfit(&[sound(), later]), None);
        let elsewhere = Interest::none().on(Moment::Authenticate, &[Action::QueueCreate]);
        let lets_in = spec("elsewhere", Some(elsewhere), OnError::Pass);
        assert_eq!(unfit(&[lets_in]), Some(("elsewhere".to_owned(), Unfit::LetsIn)), "whatever it is limited to");
    }

    #[test]
    fn who_a_client_is_is_asked_whatever_actions_a_filter_is_limited_to() {
        let both = Interest::none().all(Moment::Authenticate).all(Moment::Request);
        let plan = Plan::of(&[spec("limited", Some(both), OnError::Refuse)]).unwrap_or_default();
        let wants = |moment, action| !plan.who_wants(moment, action).is_empty();
        assert!(wants(Moment::Request, Action::MessagePost) && !wants(Moment::Request, Action::QueueList));
        assert!(wants(Moment::Authenticate, Action::MessagePost) && wants(Moment::Authenticate, Action::QueueList));
    }
}
