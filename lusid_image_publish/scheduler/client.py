"""The client of the Images API: one method per operation, named as the service names it."""

import logging
import ssl
from typing import Any, Self

import httpx

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import TransportError
from lusid_image_publish.scheduler.answers import read_answer
from lusid_image_publish.scheduler.models import Image, UploadImageInstructions
from lusid_image_publish.scheduler.operations import GET_IMAGE, UPLOAD_IMAGE, Answer, Operation
from lusid_image_publish.scheduler.transport import build_client, request_extensions

logger = logging.getLogger(__name__)


class ImagesClient:
    """The Images API of one Scheduler; a context manager that closes its connections.

    All methods raise `AuthenticationError` when the credentials are not accepted and a
    `ServiceError` (`BadRequestError`, `AccessDeniedError`, `NotFoundError`, `RateLimitedError`,
    `ServerError`, `TransportError`, `UnexpectedAnswerError`) for what else can go wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = build_client(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload_image(self, image_name: str) -> UploadImageInstructions:
        """Ask for the Docker commands that put `image_name`, a `name:tag`, into LUSID.

        The service refuses a tag that exists with a `BadRequestError`.
        """
        return self._send(UPLOAD_IMAGE, json={"imageName": image_name})

    def get_image(self, name: str) -> Image:
        """Return what LUSID has under `name`, a `name:tag`."""
        return self._send(GET_IMAGE, name)

    def _send(self, operation: Operation[Answer], name: str = "", **content: Any) -> Answer:
        request = self._http.build_request(
            operation.method,
            operation.url_path(name),
            extensions=request_extensions(self._settings, retry_safe=operation.retry_safe),
            **content,
        )
        try:
            response = self._http.send(request)
        except httpx.RequestError as error:
            raise _transport_error(operation.name, error, request.url) from error
        return read_answer(operation, response)


def _transport_error(
    operation: str, error: httpx.RequestError, scheduler: httpx.URL
) -> TransportError:
    url = error.request.url
    what = "The Scheduler" if url.host == scheduler.host else "The token endpoint"
    certificate = isinstance(error.__context__, ssl.SSLError) or "CERTIFICATE" in str(error)
    if isinstance(error, httpx.ProxyError):
        cause, hint = "The proxy refused.", "Check FBN_PROXY_ADDRESS and its credentials."
    elif certificate:
        cause = "Its certificate is not trusted here; a proxy may be replacing it."
        hint = "Name your organisation's authorities with FBN_CLIENT_CERTIFICATE or --ca-bundle."
    elif isinstance(error, httpx.TimeoutException):
        cause = "The network is slow or drops packets, or a proxy is needed."
        hint = "Try again; FBN_CONNECT_TIMEOUT_MS and FBN_READ_TIMEOUT_MS set the limits."
    else:
        cause = "The URL is wrong, the network is down, or a proxy is needed."
        hint = "Check the URL; a proxy is set with FBN_PROXY_ADDRESS or --proxy-address."
    words = str(error) or type(error).__name__
    return TransportError(
        f"{what} at {url.host} does not answer {operation}: {words}.",
        cause=cause,
        hint=hint,
        operation=operation,
    )
