//! What a plugin says of itself.

/// What a library provides, read before anything of it is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The plugin's name, for logs and settings: the crate's, less `sukkal-`.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// The version of the SDK that it was built with.
    pub sdk: String,
    /// One line: the crate's description.
    pub description: String,
    /// Catalogs, by URI scheme.
    pub catalogs: Vec<String>,
    /// Pools, by URI scheme.
    pub pools: Vec<String>,
    /// Filters, by name.
    pub filters: Vec<String>,
    /// Notifiers, by URI scheme.
    pub notifiers: Vec<String>,
    /// Named services that its filters provide, for instance `encryption`.
    pub services: Vec<String>,
    /// The JSON Schema of its settings.
    pub settings_schema: String,
}
