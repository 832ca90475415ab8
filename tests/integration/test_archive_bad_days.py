"""What networks, registries and people do while an archive is published: for real, without engine.

The fault matrix has what can happen to each request; here is the rest.
"""

import base64
import gzip
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import pytest
from docker import DockerClient

from tests.archives import Image, containerd, docker20, tar_of, zipped
from tests.faults import Answered, Asked, Fault
from tests.integration.faults import Proxy, running
from tests.integration.parts import (
    Registry,
    Started,
    command_environment,
    interrupt_at,
    run,
    start,
    write_certificate,
)
from tests.integration.scripted_service import ScriptedService, serve

LARGE = 60_000_000  # bytes; compressing them takes a second
Change = Callable[[Proxy], None]


@dataclass
class World:
    """A registry behind a proxy, an Images API over it, and a folder with archives.

    The command runs where no engine is.
    """

    registry: Registry
    proxy: Proxy
    folder: Path
    repository: str
    environ: dict[str, str]
    image: Image = field(default_factory=lambda: Image((os.urandom(200_000), b"second")))

    @property
    def name(self) -> str:
        return f"{self.repository}:1.0"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def archive(self, content: bytes | None = None) -> None:
        content = tar_of(containerd(a=self.image)) if content is None else content
        (self.folder / "image.tar").write_bytes(content)

    def arguments(self, *options: str) -> tuple[str, ...]:
        return ("publish", "image.tar", self.name, *options)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        done = run(*self.arguments(*options), cwd=self.folder, environ=self.environ)
        self.require_clean(done.stderr)
        return done

    def start(self) -> Started:
        return start(*self.arguments(), cwd=self.folder, environ=self.environ)

    def require_clean(self, shown: str) -> None:
        assert "Traceback" not in shown
        assert self.registry.password not in shown
        assert [*self.temporary.iterdir()] == []

    def pushed(self) -> str:
        return self.registry.digest(f"foo/{self.repository}", "1.0")

    def sent(self) -> int:
        """Return how many bytes of layers the registry was sent."""
        return sum(len(asked.body) for asked, _ in self.proxy.answered if asked.method == "PATCH")


@contextmanager
def world(
    registry: Registry, proxy: Proxy, folder: Path, repository: str, **environ: str
) -> Iterator[World]:
    (folder / "temporary").mkdir()
    scripted = ScriptedService(proxy.host, registry.username, registry.password, registry.digest)
    with running(proxy), serve(scripted.app()) as url:
        environ = command_environment(
            FBN_SCHEDULER_URL=f"{url}/scheduler2",
            FBN_ACCESS_TOKEN="token-of-the-test-0123456789",
            DOCKER_HOST=f"unix://{folder}/nowhere.sock",
            TMPDIR=str(folder / "temporary"),
            **environ,
        )
        found = World(registry, proxy, folder, repository, environ)
        found.archive()
        yield found


@pytest.fixture
def plain(registry: Registry, tmp_path: Path, repository: str) -> Iterator[World]:
    proxy = Proxy(lambda: registry.host)
    with world(registry, proxy, tmp_path, repository) as found:
        yield found


def test_what_was_sent_before_a_reset_is_not_sent_again(plain: World) -> None:
    plain.proxy.fault = Fault.RESET
    plain.proxy.at = lambda asked, _: asked.method == "PUT" and "/manifests/" in asked.path
    done = plain.run()
    assert done.returncode == 0, done.stderr
    assert "was interrupted" in done.stderr
    assert "retry 1 of 3" in done.stderr
    assert "Layer already exists" in done.stderr
    layers = sum(len(zipped(layer)) for layer in plain.image.layers)
    assert plain.sent() == layers + len(plain.image.config)


def test_a_reset_in_the_middle_of_a_layer_sends_that_layer_again(plain: World) -> None:
    plain.proxy.fault = Fault.RESET
    plain.proxy.at = lambda asked, _: asked.method == "PATCH"
    done = plain.run()
    assert (done.returncode, done.stdout.strip()) == (0, plain.pushed()), done.stderr
    assert plain.proxy.happened == 1


def test_a_registry_that_goes_away_is_reported(plain: World) -> None:
    plain.proxy.fault, plain.proxy.always = Fault.REFUSED, True
    plain.proxy.at = lambda asked, _: asked.method == "PATCH"
    done = plain.run("--push-retries", "1")
    assert (done.returncode, done.stdout) == (7, "")
    assert "Connection refused" in done.stderr
    assert "this machine can reach the registry" in done.stderr
    assert "docker" not in done.stderr.partition("Error:")[2].lower()
    assert plain.pushed() == ""


