//! A history that shows a fault, made as short as it still shows it: steps are left out, many at
//! first, and then what is left is made simpler, step by step.

use super::step::{Event, Step};

/// A search for a shorter history: [`Shrinking::candidate`] proposes, [`Shrinking::told`] is told
/// whether the fault still shows.
pub struct Shrinking {
    best: Vec<Step>,
    stage: Stage,
    /// Whether this round has found something: then there is another.
    found: bool,
}

/// What is tried next.
enum Stage {
    /// So many steps less, from this one on.
    Without { count: usize, from: usize },
    /// This step's simpler form of this number.
    Simpler { at: usize, form: usize },
}

impl Shrinking {
    /// Shrinks a history that shows a fault.
    pub fn new(steps: Vec<Step>) -> Shrinking {
        let mut shrinking = Shrinking { best: steps, stage: Stage::Without { count: 0, from: 0 }, found: false };
        shrinking.again();
        shrinking
    }

    /// The shortest so far.
    pub fn best(&self) -> &[Step] {
        &self.best
    }

    /// Begins anew with the shortest so far.
    pub fn again(&mut self) {
        self.stage = Stage::Without { count: self.best.len().div_ceil(2), from: 0 };
        self.found = false;
    }

    /// What is to be tried; none: it gets no shorter.
    pub fn candidate(&mut self) -> Option<Vec<Step>> {
        loop {
            match self.stage {
                Stage::Without { count, from } if from < self.best.len() => {
                    let end = (from + count).min(self.best.len());
                    return Some([&self.best[..from], &self.best[end..]].concat());
                }
                Stage::Without { count, .. } if count > 1 => {
                    self.stage = Stage::Without { count: count.div_ceil(2), from: 0 };
                }
                Stage::Simpler { at, form } if at < self.best.len() => {
                    if let Some(steps) = simpler(&self.best, at).into_iter().nth(form) {
                        return Some(steps);
                    }
                    self.stage = Stage::Simpler { at: at + 1, form: 0 };
                }
                Stage::Without { .. } => self.stage = Stage::Simpler { at: 0, form: 0 },
                // What could not be left out before may be now.
                Stage::Simpler { .. } if self.found => {
                    self.stage = Stage::Without { count: 1, from: 0 };
                    self.found = false;
                }
                Stage::Simpler { .. } => return None,
            }
        }
    }

    /// Whether what was proposed last shows the fault.
    pub fn told(&mut self, candidate: Vec<Step>, shows: bool) {
        match &mut self.stage {
            _ if shows => {
                // The next steps have come to where those were that are gone; a simpler step may
                // become simpler yet.
                if let Stage::Simpler { form, .. } = &mut self.stage {
                    *form = 0;
                }
                self.best = candidate;
                self.found = true;
            }
            Stage::Without { count, from } => *from += *count,
            Stage::Simpler { form, .. } => *form += 1,
        }
    }
}

/// A history with one step made simpler, in every way; where time passes, also with all the time in one step
/// that passes until the next step that is none of these.
fn simpler(steps: &[Step], at: usize) -> Vec<Vec<Step>> {
    let with = |event| {
        let mut steps = steps.to_vec();
        steps[at].event = event;
        steps
    };
    let mut forms: Vec<_> = steps[at].event.simpler().into_iter().map(with).collect();
    let passes = steps[at..].iter().map_while(|step| match step.event {
        Event::Pass { seconds } => Some(seconds),
        _ => None,
    });
    let passes: Vec<u32> = passes.collect();
    if passes.len() > 1 {
        let mut steps = with(Event::Pass { seconds: passes.iter().sum() });
        steps.drain(at + 1..at + passes.len());
        forms.insert(0, steps);
    }
    forms
}
