//! The rewrite: the operand of each `?` goes through `errchain::__private::hop`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, ExprTry, ImplItem, Item, ItemFn, ItemImpl, Path, parse_quote, parse_quote_spanned,
};

/// What goes on: a function, also one of an `impl` block, or a whole `impl` block.
const WHERE: &str = "#[traced] goes on a function with a body or on an impl block";

const NOT_CONST: &str = "a const fn cannot be traced: recording a hop allocates";

/// Expands the attribute.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut hops = Hops {
        errchain: errchain(options)?,
    };
    // A method parses as a function, with or without `self`.
    if let Ok(mut function) = syn::parse2::<ItemFn>(item.clone()) {
        if let Some(keyword) = function.sig.constness {
            return Err(Error::new(keyword.span(), NOT_CONST));
        }
        hops.visit_block_mut(&mut function.block);
        return Ok(function.into_token_stream());
    }
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(mut block)) => {
            hops.impl_block(&mut block);
            Ok(block.into_token_stream())
        }
        // What does not parse at all says best itself what is wrong with it.
        Err(error) if syn::parse2::<syn::TraitItemFn>(item.clone()).is_err() => Err(error),
        _ => Err(Error::new_spanned(item, WHERE)),
    }
}

/// The path of the crate, out of `crate = path`.
fn errchain(options: TokenStream) -> syn::Result<Path> {
    let mut path = parse_quote!(::errchain);
    let parser = syn::meta::parser(|option| {
        if !option.path.is_ident("crate") {
            return Err(option.error("the only option is `crate = path`"));
        }
        path = option.value()?.call(Path::parse_mod_style)?;
        Ok(())
    });
    parser.parse2(options)?;
    Ok(path)
}

/// Wraps the operand of each `?` that it visits.
struct Hops {
    errchain: Path,
}

impl Hops {
    fn impl_block(&mut self, block: &mut ItemImpl) {
        for item in &mut block.items {
            match item {
                // Nothing fails in it at run time that could be recorded.
                ImplItem::Fn(function) if function.sig.constness.is_some() => {}
                ImplItem::Fn(function) => self.visit_block_mut(&mut function.block),
                _ => {}
            }
        }
    }
}

impl VisitMut for Hops {
    fn visit_expr_try_mut(&mut self, expression: &mut ExprTry) {
        visit_mut::visit_expr_try_mut(self, expression);
        // All with the span of the question mark, which thereby becomes the place of the hop and
        // of the conversion. The path too: an expression starts where its first token is.
        let mark = expression.question_token.span();
        let errchain = respanned(&self.errchain, mark);
        let operand = &expression.expr;
        *expression.expr = parse_quote_spanned! { mark =>
            #errchain::__private::hop(#operand)
        };
    }

    /// Items inside are functions of their own.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The same tokens, as if they stood elsewhere.
fn respanned(path: &Path, span: Span) -> TokenStream {
    path.to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
