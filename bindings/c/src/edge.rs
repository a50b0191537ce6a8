//! The edge between C and Rust: statuses with their texts, checked pointers, handles, and the guard against panics.
//!
//! All unsafe code that follows a pointer of C is here; the other files call it with what C promised.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fustor_core::ViewPath;

/// What became of a call. Numbers are never given a new meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FustorStatus {
    /// It was done.
    Ok = 0,
    /// There are no more entries.
    End = 1,
    /// A pointer that must not be null is null.
    Null = 2,
    /// An argument makes no sense.
    Argument = 3,
    /// Nothing is known at a path.
    NotFound = 4,
    /// Something is no directory.
    NotADirectory = 5,
    /// The system refuses.
    Io = 6,
    /// A callback ended a scan.
    Cancelled = 7,
    /// A mistake of this library.
    Panic = 8,
}

/// Bytes that are not terminated. They belong to the handle that they came from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorBytes {
    /// The first of them; not null unless there are none.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// Why a call fails.
#[derive(Debug)]
pub(crate) struct Fault {
    status: FustorStatus,
    text: String,
}

impl Fault {
    pub(crate) fn new(status: FustorStatus, text: &dyn Display) -> Self {
        Self { status, text: text.to_string() }
    }

    fn null(name: &str) -> Self {
        Self { status: FustorStatus::Null, text: format!("{name} is null") }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What the last failed call of this thread says of its failure; empty when none failed. The text stays until the next
/// failure of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn fustor_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn fustor_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

fn tell(fault: &Fault) -> FustorStatus {
    // A NUL would cut the text off.
    let text = CString::new(fault.text.replace('\0', "\u{fffd}")).unwrap_or_default();
    LAST.with(|last| *last.borrow_mut() = text);
    fault.status
}

/// Runs the body of an exported function and turns failures and panics into a status.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Fault>) -> FustorStatus {
    // What a panic leaves behind in a handle may be wrong but not unsound: all of it is safe code.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => FustorStatus::Ok,
        Ok(Err(fault)) if fault.status == FustorStatus::End => FustorStatus::End,
        Ok(Err(fault)) => tell(&fault),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "a mistake of the library".to_owned());
            tell(&Fault { status: FustorStatus::Panic, text })
        }
    }
}

/// What C lends for a call.
///
/// # Safety
/// Not null means that it points to a valid `T` that nobody changes during the call.
pub(crate) unsafe fn lent<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Fault> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| Fault::null(name))
}

/// What C lends for a call, to be changed.
///
/// # Safety
/// Not null means that it points to a valid `T` that nobody else uses during the call.
pub(crate) unsafe fn lent_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Fault> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| Fault::null(name))
}

/// Bytes that C lends for a call.
///
/// # Safety
/// Not null means that `len` bytes can be read there, and that nobody changes them during the call.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a [u8], Fault> {
    if data.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(Fault::null(name)) };
    }
    if isize::try_from(len).is_err() {
        let text = format!("{name} has {len} bytes");
        return Err(Fault { status: FustorStatus::Argument, text });
    }
    // SAFETY: the caller's promise; the length was checked.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A path of a view that C lends for a call.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn path(data: *const u8, len: usize, name: &str) -> Result<ViewPath, Fault> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(data, len, name) }?;
    ViewPath::parse(bytes).map_err(|error| Fault::new(FustorStatus::Argument, &error))
}

/// A place for a result, checked before anything is done.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Safety
    /// Not null means that a `T` can be written there until the end of the call.
    pub(crate) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Fault> {
        if pointer.is_null() { Err(Fault::null(name)) } else { Ok(Self(pointer)) }
    }

    pub(crate) fn write(self, value: T) {
        // SAFETY: what `new` was promised. What was there is C's and is not dropped.
        unsafe { self.0.write(value) };
    }
}

impl<T> Out<*mut T> {
    /// Hands a new handle over to C.
    pub(crate) fn give(self, value: T) {
        self.write(Box::into_raw(Box::new(value)));
    }
}

/// Ends a handle that [`Out::give`] handed over; null is nothing.
///
/// # Safety
/// Not null means that it was handed over and has not been ended, and that nobody uses it any more.
pub(crate) unsafe fn end<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    let _status = guard(|| {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(handle) });
        Ok(())
    });
}
