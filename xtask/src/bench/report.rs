//! The figures, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

/// One line of the table: a figure, and what it is held against.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was done: `post 1 KiB, sqlite`.
    pub what: String,
    /// What the figure was made of: rates, latencies.
    pub made_of: Vec<(&'static str, f64)>,
    /// The figure itself.
    pub figure: f64,
    /// Its unit.
    pub unit: Unit,
    /// What it should be.
    pub goal: Goal,
    /// What should be known beside it; mostly nothing.
    pub note: &'static str,
}

/// What a figure is.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A share of another figure; 1 is all of it.
    Share,
    /// A multiple of another figure.
    Times,
    KiB,
    MiB,
    Millis,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing: it is told beside others.
    Stated,
}

impl Goal {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Goal::AtLeast(goal) => figure >= goal,
            Goal::AtMost(goal) => figure <= goal,
            Goal::Stated => true,
        }
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Unit::Share => format!("{:.1} %", figure * 100.0),
            Unit::Times => format!("{figure:.1} ×"),
            Unit::MiB => format!("{figure:.1} MiB"),
            Unit::KiB => format!("{figure:.1} KiB"),
            Unit::Millis if figure < 10.0 => format!("{figure:.2} ms"),
            Unit::Millis => format!("{figure:.0} ms"),
        }
    }
}

impl Line {
    /// As an object.
    pub fn json(&self) -> Value {
        let (at_least, at_most) = match self.goal {
            Goal::AtLeast(goal) => (Some(goal), None),
            Goal::AtMost(goal) => (None, Some(goal)),
            Goal::Stated => (None, None),
        };
        let made_of = self.made_of.iter().map(|(name, figure)| ((*name).to_owned(), json!(figure)));
        json!({
            "what": self.what,
            "figure": self.figure,
            "unit": format!("{:?}", self.unit),
            "at_least": at_least,
            "at_most": at_most,
            "met": self.goal.is_met(self.figure),
            "made_of": made_of.collect::<serde_json::Map<_, _>>(),
            "note": self.note,
        })
    }
}

/// The head of the table.
pub fn head() -> String {
    format!("{:<58} {:>10}  {:<13} {:<7} made of", "what", "figure", "goal", "")
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = if self.goal.is_met(self.figure) { "met" } else { "missed" };
        let (goal, met) = match self.goal {
            Goal::AtLeast(goal) => (format!("≥ {}", self.unit.show(goal)), met),
            Goal::AtMost(goal) => (format!("≤ {}", self.unit.show(goal)), met),
            Goal::Stated => (String::new(), ""),
        };
        write!(f, "{:<58} {:>10}  {goal:<13} {met:<7}", self.what, self.unit.show(self.figure))?;
        for (name, figure) in &self.made_of {
            let digits = if *figure < 100.0 { 3 } else { 0 };
            write!(f, " {name} {figure:.digits$}")?;
        }
        if self.note.is_empty() { Ok(()) } else { write!(f, " ({})", self.note) }
    }
}
