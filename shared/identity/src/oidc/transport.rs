//! The guarded fetch as the HTTP client of `openidconnect`.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::fetch::{Fetch, FetchError, Limits};

/// Lends a [`Fetch`] to the library, which then has no client of its own.
pub(super) struct Lent<'f>(pub(super) &'f dyn Fetch);

impl<'c> AsyncHttpClient<'c> for Lent<'_> {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.send(request.map(Bytes::from), Limits::TOKEN).await?;
            Ok(answer.map(|body| body.to_vec()))
        })
    }
}
