"""A registry's credential, from the upload instructions to the request."""

import base64
import json
from dataclasses import dataclass

from lusid_image_publish.redact import Secret, register_pair


@dataclass(frozen=True)
class Credential:
    """A user name and a password of a registry, and the two headers that carry them."""

    username: str
    password: Secret

    @property
    def authorization(self) -> str:
        """The value of `Authorization`, for the registry itself (RFC 7617)."""
        register_pair(self.username, self.password.reveal())
        pair = f"{self.username}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    @property
    def engine_header(self) -> str:
        """The value of `X-Registry-Auth`, for an engine that pushes (Docker Engine API)."""
        login = {"username": self.username, "password": self.password.reveal()}
        return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
