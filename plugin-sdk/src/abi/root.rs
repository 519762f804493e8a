//! What a library exports: one header that leads to its root module.
// Only a host calls the root module's functions.
#![cfg_attr(not(feature = "load"), allow(dead_code))]

use abi_stable::StableAbi;
use abi_stable::library::{CheckTypeLayout, LibHeader, RootModule, RootModuleResult};
use abi_stable::package_version_strings;
use abi_stable::prefix_type::WithMetadata;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{ROption, RResult, RStr, RString};

use super::catalog::LoadedCatalog;
use super::filter::LoadedFilter;
use super::guard::{self, FutureForm};
use super::host::{HostHandle, LibraryHost, filter_from_code};
use super::notifier::LoadedNotifier;
use super::pool::LoadedPool;
use super::types::{ErrorForm, Ffi, ManifestForm};
use crate::{Error, Host, Manifest, Open, RequestId, Result, runtime};

/// The functions of a library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef)))]
#[sabi(missing_field(option))]
pub struct Root {
    pub manifest: extern "C" fn() -> ROption<ManifestForm>,
    pub start: extern "C" fn(LibraryHost),
    pub open_catalog: extern "C" fn(OpenForm) -> FutureForm<'static, LoadedCatalog>,
    pub open_pool: extern "C" fn(OpenForm) -> FutureForm<'static, LoadedPool>,
    pub open_filter: extern "C" fn(OpenForm) -> FutureForm<'static, LoadedFilter>,
    #[sabi(last_prefix_field)]
    pub open_notifier: extern "C" fn(OpenForm) -> FutureForm<'static, LoadedNotifier>,
    pub set_log_level: extern "C" fn(u32),
    pub check: for<'a> extern "C" fn(RStr<'a>, RStr<'a>) -> ROption<RResult<(), ErrorForm>>,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "sukkal_plugin";
    const NAME: &'static str = "sukkal_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// What something of a library is opened with.
#[derive(Clone)]
pub struct OpenArgs {
    /// Which of the library's: a scheme, or a filter's name.
    pub which: String,
    /// See [`Open::uri`].
    pub uri: String,
    /// The settings: a JSON object.
    pub settings: String,
    /// A directory for its files.
    pub data_dir: String,
    /// The host's identity.
    pub host_id: String,
    /// Its own records, where the catalog is open.
    pub records: Option<LoadedCatalog>,
    /// For filters: whether their hooks get threads of their own, since they block.
    pub isolate: bool,
}

/// See [`OpenArgs`].
#[repr(C)]
#[derive(StableAbi)]
pub struct OpenForm {
    which: RString,
    uri: RString,
    settings: RString,
    data_dir: RString,
    host_id: RString,
    records: ROption<LoadedCatalog>,
    isolate: bool,
}

impl From<OpenArgs> for OpenForm {
    fn from(args: OpenArgs) -> Self {
        OpenForm {
            which: args.which.into(),
            uri: args.uri.into(),
            settings: args.settings.into(),
            data_dir: args.data_dir.into(),
            host_id: args.host_id.into(),
            records: args.records.into(),
            isolate: args.isolate,
        }
    }
}

/// The plugin's side, for [`crate::export_plugin!`].
pub mod export {
    use std::future::Future;
    use std::pin::Pin;

    pub use abi_stable::library::LibHeader;

    pub use super::{Plugin, header};
    pub use crate::abi::catalog::LoadedCatalog;
    pub use crate::abi::filter::LoadedFilter;
    pub use crate::abi::notifier::LoadedNotifier;
    pub use crate::abi::pool::LoadedPool;
    use crate::{Error, Result};

    /// What opening something comes to.
    pub type Opening<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    /// An opening that runs an author's function.
    pub fn opening<T>(future: impl Future<Output = Result<T>> + Send + 'static) -> Opening<T> {
        Box::pin(future)
    }

    /// An opening of what the library does not provide.
    pub fn unknown<T: Send + 'static>(which: &str) -> Opening<T> {
        let error = Error::invalid(format!("the plugin does not provide {which}"));
        Box::pin(std::future::ready(Err(error)))
    }

    /// The text of a settings type's JSON Schema. Of `()` too it is that of a table, as hosts hand over no other.
    pub fn schema<S: schemars::JsonSchema>() -> String {
        let schema = schemars::schema_for!(S).to_value();
        match schema["type"] == "null" {
            true => serde_json::json!({ "type": "object", "additionalProperties": false }).to_string(),
            false => schema.to_string(),
        }
    }
}

/// A plugin as [`crate::export_plugin!`] describes it.
pub trait Plugin: 'static {
    /// The settings of what it provides.
    type Settings: serde::de::DeserializeOwned + Send + 'static;
    /// Whether it gets a runtime of its own.
    const RUNTIME: bool;
    /// What it says of itself.
    fn manifest() -> Manifest;
    /// What is wrong with a URI or a filter's settings, as far as that is seen without opening; none, if
    /// the author looks at nothing before.
    fn check(uri: &str, settings: Self::Settings) -> Option<Result<()>>;
    /// Opens a catalog.
    fn catalog(scheme: &str, open: Open<Self::Settings>) -> export::Opening<LoadedCatalog>;
    /// Opens a pool.
    fn pool(scheme: &str, open: Open<Self::Settings>) -> export::Opening<LoadedPool>;
    /// Opens a filter.
    fn filter(name: &str, open: Open<Self::Settings>) -> export::Opening<LoadedFilter>;
    /// Opens a notifier.
    fn notifier(scheme: &str, open: Open<Self::Settings>) -> export::Opening<LoadedNotifier>;
}

