//! The cluster, as operators see it, and their word on what is held.

use std::time::Instant;

use control::{ApprovedView, ClusterView, ErrorCode, ErrorView};

use super::Node;

impl Node {
    /// Shows what is known of the cluster; `None` outside of any.
    pub(super) fn cluster_view(&self, _: Instant) -> Option<ClusterView> {
        None
    }

    /// Does what is held.
    pub(super) fn approve(&mut self, _: Instant) -> Result<ApprovedView, ErrorView> {
        Err(no_cluster())
    }
}

/// Answers who asks for a cluster where there is none.
pub(super) fn no_cluster() -> ErrorView {
    ErrorView::new(ErrorCode::NotFound, "this node takes no part in a cluster")
        .with_hint("the file has no table [kubernetes]")
}
