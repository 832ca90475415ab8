"""By which way a registry and others are reached."""

import base64
import logging
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.http import transport
from lusid_image_publish.redact import redact
from lusid_image_publish.registry import session
from lusid_image_publish.registry.session import build_registry_client
from lusid_image_publish.scheduler.http_clients import build_client

SETTINGS = Settings.from_values(scheduler_url="https://foo.example")


def test_each_host_that_a_registry_names_has_its_own_proxy_or_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "storage.example")
    ways: list[str] = []

    class Way(httpx.MockTransport):
        def __init__(self, *, proxy: httpx.Proxy | None, **_: object) -> None:
            super().__init__(lambda _: httpx.Response(200))
            ways.append(str(proxy.url) if proxy else "direct")

        def close(self) -> None:
            ways.append("closed")

    monkeypatch.setattr(transport, "BoundedTransport", Way)
    auth = httpx.BasicAuth("me", "password")
    with build_registry_client(SETTINGS, "foo.example", auth) as client:
        for url in ("/v2/", "/v2/", "https://storage.example/a", "http://127.0.0.1:5000/v2/"):
            client.get(url)
    assert ways == ["http://proxy.example:3128", "direct", "direct", *["closed"] * 3]


@pytest.mark.parametrize(
    ("proxy", "url", "goes_through"),
    [
        ("http://proxy.example:3128", "http://127.0.0.1:5000", False),
        ("http://proxy.example:3128", "https://localhost:5000", False),
        ("http://proxy.example:3128", "https://foo.example", True),
        ("http://127.0.0.1:3128", "http://127.0.0.1:5000", True),
        ("http://localhost:3128", "https://foo.example", True),
    ],
)
def test_what_is_on_this_machine_is_not_asked_through_a_proxy_elsewhere(
    proxy: str, url: str, *, goes_through: bool
) -> None:
    settings = Settings.from_values(scheduler_url=url, proxy_address=proxy)
    found = transport._proxy_for(url, settings)
    assert (found.url if found else None) == (proxy if goes_through else None)


@pytest.mark.parametrize(
    ("url", "proxy", "is_needed"),
    [
        ("http://127.0.0.1:5000", "", False),
        ("https://foo.example", "", True),
        ("http://localhost", "https://localhost:3128", True),
    ],
)
def test_authorities_are_read_only_for_tls(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str, *, is_needed: bool
) -> None:
    read: list[Settings] = []
    real = transport.trusted_authorities

    def trusted_authorities(settings: Settings) -> ssl.SSLContext:
        read.append(settings)
        return real(settings)

    monkeypatch.setattr(transport, "trusted_authorities", trusted_authorities)
    values: dict[str, Any] = {"proxy_address": proxy} if proxy else {}
    transport.transport_to(url, Settings.from_values(scheduler_url=url, **values)).close()
    assert bool(read) is is_needed


def test_a_bad_bundle_is_an_error_also_where_nobody_speaks_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = Settings.from_values(
        scheduler_url="http://127.0.0.1:1", ca_bundle=str(tmp_path / "ca.pem")
    )
    with pytest.raises(
        ConfigurationError, match=r"ca\.pem does not contain certificate authorities"
    ):
        transport.transport_to(settings.scheduler_url, settings)


def test_a_signature_in_a_query_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        session, "transport_to", lambda *_: httpx.MockTransport(lambda _: httpx.Response(201))
    )
    caplog.set_level(logging.DEBUG, logger="lusid_image_publish")
    with build_registry_client(SETTINGS, "foo.example", httpx.BasicAuth("me", "x")) as client:
        client.put("https://storage.example/upload?X-Signature=abc")
    assert "PUT https://storage.example/upload -> 201" in caplog.text
    assert "abc" not in caplog.text


@pytest.mark.parametrize("is_setting", [True, False])
def test_the_pairs_of_all_who_are_signed_in_with_are_hidden(
    monkeypatch: pytest.MonkeyPatch, *, is_setting: bool
) -> None:
    values = {
        "token_url": "https://foo.example/token",
        "username": "me",
        "password": "p@ss",
        "client_id": "id",
        "client_secret": "s%ss",
    }
    if is_setting:
        values |= {"proxy_address": "http://p.example", "proxy_username": "you"}
        values |= {"proxy_password": "w/rd"}
    else:
        monkeypatch.setenv("HTTPS_PROXY", "http://you:w%2Frd@p.example")
    settings = Settings.from_values(scheduler_url="https://foo.example", **values)  # type: ignore[arg-type]  # a part of them
    build_client(settings).close()
    for pair in ("me:p@ss", "id:s%ss", "you:w/rd", "you:w%2Frd"):
        assert redact(base64.b64encode(pair.encode()).decode()) == "***"
