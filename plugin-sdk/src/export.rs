//! The export macro.

/// Makes the library a plugin: names its settings and what it provides.
///
/// Each function has the shape `async fn(Open<Settings>) -> Result<T>`, with `T` a
/// [`Catalog`](crate::Catalog), [`Pool`](crate::Pool), [`Filter`](crate::Filter) or
/// [`Notifier`](crate::Notifier). Sections without contents are left out; their order is fixed:
/// `settings`, `catalogs`, `pools`, `filters`, `notifiers`, `check`, `services`, `runtime`.
///
/// `settings` names a type with `Deserialize` and `JsonSchema`; `()` where nothing can be set. A default is told to
/// operators where its type has `Serialize` as well, as those of numbers, texts and lists have.
///
/// `check` names a function of the shape `fn(&str, Settings) -> Result<()>`. It is asked before
/// anything is opened, of a store with its URI, of a filter with its name, and tells what opening would
/// refuse of these words alone: unknown parameters, values out of their range. It reads no file,
/// connects to nothing and waits for nothing, so that `sukkal config check` can ask it.
///
/// `services` names what the filters provide beyond their hooks, for instance `["encryption"]`.
/// `runtime: none` is for plugins that need no tokio: they get no worker thread.
#[macro_export]
macro_rules! export_plugin {
    (
        settings: $settings:ty
        $(, catalogs: { $($catalog:literal => $open_catalog:expr),* $(,)? })?
        $(, pools: { $($pool:literal => $open_pool:expr),* $(,)? })?
        $(, filters: { $($filter:literal => $open_filter:expr),* $(,)? })?
        $(, notifiers: { $($notifier:literal => $open_notifier:expr),* $(,)? })?
        $(, check: $check:expr)?
        $(, services: [$($service:literal),* $(,)?])?
        $(, runtime: $runtime:ident)?
        $(,)?
    ) => {
        const _: () = {
            struct SukkalPlugin;

            impl $crate::__export::Plugin for SukkalPlugin {
                type Settings = $settings;
                const RUNTIME: bool = $crate::export_plugin!(@runtime $($runtime)?);

                fn manifest() -> $crate::Manifest {
                    let name = env!("CARGO_PKG_NAME");
                    $crate::Manifest {
                        name: name.strip_prefix("sukkal-").unwrap_or(name).to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                        sdk: String::new(),
                        description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
                        catalogs: vec![$($($catalog.to_owned()),*)?],
                        pools: vec![$($($pool.to_owned()),*)?],
                        filters: vec![$($($filter.to_owned()),*)?],
                        notifiers: vec![$($($notifier.to_owned()),*)?],
                        services: vec![$($($service.to_owned()),*)?],
                        settings_schema: $crate::__export::schema::<$settings>(),
                    }
                }

                fn check(uri: &str, settings: $settings) -> Option<$crate::Result<()>> {
                    $crate::export_plugin!(@check uri, settings, $($check)?)
                }

                fn catalog(
                    which: &str,
                    open: $crate::Open<$settings>,
                ) -> $crate::__export::Opening<$crate::__export::LoadedCatalog> {
                    $crate::export_plugin!(@open which, open, LoadedCatalog, $($($catalog => $open_catalog,)*)?)
                }

                fn pool(
                    which: &str,
                    open: $crate::Open<$settings>,
                ) -> $crate::__export::Opening<$crate::__export::LoadedPool> {
                    $crate::export_plugin!(@open which, open, LoadedPool, $($($pool => $open_pool,)*)?)
                }

                fn filter(
                    which: &str,
                    open: $crate::Open<$settings>,
                ) -> $crate::__export::Opening<$crate::__export::LoadedFilter> {
                    $crate::export_plugin!(@open which, open, LoadedFilter, $($($filter => $open_filter,)*)?)
                }

                fn notifier(
                    which: &str,
                    open: $crate::Open<$settings>,
                ) -> $crate::__export::Opening<$crate::__export::LoadedNotifier> {
                    $crate::export_plugin!(@open which, open, LoadedNotifier, $($($notifier => $open_notifier,)*)?)
                }
            }

            #[allow(non_upper_case_globals)]
            #[unsafe(no_mangle)]
            pub static sukkal_plugin: $crate::__export::LibHeader = $crate::__export::header::<SukkalPlugin>();
        };
    };
    (@runtime) => { true };
    (@runtime none) => { false };
    (@check $uri:ident, $settings:ident,) => {{
        let _ = ($uri, $settings);
        None
    }};
    (@check $uri:ident, $settings:ident, $check:expr) => { Some($check($uri, $settings)) };
    (@open $which:ident, $open:ident, $loaded:ident,) => {{
        let _ = $open;
        $crate::__export::unknown($which)
    }};
    (@open $which:ident, $open:ident, $loaded:ident, $($name:literal => $function:expr,)+) => {
        match $which {
            $($name => $crate::__export::opening(async move {
                let host = $open.host.clone();
                $function($open).await.map(|opened| $crate::__export::$loaded::opened(opened, &host))
            }),)+
            _ => $crate::__export::unknown($which),
        }
    };
}
