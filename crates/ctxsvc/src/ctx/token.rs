//! Between contexts and the tokens of tokio-util.

use tokio_util::sync::CancellationToken;

use super::Ctx;
use super::scope::Scope;

impl Ctx {
    /// A token that is cancelled when the context ends, for code that knows only tokens.
    ///
    /// To cancel it does not cancel the context. Its deadline is kept for as long as there is a
    /// handle to the context.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run), if the context has a deadline.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        let Some(scope) = &self.scope else {
            return CancellationToken::new();
        };
        scope.link();
        let token = scope.token().map(|token| token.child_token());
        match token {
            Some(token) if scope.arm().is_none() => token,
            _ => {
                let token = CancellationToken::new();
                token.cancel();
                token
            }
        }
    }

    /// A context that ends when the token is cancelled, or earlier with this one.
    #[must_use]
    pub fn with_token(&self, token: &CancellationToken) -> Self {
        let scope = Scope::cancellable(self.scope.clone());
        scope.follow(token);
        self.with_scope(Some(scope))
    }
}

impl From<CancellationToken> for Ctx {
    fn from(token: CancellationToken) -> Self {
        Self::root().with_token(&token)
    }
}
