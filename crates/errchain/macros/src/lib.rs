#![doc = include_str!("../README.md")]

mod traced;

/// Records each `?` that an error passes on its way out of this function.
///
/// It goes on a `fn`, an `async fn`, or an `impl` block and so on all functions in it. There
/// each `?` on a `Result` of an `errchain::Error` adds a hop to the error; on anything else it
/// does what it always does, and a foreign error that is converted there remembers that place.
/// On the happy path nothing is added at all.
///
/// A `?` in the arguments of another macro is not seen, because macros see only each other's
/// tokens: write `.hop()?` there. Closures and async blocks inside are covered, functions and
/// other items inside are not: give them an attribute of their own.
///
/// `#[traced(crate = path)]` says where errchain is, if not at `::errchain`.
///
/// # Examples
///
/// ```
/// use errchain::{Result, traced};
///
/// #[traced]
/// fn port(text: &str) -> Result<u16> {
///     Ok(text.trim().parse()?) // where a foreign error came in
/// }
///
/// #[traced]
/// fn address(text: &str) -> Result<(String, u16)> {
///     let port = port(text)?; // a hop
///     Ok(("localhost".to_owned(), port))
/// }
///
/// let error = address("http").unwrap_err();
/// assert_eq!(error.hops().count(), 1);
/// ```
#[proc_macro_attribute]
pub fn traced(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    traced::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
