"""Nothing of a release is published before all checks pass, with an index and a registry."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from releasing.checks import Destination, failures
from releasing.owner import replace
from releasing.remote import require_free_in_index
from releasing.stopping import StoppedError
from releasing.versions import version_of

from tests.environment import OF_A_CI
from tests.unit.release.repositories import ROOT, commit_all, copy_of_project, git, set_version

TAG = "v1.2.3"
FILES = (
    *(".gitignore", "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "action.yml"),
    "lusid_image_publish/__init__.py",
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / ".ci").rglob("*.py")),
)
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-31

### Added

- One [thing](docs/index.md), [another](https://example.com) and [here](#added).
"""
STEPS = ("tag", "version", "changelog", "owner", "commit", "files", "index", "registry")


@dataclass
class Remote:
    """What the index and the registry answer; `asked` has each path and its `Authorization`."""

    versions: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    index_answer: tuple[int, bytes] | None = None
    registry_status: int = 0
    manifest: bytes = b'{"schemaVersion": 2}'
    challenge: str = ""
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, authorization))
        if path.startswith("/simple/"):
            known = 200 if self.versions else 404
            status, body = self.index_answer or (
                known,
                json.dumps({"versions": self.versions}).encode(),
            )
            return status, {}, body
        if path.startswith("/token?"):
            return (200, {}, b'{"token": "of-pull"}') if authorization else (403, {}, b"{}")
        if self.challenge and authorization != "Bearer of-pull":
            return 401, {"WWW-Authenticate": self.challenge}, b"{}"
        found = path.rpartition("/")[2] in self.images
        return self.registry_status or (200 if found else 404), {}, self.manifest


