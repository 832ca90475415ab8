"""Sign in to a registry: with user name and password, or with a token obtained with them."""

import json
import re
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

import httpx

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import ConfigurationError, PushError
from lusid_image_publish.http.bounds import limit_body
from lusid_image_publish.http.network import OutOfTimeError
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.places import is_same_origin, registry_url, safe_location
from lusid_image_publish.registry.refusals import refusal_error
from lusid_image_publish.waiting import Clock, Deadline, monotonic, time_left

_MIN_TOKEN_SECONDS: Final = 60.0  # seconds that a token is good for, at the least (distribution)
_MAX_TOKEN_SECONDS: Final = 86_400.0
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MAX_TOKENS_COUNT: Final = 4  # for one request; other threads may use up a token before it
_RENEW_EARLY_SECONDS: Final = 10.0  # seconds before its end at which a token is renewed

Flow = Generator[httpx.Request, httpx.Response, None]


class RegistryAuth(httpx.Auth):
    """Basic, or the token that a registry asks for (distribution, token authentication).

    The credential is sent to the registry at `host`, and to the token endpoint that it names if
    that is allowed (`places`), over http:// only with `allow_http` or on this machine; requests to
    other hosts have none. `scope` is the scope of the token. A token that expires or is refused is
    renewed, once for all threads that use it.
    """

    def __init__(
        self,
        host: str,
        credential: Credential,
        scope: str,
        *,
        allow_http: bool = False,
        clock: Clock = monotonic,
    ) -> None:
        self._basic = credential.authorization
        self._registry = httpx.URL(registry_url(host))
        self._scope = scope
        self._clock = clock
        self._allow_http = allow_http
        self._endpoint = self._registry
        self._params: dict[str, str] = {}
        self._token: Secret | None = None
        self._uses = 0  # of the token
        self._renewing = Lock()
        self._token_deadline = Deadline(0, clock=clock)

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send the credential or a token; renew a token that the registry refuses."""
        if not is_same_origin(request.url, self._registry):
            yield request
            return
        for number in range(_MAX_TOKENS_COUNT):
            with self._alone():
                if self._token and self._token_deadline.passed():
                    yield from self._renew(request)
                used = self._authorization()
                self._uses += 1
            request.headers["Authorization"] = used
            response = yield request
            endpoint, params = _challenge(response)
            if not endpoint:
                return
            with self._alone():
                is_renewed = self._authorization() != used  # another thread has done it
                if number and not is_renewed and self._uses == 1:
                    return  # it is new, and refused
                limit_body(response)  # httpx reads it before it sends what comes next
                if not is_renewed:
                    self._endpoint = self._safe_endpoint(endpoint)
                    self._params = {"scope": self._scope} | params
                    yield from self._renew(request)
        request.headers["Authorization"] = self._authorization()
        yield request  # httpx takes the last answer for that of the request

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread ask for a token. Raises `httpx.PoolTimeout` when the time is over."""
        left = time_left()
        if not self._renewing.acquire(timeout=-1 if left == float("inf") else left):
            raise httpx.PoolTimeout("timed out") from OutOfTimeError()
        try:
            yield
        finally:
            self._renewing.release()

    def _safe_endpoint(self, endpoint: str) -> httpx.URL:
        """Return the URL of the token endpoint, if the registry may name it.

        Raises `UnsafePlaceError`, and `ConfigurationError` for http:// to another machine.
        """
        return safe_location(
            endpoint,
            self._registry,
            message=f"The registry {self._registry.host} names the token endpoint",
            allow_http=self._allow_http,
            http_error=ConfigurationError,
        )

    def _authorization(self) -> str:
        return f"Bearer {self._token.reveal()}" if self._token else self._basic

    def _renew(self, request: httpx.Request) -> Flow:
        """Ask for a token, within the time-outs of `request`. Raises a `PushError` for none."""
        answer = yield httpx.Request(
            "GET",
            self._endpoint.copy_merge_params(self._params),
            headers={"Authorization": self._basic, "Accept-Encoding": "identity"},
            extensions=request.extensions,
        )
        if not answer.is_success:
            raise refusal_error(answer, "The registry's token endpoint did not return a token")
        limit_body(answer)
        answer.read()
        try:
            document = answer.json()
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            document = None
        members = document if isinstance(document, dict) else {}
        token, life = members.get("token") or members.get("access_token"), members.get("expires_in")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise PushError(
                "The answer of the registry's token endpoint has no token.",
                cause="The endpoint is another kind of service, or a proxy answered in its place.",
                hint="Run again. If it fails again, ask the domain's administrator about the "
                "registry.",
            )
        self._token = Secret(token)
        self._uses = 0
        if not isinstance(life, int | float) or not _MIN_TOKEN_SECONDS < life < _MAX_TOKEN_SECONDS:
            life = _MIN_TOKEN_SECONDS
        self._token_deadline = Deadline(life - _RENEW_EARLY_SECONDS, clock=self._clock)


def _challenge(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """Return the token endpoint that a 401 names, empty if none, and parameters."""
    kind, _, rest = response.headers.get("www-authenticate", "").partition(" ")
    if response.status_code != httpx.codes.UNAUTHORIZED or kind.lower() != "bearer":
        return "", {}
    try:
        values = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
    except (ValueError, IndexError):
        return "", {}
    realm = values.get("realm", "")
    if not _ABSOLUTE.match(realm):
        return "", {}
    return realm, {"service": values["service"]} if "service" in values else {}
