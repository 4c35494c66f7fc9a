//! Why a computation has no result, for the others who wanted it.

use crate::runtime::panics::GoexitPayload;
use std::any::Any;

/// The panic itself goes to the one who computed; this is for the others.
#[derive(Debug)]
pub(super) enum Failure {
    /// It panicked, saying this.
    Panic(String),
    /// The goroutine that computed was ended.
    Goexit,
}

impl Failure {
    pub(super) fn of(payload: &(dyn Any + Send)) -> Self {
        if payload.is::<GoexitPayload>() {
            return Failure::Goexit;
        }
        let text = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Failure::Panic(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    }
}
