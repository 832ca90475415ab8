"""Parse the service's Docker commands (login, build, tag, push) into `PushInstructions`.

They are never executed. A command is split into words as a POSIX shell does, and its options are
read by name. Login, tag and push must name the same registry, and the requested repository and tag.
Anything else raises an `InstructionsError`, which never quotes the login command.
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

# Outside quotes, these have no special meaning to a shell.
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9_./:@=+,%^~ \t-]*")
_SHOWN_CHARACTERS: Final = 40  # of a name that is too long
# A folder or file below the working directory: Docker may fetch anything else as a URL.
_LOCAL_PATH: Final = re.compile(r"(?:\.|\./[A-Za-z0-9_./-]*|Dockerfile)?")
_QUOTED: Final = re.compile(r"""'[^'\r\n]*'|"[^"`$\\\r\n]*\"""")


@dataclass(frozen=True)
class PushInstructions:
    """Where to push, and with which credential.

    `target` is the reference to push to; `credential` is valid for every tag of its repository.
    `platform` is the one to build for (`linux/amd64`). `platform` and `expires` are None if the
    service does not state them.
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

        That is a registry on this machine or at a link-local address, if the Scheduler is on
        another machine. A registry in a private network is allowed.
        """
        scheduler = urllib.parse.urlsplit(settings.scheduler_url)
        registry = urllib.parse.urlsplit(f"//{self.target.host}").hostname or ""
        if settings.allow_http or is_loopback(scheduler.netloc) or is_private_network(registry):
            return
        if is_internal(registry):
            raise InstructionsError(
                f"LUSID's upload instructions name the registry {self.target.host}, which is this "
                "machine or an internal address.",
                cause=f"{scheduler.hostname} is another machine, so it must not send you there.",
                hint="Nothing was pushed. Check FBN_SCHEDULER_URL. If it is a local Scheduler in a "
                "trusted network, use --allow-http (allow_http=True).",
            )

    def has_expired(self, now: datetime | None = None) -> bool:
        """Return whether the credential has expired at `now`."""
        return self.expires is not None and (now or datetime.now(UTC)) >= self.expires

    def require_fresh(self, now: datetime | None = None) -> None:
        """Raise `InstructionsError` if the credential has expired at `now`."""
        if self.expires and self.has_expired(now):
            raise InstructionsError(
                f"The upload instructions expired at {self.expires:%Y-%m-%d %H:%M:%S %Z}.",
                cause="The clock of this machine is wrong, or the service's answer is outdated.",
                hint="Check the time with `date -u`, and run again.",
            )


# Of each command: the options that take a value.
_LOGIN_OPTIONS: Final = {
    "-u": "user",
    "--username": "user",
    "-p": "password",
    "--password": "password",
}
_BUILD_OPTIONS: Final = {"-t": "tag", "--tag": "tag", "--platform": "platform", "-f": "file"}


def read_instructions(answer: UploadImageInstructions, requested: ImageName) -> PushInstructions:
    """Return the instructions in `answer`.

    Raises `InstructionsError` unless they are consistent and for `requested`, and
    `InvalidNameError` if the name is too long with the registry's prefix.
    """
    credential, host = read_login(answer.docker_login_command.get_secret_value())
    built, platform = _parse_build(answer.build_versioned_docker_image_command)
    target = _parse_tag_and_push(
        answer.tag_versioned_docker_image_command, answer.push_versioned_docker_image_command, built
    )
    if answer.tag_latest_docker_image_command and answer.push_latest_docker_image_command:
        latest = _parse_tag_and_push(
            answer.tag_latest_docker_image_command, answer.push_latest_docker_image_command, built
        )
        if latest != replace(target, tag="latest"):
            _refuse("the 'latest' commands name another repository or tag", str(latest))
    if target.host != host:
        _refuse(
            "the login and push commands name different registries", f"{host} and {target.host}"
        )
    if target.path.rpartition("/")[2] != requested.repository or target.tag != requested.tag:
        _refuse(f"they are not for {requested}", str(target))
    if len(target.repository) > MAX_REPOSITORY_CHARACTERS:
        raise _too_long_error(target, requested)
    if built.rpartition("/")[2] != str(requested):
        _refuse(f"the build command is not for {requested}", built)
    expires = answer.expiry_time
    if expires and expires.year == 1:
        expires = None  # how the service writes "never"
    return PushInstructions(target, credential, platform, expires)


