"""A proxy with a password and a private certificate authority, for real."""

import base64
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from lusid_image_publish.config import SettingValues
from lusid_image_publish.errors import ServiceError, TransportError
from tests.integration.misbehaving import DIGEST, EACH_CLIENT, Kind, connected
from tests.integration.parts import write_certificate
from tests.integration.scripted_service import ScriptedService, serve

pytestmark = EACH_CLIENT

LOGIN = "Basic " + base64.b64encode(b"me:pass word").decode()


class Forward(BaseHTTPRequestHandler):
    """A forward proxy for GET that wants a password."""

    def do_GET(self) -> None:
        asked = self.server.asked  # type: ignore[attr-defined]  # set by the fixture
        asked.append(self.path)
        if self.headers.get("Proxy-Authorization") != LOGIN:
            self.send_error(407)
            return
        headers = {"Authorization": self.headers["Authorization"]}
        request = urllib.request.Request(self.path, headers=headers)  # noqa: S310  # the test's own
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as answer:
            content = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("password", ["pass word", "wrong"])
def test_a_proxy_with_a_password(
    kind: Kind, service: ScriptedService, proxy: ThreadingHTTPServer, password: str
) -> None:
    service.gets = lambda: JSONResponse({"name": "job", "digest": DIGEST})
    through: SettingValues = {
        "proxy_address": f"http://127.0.0.1:{proxy.server_port}",
        "proxy_username": "me",
        "proxy_password": password,
    }
    with connected(kind, service.url, **through) as images:
        if password == "wrong":
            with pytest.raises(ServiceError, match="407"):
                images.get_image("job:1")
        else:
            assert images.get_image("job:1").digest == DIGEST
    assert proxy.asked[0].startswith(service.url)  # type: ignore[attr-defined]


def test_a_private_authority_is_trusted_when_it_is_named(kind: Kind, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    write_certificate(certificate, key, "IP:127.0.0.1")
    app = FastAPI()
    app.get("/scheduler2/api/images/{name}")(lambda name: {"name": name, "digest": DIGEST})
    with serve(app, ssl_keyfile=key, ssl_certfile=certificate) as served:
        url = served.replace("http:", "https:") + "/scheduler2"
        with connected(kind, url) as images, pytest.raises(TransportError) as caught:
            images.get_image("job:1")
        assert "not trusted" in caught.value.cause
        with connected(kind, url, ca_bundle=certificate) as images:
            assert images.get_image("job:1").digest == DIGEST
