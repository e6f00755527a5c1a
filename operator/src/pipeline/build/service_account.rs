//! The ServiceAccount that workers run as. It has no rights, and its token is not mounted.

use k8s_openapi::api::core::v1::ServiceAccount;
use lethe_crds::ProfilePipeline;

use super::{metadata, worker};

pub(super) fn build(pipeline: &ProfilePipeline) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(pipeline, worker(pipeline)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
