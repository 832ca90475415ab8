"""The requests of a push over HTTP: each returns an expected answer, or raises a `PushError`."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from typing import Final

import httpx

from lusid_image_publish.errors import PushInterruptedError
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.names import ImageReference
from lusid_image_publish.registry.places import registry_url, safe_location
from lusid_image_publish.registry.refusals import (
    no_answer_error,
    read_body,
    refusal_error,
    temporary_failure,
)
from lusid_image_publish.registry.session import RegistrySession
from lusid_image_publish.waiting import time_left

_MAX_ANSWER_BYTES: Final = 64 * 1024  # bytes; nobody reads what comes with a success
_OUT_OF_TIME: Final = "it did not finish in time"


class PushRequests:
    """Requests about the repository of `target`; thread-safe.

    The credential is sent to the registry, and to the token endpoint that it names. `idle` is the
    idle timeout in seconds.
    """

    def __init__(self, session: RegistrySession, target: ImageReference, *, idle: float) -> None:
        self.target = target
        self.path = f"/v2/{target.path}"
        self._client = session.client
        self._timeout = httpx.Timeout(idle, connect=session.connect_seconds)
        self._allow_http = session.allow_http

    def send(
        self,
        method: str,
        url: str | httpx.URL,
        wish: str,
        *,
        content: Iterable[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        also: Collection[int] = (),
    ) -> httpx.Response:
        """Return an answer that is a success or has a status of `also`.

        `wish` says what the registry should do, for the error that any other answer raises.
        """
        self.require_time()
        request = self._client.build_request(
            method, url, content=content, headers=headers, timeout=self._timeout
        )
        try:
            with closing(self._client.send(request, stream=True)) as response:
                if not (response.is_success or response.status_code in also):
                    raise refusal_error(
                        response,
                        f"The push to {self.target} failed: the registry did not {wish}",
                    )
                with suppress(ValueError):  # it does not end: the connection is not used again
                    read_body(response, max_bytes=_MAX_ANSWER_BYTES)
                return response
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            silence = self.ended_error(f"no progress for {self._timeout.read:g} seconds")
            silence.is_silence = True
            raise silence from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if deadline_caused(error):
                raise self.ended_error(_OUT_OF_TIME) from error
            raise no_answer_error(error, f"The push to {self.target} was interrupted") from error

    def location(self, answer: httpx.Response) -> httpx.URL:
        """Return the URL where the upload continues, if it is safe to follow.

        Raises `PushInterruptedError` if the time is over: a truncated answer proves nothing about
        the registry.
        """
        self.require_time()
        return safe_location(
            answer.headers.get("location", ""),
            answer.request.url,
            message=f"The push to {self.target} failed: the registry redirects a layer to",
            allow_http=self._allow_http,
            home=httpx.URL(registry_url(self.target.host)),
        )

    def require_time(self) -> None:
        """Raise `PushInterruptedError` if the time of the push is over."""
        if time_left() <= 0:
            raise self.ended_error(_OUT_OF_TIME)

    def ended_error(self, why: str) -> PushInterruptedError:
        """Return the error for a push that was stopped, and `why`."""
        return temporary_failure(f"The push to {self.target} was stopped: {why}.")