def stop_to_answer(proxy: Proxy, _: threading.Event) -> None:
    proxy.fault, proxy.always = Fault.STALL, True
    proxy.at = lambda asked, _: asked.method == "PATCH"


def stop_to_read(proxy: Proxy, over: threading.Event) -> None:
    def wait(asked: Asked) -> None:
        if asked.method == "PATCH":
            over.wait(20)

    proxy.instead = wait


@cache
def large_archive() -> bytes:
    """Return an archive that is larger than the buffers of two sockets."""
    return tar_of(containerd(a=Image((os.urandom(20_000_000),))))


@pytest.mark.parametrize("tls", [False, True], ids=["HTTP", "HTTPS"])
@pytest.mark.parametrize("stop", [stop_to_answer, stop_to_read])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--push-idle-timeout", "1"), "no progress for 1 seconds"),
        (("--push-timeout", "1"), "it did not finish in time"),
    ],
    ids=["idle", "time"],
)
def test_a_registry_that_stops_in_the_middle_is_given_up(
    registry: Registry,
    tmp_path: Path,
    repository: str,
    certificate: tuple[str, Path],
    stop: Callable[[Proxy, threading.Event], None],
    option: tuple[str, ...],
    words: str,
    *,
    tls: bool,
) -> None:
    over = threading.Event()
    with ExitStack() as stack:
        if tls:
            proxy = stack.enter_context(speaking_tls(registry, certificate))
            proxy.headers = {"X-Forwarded-Proto": "https"}
        else:
            proxy = Proxy(lambda: registry.host)
        named = {"FBN_CLIENT_CERTIFICATE": f"{certificate[1]}.crt"}
        found = stack.enter_context(world(registry, proxy, tmp_path, repository, **named))
        stack.callback(over.set)
        stop(proxy, over)
        found.archive(large_archive())
        done = found.run(*option, "--push-retries", "0")
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert words in done.stderr


def test_the_registry_s_own_words_are_shown(plain: World) -> None:
    plain.proxy.fault, plain.proxy.always = Fault.FORBIDDEN, True
    plain.proxy.at = lambda asked, _: asked.method == "PUT" and "/manifests/" in asked.path
    done = plain.run()
    assert done.returncode == 7
    assert "HTTP 403, DENIED: the registry's own words" in done.stderr
    assert "Requesting a new credential" in done.stderr


STEPS: dict[str, Callable[[Asked], bool]] = {
    "looking": lambda asked: asked.method == "HEAD",
    "beginning": lambda asked: asked.method == "POST",
    "sending": lambda asked: asked.method == "PATCH",
    "ending": lambda asked: asked.method == "PUT" and "/uploads/" in asked.path,
    "committing": lambda asked: asked.method == "PUT" and "/manifests/" in asked.path,
}


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"],
)
@pytest.mark.parametrize("step", STEPS)
def test_a_signal_ends_it_at_once_and_leaves_nothing(
    plain: World, step: str, number: signal.Signals, code: int
) -> None:
    plain.archive(gzip.compress(tar_of(docker20(a=plain.image)), 1))
    plain.proxy.fault, plain.proxy.always = Fault.STALL, True
    plain.proxy.at = lambda asked, _: STEPS[step](asked)
    process = plain.start()
    try:
        deadline = time.monotonic() + 30
        while not plain.proxy.happened:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (code, ""), err
    assert ("The push was cancelled" in err) is (number != signal.SIGKILL)
    plain.require_clean(err)
    assert plain.pushed() == ""


@pytest.mark.parametrize(
    ("words", "compress"),
    [
        ("==> Reading", partial(gzip.compress, compresslevel=1)),  # it is decompressed then
        ("==> Pushing", bytes),  # its layers are compressed and sent then
    ],
)
def test_a_signal_while_it_is_read_or_sent_leaves_nothing(
    plain: World, words: str, compress: Callable[[bytes], bytes]
) -> None:
    plain.archive(compress(tar_of(docker20(a=Image((os.urandom(LARGE),))))))
    code, err = interrupt_at(plain.start(), words)
    assert code == 130, err
    plain.require_clean(err)
    assert plain.pushed() == ""


