//! The language of the control socket: requests and views, serde types only.
