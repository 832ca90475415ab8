"""A URL that is not quite right: what is wrong with it is said at once, over real sockets."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lusid_image_publish.errors import ExitCode
from tests.environment import OF_A_CI

START = "from lusid_image_publish.cli.start import lusid_images; lusid_images()"
SIGN_IN = {
    "FBN_USERNAME": "me",
    "FBN_PASSWORD": "the-password-0123",
    "FBN_CLIENT_ID": "client",
    "FBN_CLIENT_SECRET": "the-client-secret-0123",
}


class Site(ThreadingHTTPServer):
    """A web server: it has no token endpoint and no Scheduler, and some paths lead elsewhere."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:  # as http.server calls it
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "https://me:pw@www.lusid.com:8443/app?session=hidden#x")
        elif self.path.startswith("/nowhere"):
            self.send_response(308)
        else:
            self.send_response(405 if self.path.startswith("/get-only") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on this machine."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def list_repositories(code: ExitCode, **variables: str) -> str:
    """Ask for the repositories, with an exit code that is expected, and return what is said."""
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*OF_A_CI, "FBN_")) and not name.lower().endswith("_proxy")
    }
    done = subprocess.run(
        [sys.executable, "-c", START, "repos"],
        env=outside | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Next step: " in done.stderr
    for secret in ("the-password", "the-client-secret", "the-token", "hidden", "pw@"):
        assert secret not in done.stderr
    return done.stderr


def with_token(url: str, code: ExitCode = ExitCode.SERVICE) -> str:
    return list_repositories(code, FBN_SCHEDULER_URL=url, FBN_ACCESS_TOKEN="the-token-0123")


def test_a_host_that_dns_does_not_know_is_not_asked_again() -> None:
    said = with_token("https://acme.invalid/scheduler2")
    assert said.startswith("Error: There is no host acme.invalid: is the domain spelled right?\n")
    assert "Correct FBN_SCHEDULER_URL" in said
    assert "trying again" not in said


def test_a_proxy_that_dns_does_not_know_is_named_as_the_proxy() -> None:
    said = list_repositories(
        ExitCode.SERVICE,
        FBN_SCHEDULER_URL="https://acme.lusid.com/scheduler2",
        FBN_ACCESS_TOKEN="the-token-0123",
        FBN_PROXY_ADDRESS="http://proxy.invalid:3128",
    )
    assert said.startswith("Error: There is no host proxy.invalid, which is set as the proxy.")
    assert "Correct FBN_PROXY_ADDRESS" in said


def test_https_to_a_port_of_http(site: Site) -> None:
    said = with_token(site.url("/scheduler2", "https"))
    address = site.url("").removeprefix("http://")
    assert said.startswith(f"Error: The Scheduler at {address} does not speak HTTPS.\n")
    assert "trying again" not in said


def test_a_port_at_which_nothing_listens_is_asked_again_in_plain_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = with_token(f"http://127.0.0.1:{port}/scheduler2")
    assert "    the connection to LUSID failed (Connection refused); trying again" in said
    assert "does not answer list_repositories: Connection refused.\n" in said
    assert "lusid-scheduler-local" in said
    for word in ("WARNING", "httpx", "lusid_image_publish", "Errno"):
        assert word not in said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/moved", "redirects to https://www.lusid.com:8443/app (HTTP 302)"),
        ("/nowhere", "redirects without saying where to (HTTP 308)"),
    ],
)
def test_a_redirect_says_where_it_leads_and_is_not_followed(
    site: Site, path: str, words: str
) -> None:
    said = with_token(site.url(path))
    assert words in said
    assert "Redirects are not followed" in said
    assert site.asked == [f"GET {path}/api/images/repository"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/tokens", "is not a token endpoint (HTTP 404)"),
        ("/get-only", "is not a token endpoint (HTTP 405)"),
        ("/moved", "redirects to https://www.lusid.com:8443/app (HTTP 302)"),
    ],
)
def test_a_token_url_that_is_not_one(site: Site, path: str, words: str) -> None:
    said = list_repositories(
        ExitCode.AUTHENTICATION,
        FBN_SCHEDULER_URL=site.url("/scheduler2"),
        FBN_TOKEN_URL=site.url(f"{path}?key=hidden"),
        **SIGN_IN,
    )
    assert said.startswith(f"Error: The token URL {site.url(path)} {words}.\n")
    assert "Correct FBN_TOKEN_URL" in said
    assert site.asked == [f"POST {path}?key=hidden"], "the password was sent once"
