"""The token endpoint: OAuth 2's password grant and refresh grant, for one user and one client."""

import base64
import binascii
import hmac
import secrets
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Final

from lusid_image_publish.redact import Secret

LIFETIME_SECONDS: Final = 3600
"""How long an access token is valid."""


class TokenError(Exception):
    """An error answer of the token endpoint, in OAuth's terms."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


def _new_secret() -> Secret:
    return Secret(secrets.token_urlsafe(32))


@dataclass(frozen=True)
class TokenIssuer:
    """The user who may sign in, and the valid tokens.

    All values are new in each process; `access_token` is valid until it ends.
    """

    username: str = "local"
    client_id: str = "local-client"
    password: Secret = field(default_factory=_new_secret)
    client_secret: Secret = field(default_factory=_new_secret)
    access_token: Secret = field(default_factory=_new_secret)
    _expiries: dict[str, float] = field(default_factory=dict)
    _refresh_tokens: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accepts(self, token: str) -> bool:
        """Return whether `token` is an access token that has not expired."""
        if _same(token, self.access_token.reveal()):
            return True
        with self._lock:
            return self._expiries.get(token, 0.0) > time.monotonic()

    def answer(self, body: bytes, authorization: str) -> dict[str, Any]:
        """Return a token for a form. Raises `TokenError` if it is refused."""
        form = dict(urllib.parse.parse_qsl(body.decode(errors="replace")))
        client = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if client[0] != self.client_id or not _same(client[1], self.client_secret.reveal()):
            raise TokenError(401, "invalid_client", "The client id or secret is invalid.")
        match form.get("grant_type"):
            case "password":
                is_user = form.get("username") == self.username
                if not is_user or not _same(form.get("password", ""), self.password.reveal()):
                    raise TokenError(400, "invalid_grant", "The credentials provided were invalid.")
            case "refresh_token":
                self._use_refresh_token(form.get("refresh_token", ""))
            case _:
                raise TokenError(
                    400, "unsupported_grant_type", "This server does not support the grant type."
                )
        return self._issue(form.get("scope", "openid client groups offline_access"))

    def _use_refresh_token(self, token: str) -> None:
        with self._lock:
            if token not in self._refresh_tokens:
                raise TokenError(400, "invalid_grant", "The refresh token is invalid or expired.")
            self._refresh_tokens.remove(token)

    def _issue(self, scope: str) -> dict[str, Any]:
        access, refresh = _new_secret().reveal(), _new_secret().reveal()
        now = time.monotonic()
        with self._lock:
            for expired in [token for token, end in self._expiries.items() if end <= now]:
                del self._expiries[expired]
            self._expiries[access] = now + LIFETIME_SECONDS
            self._refresh_tokens.add(refresh)
        return {
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "access_token": access,
            "refresh_token": refresh,
            "scope": scope,
        }


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _basic(authorization: str) -> tuple[str, str] | None:
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