def test_an_upload_that_goes_on_at_another_host_is_sent_without_the_credential(
    registry: Registry, tmp_path: Path, repository: str
) -> None:
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    storage = Proxy(lambda: registry.host, headers={"authorization": f"Basic {pair}"})
    front = Proxy(lambda: registry.host)
    front.rewrites = {front.host.encode(): storage.host.encode()}
    with running(storage), world(registry, front, tmp_path, repository) as found:
        done = found.run()
    assert (done.returncode, done.stdout.strip()) == (0, found.pushed()), done.stderr
    assert {asked.method for asked in storage.asked} == {"PATCH", "PUT"}
    assert [asked for asked in storage.asked if "authorization" in asked.headers] == []
    assert {asked.method for asked in front.asked} == {"GET", "HEAD", "POST", "PUT"}


@dataclass
class TokenGate:
    """What stands before a registry and gives tokens; each is good for so many requests."""

    registry: Registry
    uses: int
    left: int = 0
    issued: int = 0
    refused: list[str] = field(default_factory=list)
    scopes: set[str] = field(default_factory=set)

    def proxy(self) -> Proxy:
        pair = f"{self.registry.username}:{self.registry.password}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self.gate = Proxy(lambda: self.registry.host, headers={"authorization": basic})
        self.gate.instead = self.answer
        return self.gate

    def answer(self, asked: Asked) -> Answered | None:
        if asked.path.startswith("/token?"):
            assert asked.headers["authorization"].startswith("Basic ")
            self.issued, self.left = self.issued + 1, self.uses
            self.scopes.add(asked.path.partition("scope=")[2].partition("&")[0])
            return self._json(200, {"token": f"token-{self.issued}", "expires_in": 300})
        if asked.headers.get("authorization") == f"Bearer token-{self.issued}" and self.left:
            self.left -= 1
            return None
        self.refused.append(asked.method)
        challenge = f'Bearer realm="http://{self.gate.host}/token",service="tests"'
        return self._json(401, {"errors": [{"code": "UNAUTHORIZED"}]}, challenge)

    def _json(self, status: int, content: object, challenge: str = "") -> Answered:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if challenge:
            headers["WWW-Authenticate"] = challenge
        return Answered(status, headers, json.dumps(content).encode())


@pytest.mark.parametrize("uses", [1000, 2, 3, 4, 5])
def test_tokens_that_expire_in_the_middle_of_a_push_are_renewed(
    registry: Registry, tmp_path: Path, repository: str, uses: int
) -> None:
    gate = TokenGate(registry, uses)
    with world(registry, gate.proxy(), tmp_path, repository) as found:
        found.archive(tar_of(containerd(a=Image((os.urandom(3_000_000), b"second")))))
        done = found.run("--push-retries", "20")
        assert (done.returncode, done.stdout.strip()) == (0, found.pushed()), done.stderr
    assert gate.scopes == {
        f"repository%3Afoo%2F{repository}%3Apull",
        f"repository%3Afoo%2F{repository}%3Apull%2Cpush",
    }
    if uses < 1000:
        assert gate.issued > 4


@pytest.fixture
def certificate(engine: DockerClient, tmp_path: Path) -> tuple[str, Path]:
    """An address of this machine other than its loopback, and a certificate with key for it."""
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    address = bridge.get("Gateway") or str(ipaddress.ip_network(bridge["Subnet"])[1])
    file = tmp_path / "certificate.pem"
    write_certificate(Path(f"{file}.crt"), Path(f"{file}.key"), f"IP:{address}")
    return address, file


@contextmanager
def speaking_tls(registry: Registry, certificate: tuple[str, Path]) -> Iterator[Proxy]:
    address, file = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{file}.crt", f"{file}.key")
    listening = context.wrap_socket(socket.create_server((address, 0)), server_side=True)
    yield Proxy(lambda: registry.host, listening=listening)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_private_authority_must_be_named(
    registry: Registry,
    tmp_path: Path,
    repository: str,
    certificate: tuple[str, Path],
    *,
    trusted: bool,
) -> None:
    named = {"FBN_CLIENT_CERTIFICATE": f"{certificate[1]}.crt"} if trusted else {}
    with (
        speaking_tls(registry, certificate) as proxy,
        world(registry, proxy, tmp_path, repository, **named) as found,
    ):
        proxy.headers = {"X-Forwarded-Proto": "https"}
        done = found.run()
    if trusted:
        assert (done.returncode, done.stdout.strip()) == (0, found.pushed()), done.stderr
    else:
        assert done.returncode == 7
        assert "does not trust the registry's certificate" in done.stderr
        assert "FBN_CLIENT_CERTIFICATE" in done.stderr


