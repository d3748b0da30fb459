//! The interactive stepper.