@pytest.fixture
def remote() -> Iterator[Remote]:
    answers = Remote()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield answers
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as it is when its version 1.2.3 can be released."""
    folder = copy_of_project(tmp_path_factory.mktemp("project"), *FILES)
    replace(folder, "Acme")
    set_version(folder, "1.2.3")
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    commit_all(folder)
    git(folder, "tag", TAG)
    return folder


@pytest.fixture
def project(ready: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    git(tmp_path, "clone", "--quiet", str(ready), str(folder))
    git(folder, "switch", "--quiet", "--detach", TAG)
    return folder


def found(project: Path, remote: Remote, tag: str = TAG, **changes: str) -> dict[str, str]:
    """Return the step and the message of each reason against the release."""
    host = f"127.0.0.1:{remote.port}"
    values = {"index": f"http://{host}", "registry": f"{host}/acme/lusid-image-publish"}
    destination = Destination(**(values | changes))
    return {each.step: each.message for each in failures(project, tag, "origin/main", destination)}


def edit(project: Path, name: str, old: str, new: str) -> None:
    """Change a file, and tag the commit."""
    path = project / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    git(project, "switch", "--quiet", "main")
    commit_all(project)
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(project, "tag", "--force", TAG)


@pytest.mark.parametrize("tag", ["v1", "v1.2", "1.2.3", "latest"])
def test_a_tag_that_is_not_a_version_stops_the_release(
    project: Path, remote: Remote, tag: str
) -> None:
    assert list(found(project, remote, tag)) == ["tag"]
    assert remote.asked == []


def test_another_version_in_the_package_stops_the_release(project: Path, remote: Remote) -> None:
    edit(project, "lusid_image_publish/__init__.py", '"1.2.3"', '"1.2.2"')
    assert found(project, remote) == {
        "version": '__version__ is "1.2.2"; set it to "1.2.3" in lusid_image_publish/__init__.py'
    }


def test_a_changelog_without_the_version_stops_the_release(project: Path, remote: Remote) -> None:
    edit(project, "CHANGELOG.md", "## [1.2.3] - 2026-01-31\n", "")
    assert list(found(project, remote)) == ["changelog"]
    assert "has no section for 1.2.3" in found(project, remote)["changelog"]


def test_an_owner_that_was_not_replaced_stops_the_release(project: Path, remote: Remote) -> None:
    replace(project, "OWNER")
    edit(project, "CONTRIBUTING.md", "# Contributing", "# Contributing to it")
    assert list(found(project, remote)) == ["owner"]
    assert "make owner NAME=" in found(project, remote)["owner"]


def test_an_owner_that_was_replaced_in_part_stops_the_release(
    project: Path, remote: Remote
) -> None:
    edit(project, "action.yml", "\nruns:", "\n# github.com/other/lusid-image-publish\nruns:")
    assert "action.yml: other" in found(project, remote)["owner"]


def test_the_repository_of_somebody_else_stops_the_release(project: Path, remote: Remote) -> None:
    stopped = found(project, remote, repository="fork/lusid-image-publish")
    assert list(stopped) == ["owner"]
    assert found(project, remote, repository="ACME/lusid-image-publish") == {}


def test_a_tag_that_is_not_checked_out_stops_the_release(project: Path, remote: Remote) -> None:
    git(project, "commit", "--quiet", "--allow-empty", "--message", "later")
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert list(found(project, remote)) == ["commit"]
    assert "is checked out; check out the tag" in found(project, remote)["commit"]
    git(project, "tag", "--delete", TAG)
    assert "the tag v1.2.3 is missing" in found(project, remote)["commit"]


def test_a_commit_that_is_not_on_the_branch_stops_the_release(
    project: Path, remote: Remote
) -> None:
    git(project, "commit", "--quiet", "--allow-empty", "--message", "of nobody else")
    git(project, "tag", "--force", "--annotate", "--message", "of a person", TAG)
    assert "is not on origin/main" in found(project, remote)["commit"]
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert found(project, remote) == {}
    git(project, "tag", "--annotate", "--message", "of a tag", "other", TAG)
    git(project, "tag", "--force", TAG, "other")
    assert found(project, remote) == {}, "a tag of a tag"
    git(project, "tag", "--delete", TAG)
    git(project, "tag", f"{TAG}/x")
    assert "the tag v1.2.3 is missing" in found(project, remote)["commit"]


def test_a_file_that_is_not_committed_stops_the_release(project: Path, remote: Remote) -> None:
    (project / "lusid_image_publish/extra.py").touch()
    (project / "README.md").write_text("")
    message = found(project, remote)["files"]
    assert message.endswith("not committed: README.md, lusid_image_publish/extra.py")


def test_a_file_of_the_package_that_git_ignores_stops_the_release(
    project: Path, remote: Remote
) -> None:
    git(project, "config", "status.showUntrackedFiles", "no")
    (project / ".git/info/exclude").write_text("extra.py\n")
    for name in ("extra.py", "of.env", "__pycache__/x.pyc"):
        path = project / "lusid_image_publish" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (project / "new.py").touch()
    names = "lusid_image_publish/extra.py, lusid_image_publish/of.env, new.py"
    assert found(project, remote)["files"].endswith(f"not committed: {names}")


def test_a_version_that_the_index_has_stops_the_release(project: Path, remote: Remote) -> None:
    remote.versions = ["1.2.2", "1.2.3"]
    assert list(found(project, remote)) == ["index"]
    assert "already has lusid-image-publish 1.2.3" in found(project, remote)["index"]
    remote.versions = ["1.2.2", "1.2.30", "1.2.3rc1"]
    assert found(project, remote) == {}


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.0", "1.0.0.0"])
def test_a_version_is_not_free_if_it_is_written_in_another_way(
    remote: Remote, version: str
) -> None:
    remote.versions = [version, "1.0.1"]
    index = f"http://127.0.0.1:{remote.port}"
    with pytest.raises(StoppedError, match=r"already has lusid-image-publish 1\.0\.0;"):
        require_free_in_index(index, version_of("v1.0.0"))
    require_free_in_index(index, version_of("v10.0.0"))
    require_free_in_index(index, version_of("v1.0.0rc1"))


@pytest.mark.parametrize(
    "answer",
    [
        *((500, b""), (403, b""), (302, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}")),
        *((200, b'{"versions": null}'), (200, b'{"versions": [1]}'), (200, b"[" * 200_000)),
    ],
)
def test_an_index_that_does_not_say_stops_the_release(
    project: Path, remote: Remote, answer: tuple[int, bytes]
) -> None:
    remote.index_answer = answer
    assert "not known" in found(project, remote)["index"]


def test_an_image_that_the_registry_has_stops_the_release(project: Path, remote: Remote) -> None:
    remote.images = ["1.2.3"]
    assert list(found(project, remote)) == ["registry"]
    assert "acme/lusid-image-publish:1.2.3 already exists" in found(project, remote)["registry"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"annotations": ["x"]}'])
def test_an_answer_that_is_not_a_manifest_stops_the_release(
    project: Path, remote: Remote, body: bytes
) -> None:
    remote.images, remote.manifest = ["1.2.3"], body
    assert "did not answer with a manifest" in found(project, remote)["registry"]


@pytest.mark.parametrize("status", [302, 401, 403, 429, 500])
def test_a_registry_that_does_not_say_stops_the_release(
    project: Path, remote: Remote, status: int
) -> None:
    remote.registry_status = status
    assert "did not say whether it has 127.0.0.1:" in found(project, remote)["registry"]


def test_what_cannot_be_reached_stops_the_release(project: Path, remote: Remote) -> None:
    stopped = found(project, remote, index="http://127.0.0.1:9", registry="127.0.0.1:9/a/b")
    assert list(stopped) == ["index", "registry"]
    assert all("did not answer" in message for message in stopped.values())


def test_a_registry_that_wants_a_token_gets_the_credential(project: Path, remote: Remote) -> None:
    realm = f"http://127.0.0.1:{remote.port}/token"
    remote.challenge = f'Bearer realm="{realm}",service="x",scope="repository:acme/x:pull"'
    assert "set REGISTRY_USERNAME" in found(project, remote)["registry"]
    assert found(project, remote, username="me", password="word") == {}
    remote.images = ["1.2.3"]
    assert "already exists" in found(project, remote, username="me", password="word")["registry"]
    [asked] = {(path, sent) for path, sent in remote.asked if path.startswith("/token?") and sent}
    assert asked == (
        "/token?service=x&scope=repository%3Aacme%2Fx%3Apull",
        f"Basic {base64.b64encode(b'me:word').decode()}",
    )


@pytest.mark.parametrize("host", ["http://localhost:{}", "https://127.0.0.1:{}"])
def test_a_credential_is_not_sent_elsewhere(project: Path, remote: Remote, host: str) -> None:
    remote.challenge = f'Bearer realm="{host.format(remote.port)}/token",service="x"'
    assert "set REGISTRY" in found(project, remote, username="me", password="word")["registry"]
    assert not any(path.startswith("/token") for path, _ in remote.asked)


def run(
    project: Path, *arguments: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    return subprocess.run(
        [sys.executable, ".ci/release.py", *arguments],
        cwd=project,
        env=own | (environ or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_reasons_are_printed_at_once_each_with_its_step(project: Path, remote: Remote) -> None:
    replace(project, "OWNER")
    (project / "CHANGELOG.md").write_text("# Changelog\n")
    remote.versions = remote.images = ["1.2.4"]
    host = f"127.0.0.1:{remote.port}"
    options = [f"--index=http://{host}", f"--registry={host}/acme/lusid-image-publish"]
    done = run(project, "check", "v1.2.4", *options)
    assert done.returncode == 1
    assert done.stdout == "", done.stderr
    lines = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f'release stopped at "{name}"' for name in STEPS if name != "tag"
    ]


def test_a_release_that_is_ready_passes(project: Path, remote: Remote) -> None:
    host = f"127.0.0.1:{remote.port}"
    options = [f"--index=http://{host}", f"--registry={host}/acme/lusid-image-publish"]
    done = run(project, "check", TAG, *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_links_of_the_notes_lead_to_the_files_of_the_release(project: Path) -> None:
    url = "https://github.com/Acme/lusid-image-publish/blob/v1.2.3/docs/index.md"
    links = f"[thing]({url}), [another](https://example.com) and [here](#added)."
    assert run(project, "notes", TAG).stdout == f"### Added\n\n- One {links}\n"


def test_the_registry_is_that_of_the_owner(project: Path, remote: Remote) -> None:
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    index = f"--index=http://127.0.0.1:{remote.port}"
    environ = proxy | {"GITHUB_REPOSITORY": "fork/lusid-image-publish"}
    done = run(project, "check", TAG, index, environ=environ)
    owner, registry = done.stderr.splitlines()
    assert 'release stopped at "owner": this is the repository fork/' in owner
    assert "https://ghcr.io/v2/acme/lusid-image-publish/manifests/1.2.3 did not answer" in registry
