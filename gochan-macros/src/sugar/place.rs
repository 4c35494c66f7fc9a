//! Where an expression stands, and what that makes of an arrow or a brace in it.

/// What an arrow after an operand does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrowAfter {
    /// It sends.
    Sends,
    /// It is refused, for a value is due.
    Refused,
    /// It ends the expression.
    Ends,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Whether `name {` opens a struct literal (not in the head of `if`, `while`, `for`, `match`).
    pub(super) structs: bool,
    /// What an arrow after an operand does.
    pub(super) arrow: ArrowAfter,
    /// Whether a block-like expression at the start ends it, as in a statement.
    pub(super) statement: bool,
}

impl Place {
    /// A statement, or the body of a match arm.
    pub(super) const STATEMENT: Self = Self {
        structs: true,
        arrow: ArrowAfter::Sends,
        statement: true,
    };
    /// A value is due.
    pub(super) const VALUE: Self = Self {
        structs: true,
        arrow: ArrowAfter::Refused,
        statement: false,
    };
    /// The channel of a send in `select!`.
    pub(super) const CHANNEL: Self = Self {
        structs: true,
        arrow: ArrowAfter::Ends,
        statement: false,
    };
    /// The head of `if`, `while`, `for` or `match`.
    pub(super) const HEAD: Self = Self {
        structs: false,
        arrow: ArrowAfter::Refused,
        statement: false,
    };

    /// The body of a closure that stands here.
    pub(super) const fn closure_body(self) -> Self {
        Self {
            arrow: ArrowAfter::Sends,
            statement: false,
            ..self
        }
    }

    /// An expression inside the one that stands here.
    pub(super) const fn inner(self) -> Self {
        Self {
            arrow: ArrowAfter::Refused,
            statement: false,
            ..self
        }
    }
}
