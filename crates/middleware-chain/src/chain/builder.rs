//! Putting members together.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use super::member::Kind;
use super::{Chain, Inner, Member};
use crate::boundary::{AnyLayer, Rest};
use crate::raw::{LEVELS_MAX, Plan, Planned};
use crate::{BoxError, BuildError, Hook, Match, Middleware, RequestBody, When};

/// Builds a [`Chain`], the outermost member first. What is wrong is said by
/// [`build`](Self::build).
#[derive(Debug)]
#[must_use = "a chain is there after `build`"]
pub struct ChainBuilder {
    members: Vec<Member>,
    error: Option<BuildError>,
}

impl ChainBuilder {
    pub(super) const fn new(members: Vec<Member>) -> Self {
        Self {
            members,
            error: None,
        }
    }

    /// Adds a hook inside of all that is there.
    pub fn hook(self, hook: impl Hook) -> Self {
        self.member(Member::hook(hook))
    }

    /// Adds a middleware inside of all that is there.
    pub fn with(self, middleware: impl Middleware) -> Self {
        self.member(Member::with(middleware))
    }

    /// Adds a middleware under a name.
    pub fn named(self, name: &str, middleware: impl Middleware) -> Self {
        self.member(Member::with(middleware).named(name))
    }

    /// Adds a middleware that only some requests meet, under its own name.
    pub fn when(self, condition: Match, middleware: impl Middleware) -> Self {
        let name = Member::name_of(&middleware);
        self.member(Member::with(When::new(condition, middleware)).named(name))
    }

    /// Adds any tower layer inside of all that is there.
    pub fn layer<L, R>(self, layer: L) -> Self
    where
        L: Layer<Rest> + Send + Sync + 'static,
        L::Service:
            Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<RequestBody>>>::Future: Send + 'static,
        <L::Service as Service<Request<RequestBody>>>::Error: Into<BoxError>,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        self.member(Member::layer(layer))
    }

    /// Adds a member inside of all that is there.
    pub fn member(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// Puts a member directly outside of the one with this name.
    pub fn insert_before(self, name: &str, member: Member) -> Self {
        self.at(name, |members, at| members.insert(at, member))
    }

    /// Puts a member directly inside of the one with this name.
    pub fn insert_after(self, name: &str, member: Member) -> Self {
        self.at(name, |members, at| members.insert(at + 1, member))
    }

    /// Puts a member in the place of the one with this name, and under it.
    pub fn replace(self, name: &str, member: Member) -> Self {
        let member = member.named(name);
        self.at(name, |members, at| members[at] = member)
    }

    /// Takes out the member with this name.
    pub fn remove(self, name: &str) -> Self {
        self.at(name, |members, at| {
            members.remove(at);
        })
    }

    fn at(mut self, name: &str, edit: impl FnOnce(&mut Vec<Member>, usize)) -> Self {
        let found = self.members.iter().position(|member| member.name() == name);
        if let Some(at) = found {
            edit(&mut self.members, at);
        } else {
            let known = self.members.iter().map(|it| it.name().to_owned());
            self.error.get_or_insert(BuildError::UnknownName {
                name: name.to_owned(),
                known: known.collect(),
            });
        }
        self
    }

    /// Makes the chain.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if an edit named a member that is not there, if two members have one name,
    /// or if there are more than 63 middleware between two tower layers.
    pub fn build(self) -> Result<Chain, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut names = std::collections::HashSet::new();
        for member in &self.members {
            if !names.insert(member.name()) {
                return Err(BuildError::DuplicateName(member.name().to_owned()));
            }
        }
        let mut segments = self.members.split(Member::is_layer);
        for segment in segments.clone() {
            has_room(segment)?;
        }
        let first = segments.next().map_or_else(|| plan(&[]), plan);
        let layers = self.members.iter().filter_map(as_layer);
        let layered = layers.zip(segments.map(plan)).collect();
        Ok(Chain(Arc::new(Inner {
            first,
            layered,
            members: self.members,
        })))
    }
}

fn has_room(segment: &[Member]) -> Result<(), BuildError> {
    let mut middleware = segment.iter().filter(|member| member.is_middleware());
    middleware.nth(LEVELS_MAX).map_or(Ok(()), |first| {
        Err(BuildError::TooManyLevels {
            name: first.name().to_owned(),
            max: LEVELS_MAX,
        })
    })
}

fn plan(segment: &[Member]) -> Arc<Plan> {
    Arc::new(Plan::new(segment.iter().filter_map(as_planned)))
}

const fn as_planned(member: &Member) -> Option<&Planned> {
    match &member.kind {
        Kind::Planned(planned) => Some(planned),
        Kind::Layer(_) => None,
    }
}

fn as_layer(member: &Member) -> Option<Arc<dyn AnyLayer>> {
    match &member.kind {
        Kind::Planned(_) => None,
        Kind::Layer(layer) => Some(Arc::clone(layer)),
    }
}
