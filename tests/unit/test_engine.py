"""What is said of the engine that was meant, and of the words that it says."""

import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest
from docker.constants import IS_WINDOWS_PLATFORM

from lusid_image_publish.engine import _new_client, connect, engine_address
from lusid_image_publish.errors import EngineError
from lusid_image_publish.progress import ignore
from lusid_image_publish.redact import Secret
from lusid_image_publish.sources.build import _BuildLog, _skip_broken_logins
from lusid_image_publish.sources.build_recipe import BuildOptions, BuildRecipe
from lusid_image_publish.text import shorten_message
from tests.fake_engine import FakeEngine, running
from tests.systems import NEEDS_SCRIPTS

DEFAULT = "docker_engine" if IS_WINDOWS_PLATFORM else "/var/run/docker.sock"


def make_context(folder: Path, name: str, host: str) -> None:
    """Have a Docker context in the Docker configuration `folder`, as the `docker` command does."""
    metadata = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    metadata.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    content = {"Name": name, "Metadata": {}, "Endpoints": endpoints}
    (metadata / "meta.json").write_text(json.dumps(content))


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Docker's configuration, with a context `far` that is not the current one."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    make_context(folder, "far", "unix:///far.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def use(folder: Path, context: str) -> None:
    (folder / "config.json").write_text(json.dumps({"currentContext": context}))


def test_the_engine_is_named_with_what_chose_it(configuration: Path) -> None:
    host = {"DOCKER_HOST": "tcp://near:2375"}
    assert engine_address({}).endswith(f"{DEFAULT} (context default)")
    assert engine_address(host) == "tcp://near:2375 (DOCKER_HOST)"
    assert engine_address({"DOCKER_CONTEXT": "far"}) == "unix:///far.sock (context far)"
    use(configuration, "far")
    assert engine_address({}) == "unix:///far.sock (context far)"
    assert engine_address(host) == "tcp://near:2375 (DOCKER_HOST, overriding the context far)"


def test_a_password_in_the_address_is_not_shown() -> None:
    host = {"DOCKER_HOST": "tcp://me:s3cret@near:2375"}
    assert engine_address(host) == "tcp://me:***@near:2375 (DOCKER_HOST)"
    assert engine_address({"DOCKER_HOST": "ssh://me@near"}) == "ssh://me@near (DOCKER_HOST)"


def test_a_damaged_context_is_reported_as_one_that_names_no_engine(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in configuration.rglob("meta.json"):
        file.write_text("")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with pytest.raises(EngineError, match="context far does not exist or has no endpoint"):
        connect()
    assert engine_address() == "an unknown address (context far)"


@pytest.mark.parametrize("name", ["", None])
def test_an_empty_context_is_the_default_one(configuration: Path, name: str | None) -> None:
    (configuration / "config.json").write_text(json.dumps({"currentContext": name}))
    assert engine_address({}).endswith(f"{DEFAULT} (context default)")


@pytest.mark.parametrize(
    "content", ["no JSON", '{"currentContext": "gone"}', '{"currentContext": 5}']
)
def test_a_configuration_that_cannot_be_read_is_no_error_here(
    configuration: Path, content: str
) -> None:
    (configuration / "config.json").write_text(content)
    assert "(context " in engine_address({})


def test_a_context_that_is_gone_is_not_replaced_by_another_engine(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(configuration, "gone")
    with pytest.raises(EngineError, match="context gone does not exist") as caught:
        connect()
    assert "docker context use" in caught.value.cause
    monkeypatch.setenv("DOCKER_CONTEXT", "lost")
    with pytest.raises(EngineError, match="context lost does not exist") as caught:
        connect()
    assert caught.value.cause.startswith("DOCKER_CONTEXT")
    with running(FakeEngine(), tmp_path) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.url)
        connect().close()  # what is not used may be gone


FORMATS = (
    "Uploading manifest failed, attempted the following formats: "
    "application/vnd.oci.image.manifest.v1+json(writing manifest: uploading manifest 1.0 to "
    "127.0.0.1:5000/job: tag invalid: the tag (1.0) is immutable), "
    "application/vnd.docker.distribution.manifest.v2+json(writing manifest: uploading), "
    "application/vnd.docker.distribution.manifest.v1+prettyjws(creating an updated manifest: x)"
)


def test_what_podman_says_of_each_format_is_said_once() -> None:
    assert shorten_message(FORMATS) == (
        "Uploading manifest failed: writing manifest: uploading manifest 1.0 to "
        "127.0.0.1:5000/job: tag invalid: the tag (1.0) is immutable"
    )


def test_of_a_long_line_the_beginning_and_the_end_are_kept() -> None:
    words = f"writing blob: {'x' * 900}: the reason"
    assert shorten_message(words).startswith("writing blob: xxx")
    assert shorten_message(words).endswith("xxx: the reason")
    assert len(shorten_message(words)) < 350
    assert shorten_message(words * 9).endswith("xxx: the reason")
    assert shorten_message("short") == "short"


def test_a_secret_is_hidden_before_the_line_is_cut() -> None:
    secret = Secret("s3cret" * 10)
    for before in range(60, 180, 7):
        line = shorten_message(f"{'a' * before}{secret.reveal()}{'b' * 400}")
        assert "s3cret" not in line


@NEEDS_SCRIPTS
@pytest.mark.parametrize("entry", [{"credsStore": "spy"}, {"credHelpers": {"r.example": "spy"}}])
def test_a_credential_helper_sees_no_secret_of_lusid(
    configuration: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entry: dict[str, object],
) -> None:
    helper = tmp_path / "docker-credential-spy"
    helper.write_text(
        f'#!/bin/sh\nenv >> {tmp_path}/seen\necho \'{{"Username": "me", "Secret": "x"}}\'\n'
    )
    helper.chmod(0o755)
    (configuration / "config.json").write_text(json.dumps(entry))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FBN_CLIENT_SECRET", "hunter2-hunter2")
    monkeypatch.setenv("GITHUB_TOKEN", "for-a-helper")
    monkeypatch.setenv("DOCKER_HOST", "unix:///none.sock")
    with closing(_new_client("1.44")) as client:
        vars(client.api)["_auth_configs"].get_all_credentials()
        _skip_broken_logins(
            client, _BuildLog(BuildRecipe(Path("Dockerfile"), Path(), BuildOptions()), ignore)
        )
    seen = (tmp_path / "seen").read_text()
    assert seen.count("GITHUB_TOKEN=for-a-helper") > 1
    assert "hunter2" not in seen
