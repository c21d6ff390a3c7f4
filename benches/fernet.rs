//! Filled in by the work on its engine.

mod support;

fn main() {
    println!("{}", support::machine());
}
