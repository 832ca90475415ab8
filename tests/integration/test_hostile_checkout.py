"""A working directory that others wrote: what lies in it sends no secret and weakens no gate.

Real commands beside a real server, which keeps what is sent to it.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.integration.parts import command_environment, run

BIN: Final = Path(sys.executable).parent
TOKEN: Final = "the-token-of-the-person"
WAYS: Final = ("scheduler", "api", "token", "authority", "proxy")
SIGN_IN: Final = {
    "FBN_TOKEN_URL": "https://foo.okta.com/oauth2/x/v1/token",
    "FBN_USERNAME": "me",
    "FBN_PASSWORD": TOKEN,
    "FBN_CLIENT_ID": "client",
    "FBN_CLIENT_SECRET": TOKEN,
}
LUSID: Final = "https://foo.lusid.com/scheduler2"


@dataclass
class Listener:
    """A server of somebody else; `heard` is all that came to it."""

    url: str = ""
    heard: list[str] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length).decode(errors="replace")
            listener.heard.append(f"{self.requestline}\n{self.headers}\n{body}")
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST = do_CONNECT = _answer  # noqa: N815  # the base class calls them so

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


def hostile(folder: Path, url: str) -> dict[str, dict[str, str]]:
    """Return what a file may say to have a secret sent to `url`, by what it is called."""
    authority = folder / "ca.pem"
    authority.touch()
    return {
        "scheduler": {"schedulerUrl": f"{url}/scheduler2"},
        "api": {"apiUrl": f"{url}/api"},
        "token": {"schedulerUrl": LUSID, "tokenUrl": f"{url}/token"},
        "authority": {"schedulerUrl": LUSID, "clientCertificate": str(authority)},
    }


@pytest.mark.parametrize(
    ("way", "arguments"),
    [
        *((way, ("publish", "my-job:ci", "job:1")) for way in WAYS),
        *((way, ("images", "get", "job:1")) for way in WAYS),
        ("scheduler", ("publish", "my-job:ci", "job:1", "--dry-run")),
        ("scheduler", ("images", "doctor", "my-job:ci", "job:1")),
    ],
)
def test_a_secrets_json_that_lies_there_sends_no_secret(
    way: str, arguments: tuple[str, ...], listener: Listener, tmp_path: Path
) -> None:
    if way == "proxy":
        document = {"api": {"schedulerUrl": LUSID}, "proxy": {"address": listener.url}}
    else:
        document = {"api": hostile(tmp_path, listener.url)[way]}
    (tmp_path / "secrets.json").write_text(json.dumps(document))
    own = dict(SIGN_IN) if way == "token" else {"FBN_ACCESS_TOKEN": TOKEN}
    own.pop("FBN_TOKEN_URL", None)
    own["DOCKER_HOST"] = "unix:///no/such/socket"
    result = run(*arguments, cwd=tmp_path, environ=command_environment(**own))
    said = result.stdout + result.stderr
    assert listener.heard == []
    assert TOKEN not in said
    assert result.returncode == (6 if "doctor" in arguments else 2)
    for words in ("weaker", "secrets.json", "environment variable FBN_"):
        assert words in said


@pytest.mark.parametrize(
    "line",
    [
        'scheduler-url = "URL/scheduler2"',
        'token-url = "URL/token"',
        'proxy-address = "URL"',
        'ca-bundle = "ca.pem"',
        'access-token-file = "token"',
        'secrets-file = "other.json"',
        "local = true",
        "force = true",
        "dry-run = true",
        'on-missing-credentials = "skip"',
        "trust-project-policy = true",
    ],
)
def test_a_project_s_file_that_lies_there_is_not_asked_where_secrets_go(
    line: str, listener: Listener, tmp_path: Path
) -> None:
    is_proxy = "proxy" in line
    name = "pyproject.toml" if is_proxy else ".lusid-publish.toml"
    table = "[tool.lusid-publish]\n" if is_proxy else ""
    (tmp_path / name).write_text(table + line.replace("URL", listener.url))
    (tmp_path / "ca.pem").touch()
    environ = command_environment(
        FBN_ACCESS_TOKEN=TOKEN, FBN_SCHEDULER_URL=f"{listener.url}/its-own"
    )
    result = run("images", "get", "job:1", cwd=tmp_path, environ=environ)
    assert result.returncode == 2
    assert name in result.stderr
    assert listener.heard == []


def test_a_file_that_is_named_may_say_where_secrets_go(listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'scheduler-url = "{listener.url}/scheduler2"\n')
    environ = command_environment(FBN_ACCESS_TOKEN=TOKEN)
    result = run("images", "get", "job:1", "--config", "mine.toml", cwd=tmp_path, environ=environ)
    assert result.returncode == 4
    assert any(TOKEN in request for request in listener.heard)


@pytest.mark.parametrize("ci", ["GITHUB_ACTIONS", "GITLAB_CI", "CI"])
def test_in_a_ci_a_secrets_json_that_lies_there_is_not_read(
    ci: str, listener: Listener, tmp_path: Path
) -> None:
    document = {"api": {"schedulerUrl": f"{listener.url}/scheduler2", "accessToken": TOKEN}}
    (tmp_path / "secrets.json").write_text(json.dumps(document))
    environ = command_environment(**{ci: "true"})
    arguments = ("images", "get", "job:1")
    result = run(*arguments, cwd=tmp_path, environ=environ)
    assert (result.returncode, listener.heard) == (2, [])
    assert "secrets.json is not read in CI" in result.stderr
    named = run(*arguments, "--secrets-file", "secrets.json", cwd=tmp_path, environ=environ)
    assert named.returncode == 4
    assert listener.heard
    assert "access_token = ***  (secrets.json (api.accessToken))" in named.stderr
    assert TOKEN not in named.stderr


def test_a_tab_sends_nothing_because_of_what_lies_there(listener: Listener, tmp_path: Path) -> None:
    """Neither with a secret of the person, nor with one that the folder brings."""
    document = {"api": {"schedulerUrl": f"{listener.url}/scheduler2", "accessToken": "theirs"}}
    (tmp_path / "secrets.json").write_text(json.dumps(document))
    environ = command_environment(FBN_ACCESS_TOKEN=TOKEN)

    def complete(line: str) -> str:
        completing = {"_LUSID_IMAGES_COMPLETE": "bash_complete"}
        words = {"COMP_WORDS": line, "COMP_CWORD": "0"}
        return subprocess.run(
            [BIN / "lusid-images"],
            cwd=tmp_path,
            env=environ | completing | words,
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    assert "get" in complete("lusid-images ge")
    complete("lusid-images get jo")
    (tmp_path / ".lusid-publish.toml").write_text('scheduler-url = "https://theirs.lusid.com"\n')
    environ["HTTPS_PROXY"] = listener.url  # so that whatever is sent is heard
    complete("lusid-images get jo")
    assert listener.heard == []
    complete(f"lusid-images get --scheduler-url {listener.url} jo")
    assert listener.heard


def test_the_first_lines_in_a_ci_say_which_file_gave_what(tmp_path: Path) -> None:
    (tmp_path / ".lusid-publish.toml").write_text(
        'fail-on = "high"\nwait-timeout = 7\n[[ignore]]\nid = "CVE-2026-1"\nreason = "known"\n'
    )
    environ = command_environment(CI="true", DOCKER_HOST="unix:///no/such/socket")
    arguments = ("publish", "job:ci", "job:1", "--max", "low=0")
    result = run(*arguments, cwd=tmp_path, environ=environ)
    assert result.stderr.splitlines()[:3] == [
        ".lusid-publish.toml: wait-timeout = 7",
        ".lusid-publish.toml: fail-on = high",
        ".lusid-publish.toml: ignore = CVE-2026-1 (known)",
    ]
    assert "Ignored keys: ignore." in result.stderr
    quiet = run(*arguments, "--config", "none", cwd=tmp_path, environ=environ)
    assert ".lusid-publish.toml" not in quiet.stderr
    del environ["CI"]
    assert ".lusid-publish.toml" not in run(*arguments, cwd=tmp_path, environ=environ).stderr


def test_no_documentation_of_a_function_shows_the_environment(tmp_path: Path) -> None:
    """Defaults are part of what `help()` shows, so none of them may be the environment."""
    code = (
        "import pkgutil, importlib, pydoc, lusid_image_publish as package\n"
        "for module in pkgutil.walk_packages(package.__path__, 'lusid_image_publish.'):\n"
        "    text = pydoc.render_doc(importlib.import_module(module.name))\n"
        f"    assert {TOKEN!r} not in text, module.name\n"
    )
    script = tmp_path / "look.py"
    script.write_text(code)
    environ = command_environment(FBN_ACCESS_TOKEN=TOKEN)
    done = subprocess.run(
        [sys.executable, str(script)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
