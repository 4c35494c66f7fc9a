//! What the compiler says about gochan's macros: `fail/` holds programs that must be refused, each
//! with the message that a user gets; `pass/` holds odd but legal ones, which are also run;
//! `fixtures/` holds whole packages, where the package itself is the point.
//!
//! After a change of messages: `TRYBUILD=overwrite cargo test -p ui-tests`, then read the difference.
