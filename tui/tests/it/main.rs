//! The stepper as its users meet it: keys in, screens out, on a hand-made walk.

mod keys;
mod lessons;
mod screens;
mod story;
