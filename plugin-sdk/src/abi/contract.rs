//! Vtable, plugin's side and host's side of a contract, from one list of its methods.
//!
//! Written once as a macro since a hand-written method would stand in five places (field, value,
//! function, call, signature) that must agree to the letter, forty times over.

/// `lent` arguments are references to types of [`super::data`]; `moved` ones cross in their form.
/// Methods under `later` came after SDK 1.0: a library without them gives `Unsupported`.
macro_rules! contract {
    (
        $(#[$meta:meta])*
        $loaded:ident: $contract:ident, $vtable:ident, $vtable_ref:ident, $open:ident;
        sync { $($sync:ident($($sarg:ident: $sty:ty),*) -> $sret:ty;)* }
        first { $($first:ident($($flent:ident: &$flty:ty),*; $($farg:ident: $fty:ty),*) -> $fret:ty;)* }
        later { $($later:ident($($llent:ident: &$llty:ty),*; $($larg:ident: $lty:ty),*) -> $lret:ty;)* }
    ) => {
        /// The methods of the contract, as a library hands them over.
        #[repr(C)]
        #[derive(::abi_stable::StableAbi)]
        #[sabi(kind(Prefix(prefix_ref = $vtable_ref)))]
        #[sabi(missing_field(option))]
        pub struct $vtable {
            $(pub $sync: for<'a> extern "C" fn(This<'a>, $(<$sty as Ffi>::Form),*)
                -> ::abi_stable::std_types::ROption<<$sret as Ffi>::Form>,)*
            $(pub $first: for<'a> extern "C" fn(This<'a>, &'a Call, $(&'a $flty,)* $(<$fty as Ffi>::Form),*)
                -> FutureForm<'a, <$fret as Ffi>::Form>,)*
            #[sabi(last_prefix_field)]
            pub shutdown: for<'a> extern "C" fn(This<'a>, &'a Call) -> FutureForm<'a, ()>,
            $(pub $later: for<'a> extern "C" fn(This<'a>, &'a Call, $(&'a $llty,)* $(<$lty as Ffi>::Form),*)
                -> FutureForm<'a, <$lret as Ffi>::Form>,)*
        }

        /// The plugin's side: one function a method, for each type that fulfils the contract.
        struct Side<P>(std::marker::PhantomData<P>);

        impl<P: $contract> Side<P> {
            const VALUE: $vtable = $vtable {
                $($sync: Self::$sync,)*
                $($first: Self::$first,)*
                shutdown: Self::shutdown,
                $($later: Self::$later,)*
            };

            ::abi_stable::staticref!(
                const VTABLE: ::abi_stable::prefix_type::WithMetadata<$vtable> =
                    ::abi_stable::prefix_type::WithMetadata::new(Self::VALUE)
            );

            $(extern "C" fn $sync<'a>(this: This<'a>, $($sarg: <$sty as Ffi>::Form),*)
                -> ::abi_stable::std_types::ROption<<$sret as Ffi>::Form>
            {
                // SAFETY: this vtable is handed out only in `$loaded::new`, with an object of `P`.
                let plugin = unsafe { this.get::<P>() };
                guard::catch(|| plugin.$sync($(<$sty as Ffi>::from_form($sarg)),*).into_form()).into()
            })*

            $(extern "C" fn $first<'a>(
                this: This<'a>, call: &'a Call, $($flent: &'a $flty,)* $($farg: <$fty as Ffi>::Form),*
            ) -> FutureForm<'a, <$fret as Ffi>::Form> {
                // SAFETY: as above.
                let plugin = unsafe { this.get::<P>() };
                guard::future::<$fret, _>(call.request_id(), move || {
                    plugin.$first(call, $($flent,)* $(<$fty as Ffi>::from_form($farg)),*)
                })
            })*

            extern "C" fn shutdown<'a>(this: This<'a>, call: &'a Call) -> FutureForm<'a, ()> {
                // SAFETY: as above.
                let plugin = unsafe { this.get::<P>() };
                guard::future::<(), _>(call.request_id(), move || async move {
                    plugin.shutdown().await;
                    Ok(())
                })
            }

            $(extern "C" fn $later<'a>(
                this: This<'a>, call: &'a Call, $($llent: &'a $llty,)* $($larg: <$lty as Ffi>::Form),*
            ) -> FutureForm<'a, <$lret as Ffi>::Form> {
                // SAFETY: as above.
                let plugin = unsafe { this.get::<P>() };
                guard::future::<$lret, _>(call.request_id(), move || {
                    plugin.$later(call, $($llent,)* $(<$lty as Ffi>::from_form($larg)),*)
                })
            })*
        }

        $(#[$meta])*
        #[repr(C)]
        #[derive(::abi_stable::StableAbi, Clone)]
        pub struct $loaded {
            object: ::abi_stable::std_types::RArc<Object>,
            vtable: $vtable_ref,
        }

        impl $loaded {
            /// Wraps an implementation, be it of this library or on its way to the host.
            pub fn new<P: $contract>(plugin: P) -> Self {
                $loaded {
                    object: ::abi_stable::std_types::RArc::new(Object::new(plugin)),
                    vtable: $vtable_ref(Side::<P>::VTABLE.as_prefix()),
                }
            }

            /// Wraps what an author's function opened.
            pub fn opened<P: $contract>(plugin: P, _host: &$crate::Host) -> Self {
                $loaded::new(plugin)
            }

            $(
                /// See the method of this name of the contract. `None`: it panicked.
                pub fn $sync(&self, $($sarg: $sty),*) -> Option<$sret> {
                    let form = self.vtable.$sync()(self.object.this(), $($sarg.into_form()),*);
                    form.into_option().map(<$sret as Ffi>::from_form)
                }
            )*

            $(
                /// See the method of this name of the contract.
                pub async fn $first(&self, call: &Call, $($flent: &$flty,)* $($farg: $fty),*) -> Result<$fret> {
                    let form = self.vtable.$first()(self.object.this(), call, $($flent,)* $($farg.into_form()),*);
                    finish(form).await
                }
            )*

            /// See the method of this name of the contract.
            pub async fn shutdown(&self, call: &Call) -> Result<()> {
                finish(self.vtable.shutdown()(self.object.this(), call)).await
            }

            $(
                /// See the method of this name of the contract.
                pub async fn $later(&self, call: &Call, $($llent: &$llty,)* $($larg: $lty),*) -> Result<$lret> {
                    let Some(method) = self.vtable.$later() else {
                        return Err(unsupported(stringify!($later)));
                    };
                    finish(method(self.object.this(), call, $($llent,)* $($larg.into_form()),*)).await
                }
            )*
        }

        /// What a host holds: the same methods, each call told to its observer. Clones are the same.
        #[cfg(feature = "load")]
        #[derive(Clone)]
        pub struct $open {
            loaded: $loaded,
            observer: Option<std::sync::Arc<dyn $crate::observe::CallObserver>>,
        }

        #[cfg(feature = "load")]
        impl From<$loaded> for $open {
            fn from(loaded: $loaded) -> Self {
                $open { loaded, observer: None }
            }
        }

        #[cfg(feature = "load")]
        impl $open {
            /// The names by which an observer hears of the methods.
            pub const METHODS: &'static [&'static str] =
                &[$(stringify!($first),)* "shutdown", $(stringify!($later),)*];

            /// Wraps an implementation of this library.
            pub fn new<P: $contract>(plugin: P) -> Self {
                $loaded::new(plugin).into()
            }

            /// The same, from now on observed.
            pub fn observed(self, observer: std::sync::Arc<dyn $crate::observe::CallObserver>) -> Self {
                $open { observer: Some(observer), ..self }
            }

            async fn observe<T>(
                &self,
                method: &'static str,
                call: impl std::future::Future<Output = Result<T>>,
            ) -> Result<T> {
                $crate::observe::observe(self.observer.as_deref(), method, call).await
            }

            $(
                /// See the method of this name of the contract. `None`: it panicked.
                pub fn $sync(&self, $($sarg: $sty),*) -> Option<$sret> {
                    self.loaded.$sync($($sarg),*)
                }
            )*

            $(
                /// See the method of this name of the contract.
                pub async fn $first(&self, call: &Call, $($flent: &$flty,)* $($farg: $fty),*) -> Result<$fret> {
                    self.observe(stringify!($first), self.loaded.$first(call, $($flent,)* $($farg),*)).await
                }
            )*

            /// See the method of this name of the contract.
            pub async fn shutdown(&self, call: &Call) -> Result<()> {
                self.observe("shutdown", self.loaded.shutdown(call)).await
            }

            $(
                /// See the method of this name of the contract.
                pub async fn $later(&self, call: &Call, $($llent: &$llty,)* $($larg: $lty),*) -> Result<$lret> {
                    self.observe(stringify!($later), self.loaded.$later(call, $($llent,)* $($larg),*)).await
                }
            )*
        }
    };
}

pub(super) use contract;

use super::guard::FutureForm;
use super::types::Ffi;
use crate::{Error, ErrorKind, Result};

/// Awaits a method of a library. A task that is answered at once again and again still yields.
pub async fn finish<T: Ffi>(form: FutureForm<'_, T::Form>) -> Result<T> {
    tokio::task::coop::consume_budget().await;
    form.await.into_result().map(T::from_form).map_err(Error::from_form)
}

/// The answer for a method that the library's SDK did not have yet.
pub fn unsupported(method: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the plugin does not support {method}"))
        .detail("it was built with an older SDK")
}
