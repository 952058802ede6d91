//! The body that a server gets.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Ending;
use crate::panics::caught;
use crate::{Body, BoxError, Error, Outcome};

pin_project! {
    /// The body of a response from a chain: the service's own, not boxed, or an answer of a member.
    /// The request is over when it is sent or dropped.
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
        ending: Option<Ending>,
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Foreign { #[pin] body: B },
        Boxed { body: Body },
        Own { bytes: Bytes },
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B> ResponseBody<B> {
    pub(crate) const fn foreign(body: B) -> Self {
        Self {
            content: Content::Foreign { body },
            ending: None,
        }
    }

    /// What has come through tower layers within the chain.
    pub(crate) const fn boxed(body: Body) -> Self {
        Self {
            content: Content::Boxed { body },
            ending: None,
        }
    }

    pub(crate) const fn own(bytes: Bytes) -> Self {
        Self {
            content: Content::Own { bytes },
            ending: None,
        }
    }
}

impl<B> ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// The request is over when this body is.
    pub(crate) fn end_with(&mut self, ending: Ending) {
        let ending = self.ending.insert(ending);
        let content = &self.content;
        // One that is over is not asked for, and need not say how large it is.
        ending.or_length(|ending| {
            let is_over = ending.says(|| content.is_end_stream());
            let length = || ending.says(|| content.size_hint()).exact();
            is_over.then_some(0).or_else(length)
        });
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.project();
        match this.ending {
            None => this.content.poll(cx),
            Some(ending) => poll_watched(ending, this.content, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let ask = || self.content.is_end_stream();
        self.ending.as_ref().map_or_else(ask, |it| it.says(ask))
    }

    fn size_hint(&self) -> SizeHint {
        let ask = || self.content.size_hint();
        self.ending.as_ref().map_or_else(ask, |it| it.says(ask))
    }
}

/// What is polled is looked at where it goes to: it is large, and nothing else is put there.
fn poll_watched<B>(
    ending: &mut Ending,
    mut content: Pin<&mut Content<B>>,
    cx: &mut Context<'_>,
) -> Polled
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if ending.is_late() {
        return noted(ending, &content, late());
    }
    if ending.watch().catches_panics {
        return poll_guarded(ending, content, cx);
    }
    ending.watch().is_polling = true;
    let polled = content.as_mut().poll(cx);
    ending.watch().is_polling = false;
    match &polled {
        Poll::Ready(frame) => note(ending, frame.as_ref(), &content),
        Poll::Pending => return poll_wait(ending, &content, cx),
    }
    polled
}

/// The same where an error is to be put in place of a panic.
fn poll_guarded<B>(
    ending: &mut Ending,
    mut content: Pin<&mut Content<B>>,
    cx: &mut Context<'_>,
) -> Polled
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut polled = Poll::Pending;
    let has_panicked = ending.watch().has_panicked.get()
        || caught(|| polled = content.as_mut().poll(cx)).is_none();
    if has_panicked {
        return noted(ending, &content, panicked());
    }
    if polled.is_pending() {
        return poll_wait(ending, &content, cx);
    }
    noted(ending, &content, polled)
}

/// There is nothing yet, and an error if that is so for too long.
#[inline(never)]
fn poll_wait<B>(ending: &mut Ending, content: &Content<B>, cx: &mut Context<'_>) -> Polled
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    ending.goes_on();
    if ending.poll_wait(cx).is_pending() {
        return Poll::Pending;
    }
    noted(ending, content, late())
}

#[inline]
fn noted<B>(ending: &mut Ending, content: &Content<B>, polled: Polled) -> Polled
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if let Poll::Ready(frame) = &polled {
        note(ending, frame.as_ref(), content);
    }
    polled
}

/// Tells the record what a frame means.
#[inline]
fn note<B>(
    ending: &mut Ending,
    frame: Option<&Result<Frame<Bytes>, BoxError>>,
    content: &Content<B>,
) where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let watch = ending.watch();
    if let Some(timer) = &mut watch.timer {
        timer.goes_on();
    }
    match frame {
        None => watch.has_sent_all(),
        Some(Ok(frame)) => {
            if let Some(data) = frame.data_ref() {
                watch.sends(data.len() as u64);
            }
            if frame.is_trailers() || ending.says(|| content.is_end_stream()) {
                ending.watch().has_sent_all();
            } else {
                ending.goes_on();
            }
        }
        Some(Err(error)) => {
            let ours = Error::find(&**error);
            watch.fails(ours.map_or(Outcome::Error, Error::outcome));
        }
    }
}

fn late() -> Polled {
    let error = Error::with(StatusCode::GATEWAY_TIMEOUT, Outcome::Timeout);
    Poll::Ready(Some(Err(error.into_boxed())))
}

/// What was thrown is for the panic hook, which has had it.
fn panicked() -> Polled {
    let error = Error::with(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Panic);
    Poll::Ready(Some(Err(error.into_boxed())))
}

impl<B> Content<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// Not inlined, so that what it returns is made where it goes to.
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.project() {
            ContentProjection::Foreign { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            ContentProjection::Boxed { body } => Pin::new(body).poll_frame(cx),
            ContentProjection::Own { bytes } if bytes.is_empty() => Poll::Ready(None),
            ContentProjection::Own { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Foreign { body } => body.is_end_stream(),
            Self::Boxed { body } => body.is_end_stream(),
            Self::Own { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Foreign { body } => body.size_hint(),
            Self::Boxed { body } => body.size_hint(),
            Self::Own { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
