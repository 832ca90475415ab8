"""The service's Docker commands, read as data: login, build, tag and push -> `PushInstructions`.

Nothing of them is ever executed. A command is split as a POSIX shell would split words, its options
are read by name, and the commands must agree with each other and with what was asked: the same
registry in login, tag and push, and the repository and tag that were asked for. Anything else is
refused with an `InstructionsError`, whose text never quotes the login command.
"""

import re
import shlex
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NoReturn

from pydantic.alias_generators import to_camel

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import InstructionsError, InvalidNameError
from lusid_image_publish.hosts import is_internal, is_loopback, is_private_network
from lusid_image_publish.names import MAX_REPOSITORY_CHARACTERS, ImageName, ImageReference
from lusid_image_publish.redact import Secret, register_pair
from lusid_image_publish.scheduler.models import UploadImageInstructions

# What a shell would read as more than a plain word, outside quotes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@=+,%^~ \t-]*")
_SHOWN: Final = 40  # characters of a name that is too long
# A folder or file below the working directory: Docker takes other words for an address to fetch.
_LOCAL: Final = re.compile(r"(?:\.|\./[A-Za-z0-9_./-]*|Dockerfile)?")
_QUOTED: Final = re.compile(r"""'[^'\r\n]*'|"[^"`$\\\r\n]*\"""")


@dataclass(frozen=True)
class PushInstructions:
    """Where to push, and with what credential.

    `target` is the reference to push to; `credential` is good for every tag of its repository.
    `platform` is what the service wants the image built for (`linux/amd64`), None
    when it does not say. `expires` is None when the service does not say.
    """

    target: ImageReference
    credential: Credential
    platform: str | None
    expires: datetime | None

    def for_tag(self, tag: str) -> "PushInstructions":
        """Return the same for another tag of the repository."""
        return replace(self, target=replace(self.target, tag=tag))

    def require_allowed(self, settings: Settings) -> None:
        """Raise `InstructionsError` for a registry that the Scheduler must not name.

        That is one on this machine, or at an address that only its neighbours can mean, when the
        Scheduler is on another machine. A registry in a private network is allowed.
        """
        scheduler = urllib.parse.urlsplit(settings.scheduler_url)
        registry = urllib.parse.urlsplit(f"//{self.target.host}").hostname or ""
        if settings.allow_http or is_loopback(scheduler.netloc) or is_private_network(registry):
            return
        if is_internal(registry):
            raise InstructionsError(
                f"LUSID's upload instructions name the registry {self.target.host}, which is this "
                "machine or an internal address.",
                cause=f"{scheduler.hostname} is another machine, and must not send you there.",
                hint="Check FBN_SCHEDULER_URL. If it is a local Scheduler that you reach over a "
                "network that you trust, use --allow-http. Nothing was pushed.",
            )

    def has_expired(self, now: datetime | None = None) -> bool:
        """Return whether the credential has expired at `now`."""
        return self.expires is not None and (now or datetime.now(UTC)) >= self.expires

    def require_fresh(self, now: datetime | None = None) -> None:
        """Raise `InstructionsError` when the credential has expired at `now`."""
        if self.expires and self.has_expired(now):
            raise InstructionsError(
                f"The upload instructions expired at {self.expires:%Y-%m-%d %H:%M:%S %Z}.",
                cause="The clock of this machine is wrong, or the service's answer is old.",
                hint="Check the time with `date -u`, then run again.",
            )


@dataclass(frozen=True)
class _Command:
    """One docker command: its options by name, and its other words in order."""

    options: Mapping[str, str]
    words: tuple[str, ...]


# Each command: the words it begins with, its options with a value, and how many words follow.
_LOGIN_OPTIONS: Final = {
    "-u": "user",
    "--username": "user",
    "-p": "password",
    "--password": "password",
}
_BUILD_OPTIONS: Final = {"-t": "tag", "--tag": "tag", "--platform": "platform", "-f": "file"}


def read_instructions(answer: UploadImageInstructions, asked: ImageName) -> PushInstructions:
    """Return what `answer` says, if it says so consistently for `asked`.

    Raises `InstructionsError` if not, and `InvalidNameError` where the name is too long with the
    registry's before it.
    """
    credential, host = read_login(answer.docker_login_command.get_secret_value())
    built, platform = _read_build(answer.build_versioned_docker_image_command)
    target = _read_tag_and_push(
        answer.tag_versioned_docker_image_command, answer.push_versioned_docker_image_command, built
    )
    if answer.tag_latest_docker_image_command and answer.push_latest_docker_image_command:
        latest = _read_tag_and_push(
            answer.tag_latest_docker_image_command, answer.push_latest_docker_image_command, built
        )
        if latest != replace(target, tag="latest"):
            _refuse("the 'latest' commands name another repository or tag", str(latest))
    if target.host != host:
        _refuse("login and push name different registries", f"{host} and {target.host}")
    if target.path.rpartition("/")[2] != asked.repository or target.tag != asked.tag:
        _refuse(f"they are for another image than {asked}", str(target))
    if len(target.repository) > MAX_REPOSITORY_CHARACTERS:
        raise _too_long(target, asked)
    if built.rpartition("/")[2] != str(asked):
        _refuse(f"the build command is for another image than {asked}", built)
    expires = answer.expiry_time
    if expires and expires.year == 1:
        expires = None  # how the service writes "never"
    return PushInstructions(target, credential, platform, expires)


