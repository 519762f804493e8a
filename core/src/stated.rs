//! What a request says of its sender on a connection that has proven an identity. Over REST such headers are
//! discarded by whoever authenticates; on a connection they are another's word, and refused (spec: websocket).

use sukkal_plugin_sdk::{Headers, Identity};

/// Headers by which a request names its project, and who sends it in which roles.
#[derive(Clone, Debug, Default)]
pub struct Stated(Vec<(Subject, String)>);

#[derive(Clone, Copy, Debug)]
enum Subject {
    Project,
    User,
    Role,
}

impl Stated {
    /// What the headers say, before any filter has put in their place what it has found out.
    pub fn of(headers: &Headers) -> Self {
        let subject = |name: &str| match name {
            "x-project-id" | "x-tenant-id" => Some(Subject::Project),
            "x-user-id" => Some(Subject::User),
            "x-roles" => Some(Subject::Role),
            _ => None,
        };
        let said = headers.iter().filter(|(_, value)| !value.is_empty());
        Stated(said.filter_map(|(name, value)| Some((subject(name)?, value.to_owned()))).collect())
    }

    /// What is not as an identity says, if anything.
    pub(crate) fn contradicts(&self, identity: &Identity) -> Option<&'static str> {
        let is_own = |role: &str| identity.roles.iter().any(|own| own.trim().eq_ignore_ascii_case(role));
        let has_role = |role: &str| role.is_empty() || is_own(role);
        self.0.iter().find_map(|(subject, value)| match subject {
            Subject::Project => (*value != identity.project).then_some("project"),
            Subject::User => (!identity.user.is_empty() && *value != identity.user).then_some("user"),
            Subject::Role => (!value.split(',').map(str::trim).all(has_role)).then_some("role"),
        })
    }
}
