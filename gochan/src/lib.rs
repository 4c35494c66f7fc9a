//! gochan
