"""No secret gets into an image that is built."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lusid_image_publish.errors import ConfigurationError, ExitCode
from lusid_image_publish.redact import Secret
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.build_secrets import refuse_secret_files, refuse_secret_options
from lusid_image_publish.sources.builder import Builder
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from tests.systems import NEEDS_SCRIPTS

SECRET = "hunter2/hunter2"
CLASSIC = Builder()
BUILDKIT = Builder("default", "docker")


def refusal(options: BuildOptions, environ: Mapping[str, str] = os.environ) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        refuse_secret_options(options, environ)
    assert caught.value.exit_code == ExitCode.USAGE
    assert SECRET not in str(caught.value.diagnostics())
    return caught.value


@pytest.mark.parametrize("name", ["FBN_ACCESS_TOKEN", "INPUT_PASSWORD", "CI_JOB_TOKEN"])
@pytest.mark.parametrize("value", [None, "x", ""])
def test_a_variable_that_holds_a_secret_is_not_a_build_argument(
    name: str, value: str | None
) -> None:
    error = refusal(BuildOptions(build_args={"A": "1", name: value}), {})
    assert name in error.message
    assert "can pull the image" in error.cause


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"https://me:{SECRET}@a.example",
        "hunter2%2Fhunter2",
        base64.b64encode(f"me:{SECRET}".encode()).decode(),
    ],
)
def test_a_value_with_a_secret_is_neither_a_build_argument_nor_a_label(value: str) -> None:
    Secret(SECRET)
    refuse_secret_options(BuildOptions(build_args={"A": "hunter2"}, labels={"b": "hunter2"}), {})
    assert " A " in refusal(BuildOptions(build_args={"A": value})).message
    assert " A " in refusal(BuildOptions(build_args={"A": None}), {"A": value}).message
    assert "label b " in refusal(BuildOptions(labels={"b": value})).message


@pytest.mark.parametrize("variable", ["FBN_PASSWORD", "GITHUB_TOKEN"])
def test_a_secret_of_the_environment_is_known_before_it_is_used(variable: str) -> None:
    assert " A " in refusal(BuildOptions(build_args={"A": SECRET}), {variable: SECRET}).message


def test_a_proxy_of_the_build_keeps_its_password() -> None:
    Secret(SECRET)
    proxy = f"http://me:{SECRET}@proxy.example:3128".replace("hunter2/", "hunter2%2f")
    options = BuildOptions(build_args={"HTTPS_PROXY": proxy, "http_proxy": None})
    refuse_secret_options(options, {"http_proxy": proxy})
    refusal(BuildOptions(build_args={"HTTPS_PROXY": SECRET}))
    refusal(BuildOptions(build_args={"MY_PROXY": proxy}))


@pytest.fixture
def source(tmp_path: Path) -> DockerfileSource:
    """A build whose Dockerfile is in a folder of its context."""
    context = tmp_path / "context"
    (context / "docker").mkdir(parents=True)
    (context / "conf" / "deep").mkdir(parents=True)
    dockerfile = context / "docker" / "my.Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    return DockerfileSource(dockerfile, context, BuildOptions())


def is_refused(source: DockerfileSource, builder: Builder, *files: Path) -> bool:
    try:
        refuse_secret_files(source, builder, files)
    except ConfigurationError:
        return True
    return False


@pytest.fixture(params=[CLASSIC, BUILDKIT], ids=["classic", "buildkit"])
def builder(request: pytest.FixtureRequest) -> Builder:
    found = request.param
    assert isinstance(found, Builder)
    return found


def secret_in(source: DockerfileSource, place: str) -> Path:
    file = source.context / place
    file.write_text(SECRET)
    return file


@pytest.mark.parametrize("place", ["secrets.json", "conf/deep/token"])
def test_a_file_with_secrets_in_the_context_is_refused(
    source: DockerfileSource, builder: Builder, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.context / "conf")
    with pytest.raises(ConfigurationError, match=place) as caught:
        refuse_secret_files(source, builder, [secret_in(source, place)])
    assert caught.value.exit_code == ExitCode.USAGE
    ignore_file = source.context / ".dockerignore"
    assert f"Create {ignore_file} with the line {place}" in caught.value.hint
    assert f"`echo {place} >> {ignore_file}`" in caught.value.hint
    ignore_file.write_text("*.pyc\n")
    with pytest.raises(ConfigurationError, match=place) as caught:
        refuse_secret_files(source, builder, [source.context / place])
    assert f"Add the line {place} to the end of {ignore_file}" in caught.value.hint


def test_the_ignore_file_in_the_working_directory_is_named_as_there(
    source: DockerfileSource, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.context)
    with pytest.raises(ConfigurationError) as caught:
        refuse_secret_files(source, builder, [secret_in(source, "secrets.json")])
    assert "`echo secrets.json >> .dockerignore`" in caught.value.hint


def test_files_elsewhere_and_none_at_all_are_no_reason(
    source: DockerfileSource, builder: Builder, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SECRET)
    assert not is_refused(source, builder, tmp_path / "token", source.context / "none")


def test_a_relative_path_counts_from_the_working_directory(
    source: DockerfileSource, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_in(source, "conf/secrets.json")
    monkeypatch.chdir(source.context / "conf")
    assert is_refused(source, builder, Path("secrets.json"))


@NEEDS_SCRIPTS
def test_links_are_followed_to_what_the_builder_is_given(
    source: DockerfileSource, builder: Builder, tmp_path: Path
) -> None:
    outside = tmp_path / "token"
    outside.write_text(SECRET)
    (source.context / "link").symlink_to(outside)  # it is sent as a link
    assert not is_refused(source, builder, outside, source.context / "link")
    (source.context / "conf" / "hard").hardlink_to(outside)
    assert is_refused(source, builder, outside)
    (source.context / ".dockerignore").write_text("**/hard\n")
    assert not is_refused(source, builder, outside)
    inside = secret_in(source, "conf/token")
    (tmp_path / "way").symlink_to(inside)
    assert is_refused(source, builder, tmp_path / "way")
    (tmp_path / "folder").symlink_to(source.context / "conf")
    assert is_refused(source, builder, tmp_path / "folder" / "token")


EXCLUDED = [
    "conf/deep/token",
    "/conf/deep/token",
    "./conf/deep/token/",
    "conf",
    "conf/",
    "*",
    "**/token",
    "**",
    "conf/**",
    "conf/*/tok??",
    "# a comment\n\n  conf  \r\n",
    "*\n!docker",
    "!conf\nconf/deep",
]
INCLUDED = [
    "",
    "#conf",
    "token",
    "*/token",
    "conf\n!conf/deep/token",
    "*\n!conf",
    "*\n!conf/**\nnone",
    "conf/deep/token/x",
]
DIFFERENT = [
    *("CONF", "c[^x]nf", "../conf"),
    *("**\n!**/deep/*", "conf\n!c[^x]nf", "*\n!c[!x]nf", "conf\n!**onf"),
]
"""Patterns that docker-py takes as BuildKit does not."""


@pytest.mark.parametrize("text", EXCLUDED)
def test_a_file_that_dockerignore_excludes_is_no_reason(
    source: DockerfileSource, builder: Builder, text: str
) -> None:
    file = secret_in(source, "conf/deep/token")
    (source.context / ".dockerignore").write_text(text, newline="")
    assert not is_refused(source, builder, file)


@pytest.mark.parametrize("text", INCLUDED)
def test_a_file_that_dockerignore_does_not_exclude_is_refused(
    source: DockerfileSource, builder: Builder, text: str
) -> None:
    file = secret_in(source, "conf/deep/token")
    (source.context / ".dockerignore").write_text(text)
    assert is_refused(source, builder, file)


@pytest.mark.parametrize("text", DIFFERENT)
def test_a_pattern_that_buildkit_may_read_otherwise_excludes_nothing(
    source: DockerfileSource, text: str
) -> None:
    file = secret_in(source, "conf/deep/token")
    (source.context / ".dockerignore").write_text(text)
    assert is_refused(source, BUILDKIT, file)


def test_the_ignore_file_that_the_builder_reads_counts(source: DockerfileSource) -> None:
    file = secret_in(source, "token")
    own = source.dockerfile.with_name("my.Dockerfile.dockerignore")
    own.write_text("token\n")
    assert not is_refused(source, BUILDKIT, file)
    assert is_refused(source, CLASSIC, file)
    (source.context / ".dockerignore").write_text("token\n")
    own.write_text("other\n")
    assert is_refused(source, BUILDKIT, file)
    assert not is_refused(source, CLASSIC, file)