def commands_of(answer: UploadImageInstructions) -> dict[str, str]:
    """Return the commands of an answer that `read_instructions` accepted, by their wire names.

    They are quoted for a shell, and the first has the password. A `latest` command without its
    counterpart is left out, because it was not checked.
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
    """Return credential and registry; register the password as a secret."""
    options, [registry] = _parse("login", text, ("docker", "login"), _LOGIN_OPTIONS, words=1)
    user, password = options.get("user", ""), options.get("password", "")
    register_pair(user, password)
    if not user or not password:
        _refuse("the login command lacks a user name or a password")
    host = re.sub(r"^https?://", "", registry).rstrip("/")
    try:
        ImageReference.parse(f"{host}/name:tag")
    except ValueError:
        _refuse("the login command does not name a registry")
    return Credential(user, Secret(password)), host


def _parse_build(text: str) -> tuple[str, str | None]:
    options, [context] = _parse("build", text, ("docker", "build"), _BUILD_OPTIONS, words=1)
    if "tag" not in options:
        _refuse("the build command has no -t", text)
    for place in (context, options.get("file", "")):
        if not _LOCAL_PATH.fullmatch(place):
            _refuse("the build command does not build from the working directory", text)
    return options["tag"], options.get("platform")


def _parse_tag_and_push(tag: str, push: str, built: str) -> ImageReference:
    _, [source, target] = _parse("tag", tag, ("docker", "tag"), {}, words=2)
    _, [pushed] = _parse("push", push, ("docker", "push"), {}, words=1)
    if source != built:
        _refuse("the tag and build commands name different images", tag)
    if pushed != target:
        _refuse("the tag and push commands name different images", f"{target} and {pushed}")
    try:
        return ImageReference.parse(target)
    except ValueError:
        _refuse("the push command does not name an image in a registry", push)


def _parse(
    name: str, text: str, start: tuple[str, ...], options: Mapping[str, str], *, words: int
) -> tuple[dict[str, str], list[str]]:
    """Return the options of a command by name, and its arguments in order, `words` of them."""
    shown = "" if name == "login" else text
    if not text.replace("\t", " ").isprintable():
        _refuse(f"the {name} command has an unprintable character", shown)
    if not _SHELL_SAFE.fullmatch(_QUOTED.sub("", text)):
        _refuse(f"the {name} command has a character with a special meaning to a shell", shown)
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
            unknown = "an unknown option" if name == "login" else f"the unknown option {option}"
            _refuse(f"the {name} command has {unknown}", shown)
        else:
            found[options[option]] = value if equals else next(remaining, "")
    if len(rest) != words:
        _refuse(f"the {name} command has {len(rest)} arguments, not {words}", shown)
    return found, rest


def _too_long_error(target: ImageReference, requested: ImageName) -> InvalidNameError:
    around = len(target.repository) - len(requested.repository)
    return InvalidNameError(
        f"The name {requested.repository[:_SHOWN_CHARACTERS]}... is too long: as "
        f"{target.host}/.../NAME, it has {len(target.repository)} characters.",
        cause=f"Docker and Podman accept {MAX_REPOSITORY_CHARACTERS} characters, without the tag.",
        hint=f"Use a name of at most {MAX_REPOSITORY_CHARACTERS - around} characters before the "
        "colon.",
    )


def _refuse(reason: str, shown: str = "") -> NoReturn:
    raise InstructionsError(
        f"LUSID's upload instructions cannot be used: {reason}"
        + (f" ({shown[:200]!r})." if shown else "."),
        cause="The Scheduler URL points to another service, or LUSID has changed its commands.",
        hint="Nothing was pushed. Check FBN_SCHEDULER_URL. If it is correct, report this to the "
        "maintainers.",
    )