def test_a_registry_that_does_not_know_its_own_scheme_is_reported(
    registry: Registry, tmp_path: Path, repository: str, certificate: tuple[str, Path]
) -> None:
    named = {"FBN_CLIENT_CERTIFICATE": f"{certificate[1]}.crt"}
    with (
        speaking_tls(registry, certificate) as proxy,
        world(registry, proxy, tmp_path, repository, **named) as found,
    ):
        done = found.run()
    assert done.returncode == 7
    assert f"redirects a layer to 'http://{certificate[0]}:" in done.stderr
    assert [asked for asked in proxy.asked if asked.method in {"PATCH", "PUT"}] == []


@pytest.mark.parametrize("way", ["Location", "realm"])
def test_a_registry_of_another_machine_sends_nothing_to_this_one(
    registry: Registry,
    tmp_path: Path,
    repository: str,
    certificate: tuple[str, Path],
    way: str,
) -> None:
    here = Proxy(lambda: registry.host)
    address = here.host

    def answer(asked: Asked) -> Answered | None:
        if way == "realm":
            realm = f'Bearer realm="http://{address}/token"'
            return Answered(401, {"WWW-Authenticate": realm, "Connection": "close"}, b"")
        if asked.method == "POST":
            location = f"http://{address}/upload"
            return Answered(202, {"Location": location, "Connection": "close"}, b"")
        return None

    named = {"FBN_CLIENT_CERTIFICATE": f"{certificate[1]}.crt"}
    with (
        running(here),
        speaking_tls(registry, certificate) as proxy,
        world(registry, proxy, tmp_path, repository, **named) as found,
    ):
        proxy.instead = answer
        done = found.run("--allow-http")
    assert done.returncode == 7, done.stderr
    words = "redirects a layer to" if way == "Location" else "names the token endpoint"
    assert f"{words} 'http://{address}/" in done.stderr
    assert certificate[0] in done.stderr
    assert here.asked == []


def test_a_token_endpoint_of_http_is_refused_before_anything_is_sent(
    registry: Registry, tmp_path: Path, repository: str
) -> None:
    proxy = Proxy(lambda: registry.host)
    challenge = {"WWW-Authenticate": 'Bearer realm="http://auth.invalid/token"'}
    proxy.instead = lambda _: Answered(401, challenge | {"Connection": "close"}, b"")
    with world(registry, proxy, tmp_path, repository) as found:
        done = found.run()
    assert done.returncode == 2, done.stderr
    assert "http://auth.invalid/token" in done.stderr
    assert "--allow-http" in done.stderr
    assert {asked.method for asked in proxy.asked} == {"GET"}


def test_a_scheduler_of_another_machine_is_asked_over_http_where_that_is_allowed(
    registry: Registry, tmp_path: Path, repository: str, certificate: tuple[str, Path]
) -> None:
    with world(registry, Proxy(lambda: registry.host), tmp_path, repository) as found:
        here = found.environ["FBN_SCHEDULER_URL"].split("/")[2]
        listening = socket.create_server((certificate[0], 0))
        with running(Proxy(lambda: here, listening=listening)) as elsewhere:
            found.environ["FBN_SCHEDULER_URL"] = f"http://{elsewhere.host}/scheduler2"
            refused = found.run()
            assert (refused.returncode, elsewhere.asked) == (2, []), refused.stderr
            assert "FBN_SCHEDULER_URL" in refused.stderr
            done = found.run("--allow-http")
            assert (done.returncode, done.stdout.strip()) == (0, found.pushed()), done.stderr
            assert elsewhere.asked


def test_an_archive_goes_through_the_proxy_that_lusid_is_reached_with(
    registry: Registry, tmp_path: Path, repository: str
) -> None:
    proxy, front = Proxy(lambda: ""), Proxy(lambda: registry.host)
    with running(proxy), world(registry, front, tmp_path, repository) as found:
        found.environ["FBN_PROXY_ADDRESS"] = f"http://{proxy.host}"
        done = found.run()
    assert (done.returncode, done.stdout.strip()) == (0, found.pushed()), done.stderr
    assert len(proxy.asked) > len(found.proxy.asked) > 5
    assert {"GET", "HEAD", "POST", "PATCH", "PUT"} == {asked.method for asked in proxy.asked}