def commands_of(answer: UploadImageInstructions) -> dict[str, str]:
    """Return the commands of an answer that `read_instructions` accepted, by their wire names.

    Each is written as a shell takes it for these words and nothing else. The password is in the
    first. Half a pair for `latest` is left out: it was not read.
    """
    texts = {
        "docker_login_command": answer.docker_login_command.get_secret_value(),
        "build_versioned_docker_image_command": answer.build_versioned_docker_image_command,
        "tag_versioned_docker_image_command": answer.tag_versioned_docker_image_command,
        "push_versioned_docker_image_command": answer.push_versioned_docker_image_command,
    }
    tag, push = answer.tag_latest_docker_image_command, answer.push_latest_docker_image_command
    if tag and push:
        texts |= {"tag_latest_docker_image_command": tag, "push_latest_docker_image_command": push}
    return {to_camel(name): shlex.join(shlex.split(text)) for name, text in texts.items()}


def read_login(text: str) -> tuple[Credential, str]:
    """Return credential and registry; the password is a known secret from then on."""
    command = _read("login", text, ("docker", "login"), _LOGIN_OPTIONS, words=1)
    user, password = command.options.get("user", ""), command.options.get("password", "")
    register_pair(user, password)
    if not user or not password:
        _refuse("the login command has no user name or no password")
    host = re.sub(r"^https?://", "", command.words[0]).rstrip("/")
    try:
        ImageReference.parse(f"{host}/name:tag")
    except ValueError:
        _refuse("the login command names no registry")
    return Credential(user, Secret(password)), host


def _read_build(text: str) -> tuple[str, str | None]:
    command = _read("build", text, ("docker", "build"), _BUILD_OPTIONS, words=1)
    if "tag" not in command.options:
        _refuse("the build command has no -t", text)
    for place in (command.words[0], command.options.get("file", "")):
        if not _LOCAL.fullmatch(place):
            _refuse("the build command takes what it builds from elsewhere", text)
    return command.options["tag"], command.options.get("platform")


def _read_tag_and_push(tag: str, push: str, built: str) -> ImageReference:
    source, target = _read("tag", tag, ("docker", "tag"), {}, words=2).words
    pushed = _read("push", push, ("docker", "push"), {}, words=1).words[0]
    if source != built:
        _refuse("the tag command is for another image than the build command", tag)
    if pushed != target:
        _refuse("tag and push name different images", f"{target} and {pushed}")
    try:
        return ImageReference.parse(target)
    except ValueError:
        _refuse("the push command names no image in a registry", push)


def _read(
    name: str, text: str, start: tuple[str, ...], options: Mapping[str, str], *, words: int
) -> _Command:
    shown = "" if name == "login" else text
    if not text.replace("\t", " ").isprintable():
        _refuse(f"the {name} command has a character that cannot be printed", shown)
    if not _PLAIN.fullmatch(_QUOTED.sub("", text)):
        _refuse(f"the {name} command has a character that a shell would act on", shown)
    parts = shlex.split(text)
    if tuple(parts[: len(start)]) != start:
        _refuse(f"the {name} command does not begin with '{' '.join(start)}'", shown)
    found: dict[str, str] = {}
    rest: list[str] = []
    remaining = iter(parts[len(start) :])
    for part in remaining:
        option, equals, value = part.partition("=")
        if not part.startswith("-"):
            rest.append(part)
        elif option not in options or (equals and not option.startswith("--")):
            unknown = "an option that is not known" if name == "login" else f"the option {option}"
            _refuse(f"the {name} command has {unknown}", shown)
        else:
            found[options[option]] = value if equals else next(remaining, "")
    if len(rest) != words:
        _refuse(f"the {name} command has {len(rest)} words after its options, not {words}", shown)
    return _Command(found, tuple(rest))


def _too_long(target: ImageReference, asked: ImageName) -> InvalidNameError:
    around = len(target.repository) - len(asked.repository)
    return InvalidNameError(
        f"The name {asked.repository[:_SHOWN]}... is too long: as {target.host}/.../NAME it has "
        f"{len(target.repository)} characters.",
        cause=f"Docker and Podman accept {MAX_REPOSITORY_CHARACTERS} characters, without the tag.",
        hint=f"Use a name of at most {MAX_REPOSITORY_CHARACTERS - around} characters before the "
        "colon.",
    )


def _refuse(reason: str, shown: str = "") -> NoReturn:
    raise InstructionsError(
        f"LUSID's upload instructions are not usable: {reason}"
        + (f" ({shown[:200]!r})." if shown else "."),
        cause="The Scheduler URL leads to something else, or the service has changed its commands.",
        hint="Check FBN_SCHEDULER_URL. If it is right, report this to the maintainers: nothing was "
        "pushed.",
    )
