"""Authenticate requests: access token, token file, OAuth password grant with refresh.

Each kind is an `httpx.Auth` for sync and async clients, so the credential is added to requests of
the client that owns it and goes nowhere else. Many threads or tasks may use one at a time.
"""

import threading
import urllib.parse
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from lusid_image_publish.config import Settings
from lusid_image_publish.config_values import read_settings_file, wrapping_of
from lusid_image_publish.errors import AuthenticationError
from lusid_image_publish.http.bounds import limit_body
from lusid_image_publish.redact import Secret, register_pair
from lusid_image_publish.scheduler.operations import Call, Operation
from lusid_image_publish.scheduler.redirect import NOT_FOLLOWED, redirected_to
from lusid_image_publish.scheduler.responses import Received, error_of
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Clock, monotonic

if TYPE_CHECKING:
    import anyio

_RENEW_BEFORE_SECONDS: Final = 60.0  # seconds, as the SDK does
_DEFAULT_LIFETIME_SECONDS: Final = 3600.0
_MAX_ATTEMPTS: Final = 2  # a new token that is refused will not become valid
_NOT_AN_ENDPOINT_STATUSES: Final = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)
_SCOPE: Final = "openid client groups offline_access"

SIGN_IN: Final[Operation[None]] = Operation(
    "sign_in", "POST", "", "", label="the sign-in at the token endpoint"
)

Flow = Generator[httpx.Request, httpx.Response, None]


def auth_for(settings: Settings, *, extensions: dict[str, Any]) -> httpx.Auth:
    """Return the authentication for the credentials in `settings`.

    `extensions` (timeouts, retries) are those of the requests to the token endpoint. Raises
    `AuthenticationError` if credentials are missing.
    """
    settings.require_credentials()
    if settings.access_token_file:
        return TokenFile(settings.access_token_file)
    if settings.access_token:
        return AccessToken(settings.access_token)
    return PasswordGrant(settings, extensions=extensions)


class AccessToken(httpx.Auth):
    """A token that was given and cannot be renewed."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Send the token."""
        yield _with_bearer(request, self._token)


class TokenFile(httpx.Auth):
    """A token in a file that another program renews: read again for each request."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Send the file's token; retry a 401 once if the file has another token by then.

        Raises `AuthenticationError` if the file has no token.
        """
        token = self._read()
        response = yield _with_bearer(request, token)
        if response.status_code == httpx.codes.UNAUTHORIZED and (newer := self._read()) != token:
            limit_body(response)
            yield _with_bearer(request, newer)

    def _read(self) -> Secret:
        try:
            token = read_settings_file(self._path).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AuthenticationError(
                f"The token file {self._path} cannot be read.",
                cause=str(error) if isinstance(error, OSError) else "It is not a text file.",
                hint="Correct FBN_ACCESS_TOKEN_FILE or the file's permissions.",
            ) from None
        if wrapping := wrapping_of(token):
            raise AuthenticationError(
                f"The token in {self._path} {wrapping}.",
                hint="Write the access token into it, and nothing else.",
            )
        if not token.isascii() or not token.isprintable() or not token:
            raise AuthenticationError(
                f"The token file {self._path} does not contain exactly one token.",
                cause="It is empty, or has other text in addition to the token.",
                hint="Write only the access token to it.",
            )
        return Secret(token)


