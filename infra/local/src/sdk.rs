//! The AWS SDK over the local cloud without a socket.

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Response;

use crate::aws_endpoint::Cloud;

/// An HTTP client for the SDK's configuration that hands every request to this cloud.
#[must_use]
pub fn http_client(cloud: Cloud) -> SharedHttpClient {
    SharedHttpClient::new(InProcess(cloud))
}

/// Turns the SDK's request into one that [`Cloud::handle`] takes.
///
/// # Errors
/// When the body is a stream; the operations of the local cloud never have one.
pub fn request(request: HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let (parts, body) = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| ConnectorError::user("a streaming body".into()))?;
    Ok(http::Request::from_parts(parts, body))
}

/// Turns the cloud's answer into the SDK's.
///
/// # Errors
/// When the SDK cannot take the answer's headers.
pub fn response(response: Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| ConnectorError::user(error.into()))
}

#[derive(Debug, Clone)]
struct InProcess(Cloud);

impl HttpConnector for InProcess {
    fn call(&self, sent: HttpRequest) -> HttpConnectorFuture {
        let cloud = self.0.clone();
        HttpConnectorFuture::new(async move { response(cloud.handle(request(sent)?).await) })
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("local-cloud", None))
    }
}