/// The header that a library exports as `sukkal_plugin`.
pub const fn header<P: Plugin>() -> LibHeader {
    // SAFETY: `Library::<P>::root` returns what `__call_root_module_loader` makes of a `RootRef`.
    unsafe { LibHeader::from_constructor::<RootRef>(Library::<P>::root, CheckTypeLayout::Yes) }
}

struct Library<P>(std::marker::PhantomData<P>);

impl<P: Plugin> Library<P> {
    const ROOT: Root = Root {
        manifest: Self::manifest,
        start: Self::start,
        open_catalog: Self::open_catalog,
        open_pool: Self::open_pool,
        open_filter: Self::open_filter,
        open_notifier: Self::open_notifier,
        set_log_level: Self::set_log_level,
        check: Self::check,
    };

    abi_stable::staticref!(const STATIC: WithMetadata<Root> = WithMetadata::new(Self::ROOT));

    extern "C" fn root() -> RootModuleResult {
        abi_stable::library::__call_root_module_loader(|| RootRef(Self::STATIC.as_prefix()))
    }

    extern "C" fn manifest() -> ROption<ManifestForm> {
        guard::catch(|| {
            let manifest = Manifest { sdk: env!("CARGO_PKG_VERSION").to_owned(), ..P::manifest() };
            manifest.into_form()
        })
        .into()
    }

    extern "C" fn start(host: LibraryHost) {
        guard::catch(|| runtime::start(host));
    }

    extern "C" fn set_log_level(code: u32) {
        guard::catch(|| runtime::set_log_level(filter_from_code(code)));
    }

    extern "C" fn check(uri: RStr<'_>, settings: RStr<'_>) -> ROption<RResult<(), ErrorForm>> {
        let checked = guard::catch(|| match read(settings.as_str()) {
            Ok(settings) => P::check(uri.as_str(), settings),
            Err(error) => Some(Err(error)),
        });
        let panics = || Some(Err(Error::internal("the plugin panics when it is asked to check this")));
        checked.unwrap_or_else(panics).map(|checked| checked.map_err(Error::into_form).into()).into()
    }

    extern "C" fn open_catalog(form: OpenForm) -> FutureForm<'static, LoadedCatalog> {
        Self::opening(form, P::catalog)
    }

    extern "C" fn open_pool(form: OpenForm) -> FutureForm<'static, LoadedPool> {
        Self::opening(form, P::pool)
    }

    extern "C" fn open_filter(form: OpenForm) -> FutureForm<'static, LoadedFilter> {
        Self::opening(form, P::filter)
    }

    extern "C" fn open_notifier(form: OpenForm) -> FutureForm<'static, LoadedNotifier> {
        Self::opening(form, P::notifier)
    }

    /// Opens something. The runtime is started first, since it is entered around every poll.
    fn opening<T: Ffi + Send + 'static>(
        form: OpenForm,
        open: fn(&str, Open<P::Settings>) -> export::Opening<T>,
    ) -> FutureForm<'static, T::Form> {
        let started = guard::catch(|| runtime::start_runtime(P::RUNTIME, &P::manifest().name));
        guard::future::<T, _>(RequestId(0), move || async move {
            match started {
                Some(Ok(())) => open(&form.which.to_string(), Self::open(form)?).await,
                Some(Err(error)) => Err(Error::unavailable("the plugin's runtime could not be started").detail(error)),
                None => Err(Error::internal("the plugin's runtime could not be started")),
            }
        })
    }

    /// What an author's function is opened with.
    fn open(form: OpenForm) -> Result<Open<P::Settings>> {
        let library = *runtime::host().ok_or_else(|| Error::internal("the library was not started"))?;
        if form.isolate && !P::RUNTIME {
            return Err(Error::invalid("it cannot be isolated, since its plugin has no runtime; take `isolate` out"));
        }
        let settings = read(&form.settings)?;
        let handle = HostHandle {
            library,
            data_dir: form.data_dir.as_str().into(),
            host_id: form.host_id.into(),
            records: form.records.into_option(),
            isolate: form.isolate,
        };
        Ok(Open { uri: form.uri.into(), settings, host: Host(std::sync::Arc::new(handle)) })
    }
}

/// The settings that a host hands over.
fn read<S: serde::de::DeserializeOwned>(json: &str) -> Result<S> {
    let read = serde_json::from_str(json).or_else(|error| match json {
        // Nothing is set: that is `()`, which JSON calls null.
        "{}" => serde_json::from_str("null").map_err(|_| error),
        _ => Err(error),
    });
    read.map_err(|error| {
        let text = error.to_string();
        // Where in the host's own JSON: the operator wrote another text.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let told = text.strip_suffix(&place).unwrap_or(&text);
        Error::invalid(format!("the settings are not valid: {told}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_without_settings_may_say_so_with_a_unit() {
        assert!(read::<()>("{}").is_ok());
        assert!(read::<()>("{\"field\":1}").is_err());
        assert!(!export::schema::<()>().contains("null"), "{}", export::schema::<()>());
    }
}
