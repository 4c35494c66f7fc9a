//! The macros of gochan.
