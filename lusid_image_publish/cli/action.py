"""lusid-publish as a GitHub Action: inputs instead of options.

The runner passes each input as a variable: `INPUT_` and the name in upper case, with its dashes.
The action's `args` are not used: the runner escapes only quotation marks in them, so a value could
become additional options.
"""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Final, NoReturn

from lusid_image_publish import redact
from lusid_image_publish.ci.detect import on_github
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.cli.command import CommandWithVariables
from lusid_image_publish.cli.command import variable_of as variable_of_option
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.config import SECRET_VARIABLES, VARIABLES
from lusid_image_publish.config_values import SECRETS

SETTINGS: Final = {
    "access-token": "access_token",
    "password": "password",
    "client-secret": "client_secret",
    "proxy-username": "proxy_username",
    "proxy-password": "proxy_password",
}
"""The inputs that are not options, and the settings that they set."""

_NAMED: Final = re.compile(r"--[a-z][a-z-]+|FBN_[A-Z_]+[A-Z]|\b(?:SOURCE|NAME:TAG)\b")
_KEYS: Final = {**VARIABLES, "SOURCE": "source", "NAME:TAG": "name"}
_COMMAND: Final = re.compile(r"\b(?:docker|lusid-images) [a-z]")
_TWICE: Final = re.compile(r"(input [a-z-]+)(?: or \1)+\b")


def is_action(environ: Mapping[str, str], arguments: Sequence[str]) -> bool:
    """Return whether a runner started this as an action: with inputs, and without arguments."""
    return on_github(environ) and not arguments and variable_of("source") in environ


def run_action(command: CommandWithVariables) -> NoReturn:
    """Run `command` with the inputs."""
    settings = read_inputs(command, os.environ)
    shown = tuple(os.environ.get(variable_of(key), "") for key in ("name", "source", "report"))
    console.ci = GitHub(os.environ, shown=shown, masks=True)
    console.wording = partial(in_inputs, keys=frozenset(map(key_of, command.params)))
    redact.on_new_secret(console.mask)
    for variable in SECRET_VARIABLES:
        redact.register(os.environ.get(variable, ""))
    for setting, (value, _) in settings.items():
        if setting in SECRETS:
            redact.register(value)
    sys.stdout = sys.stderr  # the runner reads both, but does not keep their order
    run(command, settings=settings, ci=console.ci)


def in_inputs(text: str, keys: frozenset[str]) -> str:
    """Return `text` with inputs instead of options and variables.

    `keys` are those of the parameters. Sentences about `--local` or commands are left out.
    """

    def named(match: re.Match[str]) -> str:
        word = match[0]
        key = _KEYS.get(word, "").replace("_", "-") or word.removeprefix("--")
        return f"input {key}" if key in keys or key in SETTINGS else word

    sentences = re.split(r"(?<=[^\s./]\.) ", text.replace("--verbose", "debug logging"))
    return " ".join(
        sentence if _COMMAND.search(sentence) else _TWICE.sub(r"\1", _NAMED.sub(named, sentence))
        for sentence in sentences
        if "--local" not in sentence and "`lusid-publish " not in sentence
    )


def read_inputs(
    command: CommandWithVariables, environ: MutableMapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Set the parameters of `command` from inputs; return the settings among them, with origins.

    The settings are removed from `environ`, which the build and other programs see.
    """
    for name in [name for name in environ if name.startswith("INPUT_")]:
        environ[name] = environ[name].strip()
    command.read_variables(variable_of, variable_of_option, called="input {key}")
    return {
        setting: (value, f"input {key}")
        for key, setting in SETTINGS.items()
        if (value := environ.pop(variable_of(key), ""))
    }


def variable_of(key: str) -> str:
    """Return the variable of an input."""
    return f"INPUT_{key.upper()}"