class PasswordGrant(httpx.Auth):
    """OAuth 2 with user name and password; the token is renewed before it expires and on a 401.

    A refresh token is tried first, then user name and password. While one request renews the
    token, the others wait for it, so that many threads with a wrong password try it only once and
    do not lock the account.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        extensions: dict[str, Any],
        clock: Clock = monotonic,
    ) -> None:
        self._settings = settings
        self._extensions = extensions
        self._clock = clock
        self._token = Secret("")
        self._refresh_token: Secret | None = None
        self._renew_at = 0.0
        self._attempt = 0
        self._refusal: httpx.Response | None = None
        self._lock = threading.Lock()
        self._async_lock: anyio.Lock | None = None
        register_pair(settings.client_id or "", _reveal(settings.client_secret))
        register_pair(settings.username or "", _reveal(settings.password))

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send a valid token; get one first if needed."""
        token, is_new = Secret(""), False
        attempt = self._attempt
        for _ in range(_MAX_ATTEMPTS):
            with self._lock:
                # These requests go to the token endpoint; their answers are read completely.
                renewal = self._renew(rejected=token, since_attempt=attempt)
                token_request = next(renewal, None)
                while token_request is not None:
                    response = yield token_request
                    limit_body(response)
                    response.read()
                    token_request = _next_request(renewal, response)
                    is_new = True
                token = self._token
            response = yield _with_bearer(request, token)
            if is_new or response.status_code != httpx.codes.UNAUTHORIZED:
                return
            limit_body(response)  # httpx reads it before it sends what comes next

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do as `sync_auth_flow` does."""
        import anyio  # noqa: PLC0415  # httpx brings it, and sync clients do not need it

        self._async_lock = self._async_lock or anyio.Lock()
        token, is_new = Secret(""), False
        attempt = self._attempt
        for _ in range(_MAX_ATTEMPTS):
            async with self._async_lock:
                renewal = self._renew(rejected=token, since_attempt=attempt)
                token_request = next(renewal, None)
                while token_request is not None:
                    response = yield token_request
                    limit_body(response)
                    await response.aread()
                    token_request = _next_request(renewal, response)
                    is_new = True
                token = self._token
            response = yield _with_bearer(request, token)
            if is_new or response.status_code != httpx.codes.UNAUTHORIZED:
                return
            limit_body(response)  # httpx reads it before it sends what comes next

    def _renew(self, *, rejected: Secret, since_attempt: int) -> Flow:
        """Get a token unless there is a valid one that was not `rejected`.

        Raises `AuthenticationError`, also if another thread's attempt was refused after
        `since_attempt`.
        """
        if self._token and self._token != rejected and self._clock() < self._renew_at:
            return
        if self._refusal and self._attempt != since_attempt:
            raise self._refused_error(self._refusal)
        self._refusal = None
        if self._refresh_token:
            response = yield self._refresh_request(self._refresh_token)
            _require_working(response)
            if response.status_code == httpx.codes.OK:
                self._store_tokens(response, refresh_token=self._refresh_token)
                return
            self._refresh_token = None
        response = yield self._password_request()
        _require_working(response)
        if response.status_code != httpx.codes.OK:
            self._attempt += 1
            self._refusal = response
            raise self._refused_error(response)
        self._store_tokens(response)

    def _store_tokens(
        self, response: httpx.Response, *, refresh_token: Secret | None = None
    ) -> None:
        """Store the tokens; `refresh_token` stays valid without a new one (RFC 6749, section 6)."""
        answer = _json_members(response)
        token, newer = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise AuthenticationError(
                "The token endpoint's answer has no access token.",
                cause="FBN_TOKEN_URL is not the URL of a token endpoint.",
                hint="Correct FBN_TOKEN_URL, which usually ends in /v1/token.",
                operation=SIGN_IN.name,
                status=response.status_code,
            )
        self._token = Secret(token)
        self._refresh_token = Secret(newer) if isinstance(newer, str) and newer else refresh_token
        lifetime = _lifetime_seconds(answer.get("expires_in"))
        self._renew_at = self._clock() + max(lifetime - _RENEW_BEFORE_SECONDS, lifetime / 2)

    def _password_request(self) -> httpx.Request:
        settings = self._settings
        return self._token_request(
            grant_type="password",
            username=settings.username or "",
            password=_reveal(settings.password),
            scope=_SCOPE,
            client_id=settings.client_id or "",
            client_secret=_reveal(settings.client_secret),
        )

    def _refresh_request(self, refresh_token: Secret) -> httpx.Request:
        settings = self._settings
        request = self._token_request(
            grant_type="refresh_token", scope=_SCOPE, refresh_token=refresh_token.reveal()
        )
        basic = httpx.BasicAuth(settings.client_id or "", _reveal(settings.client_secret))
        return next(basic.auth_flow(request))

    def _token_request(self, **form: str) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._settings.token_url or "",
            content=urllib.parse.urlencode(form, quote_via=urllib.parse.quote, safe=""),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            extensions=dict(self._extensions),
        )

    def _refused_error(self, response: httpx.Response) -> AuthenticationError:
        if response.is_redirect or response.status_code in _NOT_AN_ENDPOINT_STATUSES:
            return _not_an_endpoint_error(response)
        answer = _json_members(response)
        said = str(answer.get("error_description") or answer.get("error") or "")
        said = plain(said).rstrip(".")
        return AuthenticationError(
            f"The token endpoint refused the sign-in (HTTP {response.status_code}"
            + (f": {said})." if said else ")."),
            cause="The user name, password, client id or client secret is wrong, or the account is "
            "locked.",
            hint="Check FBN_USERNAME, FBN_PASSWORD, FBN_CLIENT_ID, FBN_CLIENT_SECRET and "
            "FBN_TOKEN_URL; --verbose shows where each came from.",
            operation=SIGN_IN.name,
            status=response.status_code,
            detail=said,
        )


def _not_an_endpoint_error(response: httpx.Response) -> AuthenticationError:
    """Return the error for an address that is not that of a token endpoint."""
    url = response.request.url
    what = redirected_to(response.headers) if response.is_redirect else "is not a token endpoint"
    shown = plain(f"{url.scheme}://{url.netloc.decode()}{url.path}")
    return AuthenticationError(
        f"The token URL {shown} {what} (HTTP {response.status_code}).",
        cause=NOT_FOLLOWED if response.is_redirect else "Its path or its host is wrong.",
        hint="Correct FBN_TOKEN_URL: it usually ends in /v1/token, for example "
        "https://<tenant>.okta.com/oauth2/<id>/v1/token.",
        operation=SIGN_IN.name,
        status=response.status_code,
    )


def _next_request(flow: Flow, response: httpx.Response) -> httpx.Request | None:
    """Return the next request of `flow`, None at its end."""
    try:
        return flow.send(response)
    except StopIteration:
        return None


def _require_working(response: httpx.Response) -> None:
    """Raise the error of an endpoint that does not work: it says nothing about the token."""
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise error_of(Call(SIGN_IN), Received.of(response))


def _json_members(response: httpx.Response) -> dict[str, Any]:
    """Return the members of a JSON object, none for any other answer."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _lifetime_seconds(value: object) -> float:
    """Return the lifetime of a token; in OAuth it is optional."""
    try:
        seconds = float(str(value))
    except ValueError:
        return _DEFAULT_LIFETIME_SECONDS
    return seconds if 0 <= seconds < float("inf") else _DEFAULT_LIFETIME_SECONDS


def _reveal(secret: Secret | None) -> str:
    return secret.reveal() if secret else ""


def _with_bearer(request: httpx.Request, token: Secret) -> httpx.Request:
    text = token.reveal()
    if not (text and text.isascii() and text.isprintable() and " " not in text):
        raise AuthenticationError(
            "The access token has characters that are not allowed in a token.",
            cause="A line break or a space was copied with it, or the value is not a token.",
            hint="Set only the access token, on one line.",
        )
    request.headers["Authorization"] = f"Bearer {token.reveal()}"
    return request
