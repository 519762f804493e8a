//! A value of a plugin, held by the host without knowing its type.

use abi_stable::StableAbi;

/// An owned value of another library, with what frees it.
#[repr(C)]
#[derive(StableAbi)]
pub struct Object {
    pointer: *mut (),
    drop: extern "C" fn(*mut ()),
}

/// A borrowed [`Object`]: the `self` of a method.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct This<'a> {
    pointer: *mut (),
    marker: std::marker::PhantomData<&'a ()>,
}

// SAFETY: `Object::new` takes only `Send + Sync` values.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}
// SAFETY: a shared borrow of a `Send + Sync` value.
unsafe impl Send for This<'_> {}
// SAFETY: as above.
unsafe impl Sync for This<'_> {}

extern "C" fn drop_boxed<T>(pointer: *mut ()) {
    // SAFETY: `pointer` is the `Box<T>` of `Object::new::<T>`, freed once, by `Object`'s `Drop`.
    let value = unsafe { Box::from_raw(pointer.cast::<T>()) };
    super::guard::catch(|| drop(value));
}

impl Object {
    /// Takes a value in.
    pub fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Object { pointer: Box::into_raw(Box::new(value)).cast(), drop: drop_boxed::<T> }
    }

    /// Where the value lies, for who lends the object exclusively.
    pub fn pointer(&mut self) -> *mut () {
        self.pointer
    }

    /// Lends it to a method.
    pub fn this(&self) -> This<'_> {
        This { pointer: self.pointer, marker: std::marker::PhantomData }
    }
}

impl<'a> This<'a> {
    /// The value behind.
    ///
    /// # Safety
    /// The object was made by `Object::new::<T>` in this very library. A vtable of `T` is handed
    /// out only together with such an object, and calls its functions with nothing else.
    pub unsafe fn get<T>(self) -> &'a T {
        // SAFETY: the caller's promise; the borrow lasts as long as the object is lent.
        unsafe { &*self.pointer.cast::<T>() }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        (self.drop)(self.pointer);
    }
}
