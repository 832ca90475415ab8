"""Look at the index and the registry that a release is published to."""

import base64
import hashlib
import json
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from releasing.owner import PROJECT
from releasing.stopping import StoppedError
from releasing.versions import Version

PYPI: Final = "https://pypi.org"
VERSION_ANNOTATION: Final = "org.opencontainers.image.version"
REVISION_ANNOTATION: Final = "org.opencontainers.image.revision"
_SIMPLE: Final = "application/vnd.pypi.simple.v1+json"
_INDEX_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES: Final = (
    *_INDEX_TYPES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TIMEOUT_SECONDS: Final = 30.0


def require_free_in_index(index: str, version: Version) -> None:
    """Stop if the package index at the URL `index` has `version`, or does not answer."""
    url = f"{index}/simple/{PROJECT}/"
    answer = _get(httpx.Client(), "index", url, {"Accept": _SIMPLE})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return
    try:
        versions = {_shortest(each) for each in answer.raise_for_status().json()["versions"]}
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoppedError(
            "index",
            f"{url} did not answer with the versions of the project ({answer.status_code}); "
            "it is not known whether this one is free, so run again later",
        ) from error
    if _shortest(str(version)) in versions:
        raise StoppedError(
            "index", f"{index} already has {PROJECT} {version}; release a new version"
        )


def _shortest(version: str) -> str:
    """Return a version without its last zeros: for the index, 1.0 and 1.0.0 are the same."""
    return re.sub(r"(\.0)+(?=$|a|b|rc)", "", version)


@dataclass(frozen=True)
class RegistryImage:
    """What a tag of a registry points to: digest, and version and commit, empty if not known."""

    digest: str
    version: str
    revision: str = ""


@dataclass(frozen=True)
class Registry:
    """One repository of a registry, `host` and `path`; without a user name it is anonymous."""

    host: str
    path: str
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, username: str, password: str) -> "Registry":
        """Return the registry of an image's name, HOST/PATH."""
        host, _, path = name.partition("/")
        return cls(host, path, username, password)

    def find(self, tag: str) -> RegistryImage | None:
        """Return the image that a tag points to, None if there is none; stop at other answers."""
        name = f"{self.host}/{self.path}:{tag}"
        local = re.fullmatch(r"(localhost|127\.[\d.]+)(:\d+)?", self.host)
        url = f"{'http' if local else 'https'}://{self.host}/v2/{self.path}/manifests/{tag}"
        client = httpx.Client(auth=_RegistryAuth(self))
        answer = _get(client, "registry", url, {"Accept": ", ".join(_MANIFEST_TYPES)})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise StoppedError(
                "registry",
                f"{self.host} did not say whether it has {name} ({answer.status_code}); set "
                "REGISTRY_USERNAME and REGISTRY_PASSWORD to an account that can read it",
            )
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        try:
            annotations = json.loads(answer.content).get("annotations") or {}
            said = (
                str(annotations.get(key, "")) for key in (VERSION_ANNOTATION, REVISION_ANNOTATION)
            )
            return RegistryImage(digest, *said)
        except (ValueError, AttributeError, RecursionError) as error:
            raise StoppedError(
                "registry", f"{url} did not answer with a manifest; is {self.host} a registry?"
            ) from error

    def require_free(self, version: Version) -> None:
        """Stop if the registry has an image of `version`, or does not say so."""
        if found := self.find(str(version)):
            raise StoppedError(
                "registry",
                f"{self.host}/{self.path}:{version} already exists ({found.digest}); release a "
                "new version, or delete this image if its release did not reach the index",
            )


class _RegistryAuth(httpx.Auth):
    """Sign in to a registry that asks for a password, or for a token (distribution)."""

    requires_response_body = True

    def __init__(self, registry: Registry) -> None:
        pair = f"{registry.username}:{registry.password}".encode()
        self._basic = f"Basic {base64.b64encode(pair).decode()}" if registry.username else ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        kind, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        if kind.lower() == "basic" and self._basic:
            request.headers["Authorization"] = self._basic
            yield request
        elif kind.lower() == "bearer":
            params = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            url = httpx.URL(params.pop("realm", ""), params=params)
            if (url.scheme, url.host) != (request.url.scheme, request.url.host):
                return  # the password is the registry's own
            headers = {"Authorization": self._basic} if self._basic else {}
            answer = yield httpx.Request("GET", url, headers=headers)
            if answer.is_success and isinstance(token := answer.json(), dict):
                word = token.get("token") or token.get("access_token")
                request.headers["Authorization"] = f"Bearer {word}"
                yield request


def _get(client: httpx.Client, step: str, url: str, headers: dict[str, Any]) -> httpx.Response:
    """Return the answer to a GET; stop if there is none."""
    try:
        with client:
            return client.get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise StoppedError(
            step, f"{url} did not answer ({error}); it is not known whether the version is free"
        ) from error
