"""lusid-publish as a GitHub Action: inputs instead of options.

The runner passes each input as a variable: `INPUT_` and the name in upper case, with its dashes.
The action's `args` are not used: the runner escapes only quotation marks in them, so a value could
become additional options.
"""

import os
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
from lusid_image_publish.cli.inputs import NOT_INPUTS, in_inputs
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.unknown_names import unknown_sentences
from lusid_image_publish.config import SECRET_VARIABLES
from lusid_image_publish.config_values import SECRETS

SETTINGS: Final = {
    "access-token": "access_token",
    "password": "password",
    "client-secret": "client_secret",
    "proxy-username": "proxy_username",
    "proxy-password": "proxy_password",
}
"""The inputs that are not options, and the settings that they set."""

_INPUTS_OF_THE_RUNNER: Final = ("INPUT_ARGS", "INPUT_ENTRYPOINT")
"""Inputs that are the runner's own where a step names the image itself (`uses: docker://...`)."""


def is_action(environ: Mapping[str, str], arguments: Sequence[str]) -> bool:
    """Return whether a runner started this as an action: with inputs, and without arguments."""
    return on_github(environ) and not arguments and variable_of("source") in environ


def run_action(command: CommandWithVariables) -> NoReturn:
    """Run `command` with the inputs."""
    settings = read_inputs(command, os.environ)
    shown = tuple(os.environ.get(variable_of(key), "") for key in ("name", "source", "report"))
    console.ci = GitHub(os.environ, shown=shown, masks=True)
    console.wording = partial(in_inputs, inputs=_inputs_of(command), verbose="debug logging")
    redact.on_new_secret(console.mask)
    for variable in SECRET_VARIABLES:
        redact.register(os.environ.get(variable, ""))
    for setting, (value, _) in settings.items():
        if setting in SECRETS:
            redact.register(value)
    sys.stdout = sys.stderr  # the runner reads both, but does not keep their order
    run(command, settings=settings, ci=console.ci)


def read_inputs(
    command: CommandWithVariables, environ: MutableMapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Set the parameters of `command` from inputs; return the settings among them, with origins.

    The settings are removed from `environ`, which the build and other programs see.
    """
    for name in [name for name in environ if name.startswith("INPUT_")]:
        environ[name] = environ[name].strip()
    inputs = _inputs_of(command)
    command.read_variables(
        variable_of, variable_of_option, called=inputs, mistake=_unknown_inputs(inputs, environ)
    )
    return {
        setting: (value, f"input {key}")
        for key, setting in SETTINGS.items()
        if (value := environ.pop(variable_of(key), ""))
    }


def _inputs_of(command: CommandWithVariables) -> dict[str, str]:
    """Return the names of all inputs, by their keys: they are the same."""
    keys = (*map(key_of, command.params), *SETTINGS)
    return {key: key for key in keys if key not in NOT_INPUTS}


def _unknown_inputs(inputs: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return what is wrong if there is another one than `inputs`, else "".

    The runner only warns of it: a misspelt `fail-on` would be a gate that lets everything pass.
    """
    known = {*map(variable_of, inputs), *_INPUTS_OF_THE_RUNNER}
    unknown = [name for name in environ if name.startswith("INPUT_") and name not in known]
    if not unknown:
        return ""
    keys = [name.removeprefix("INPUT_").lower() for name in unknown]
    sentences = unknown_sentences("input", keys, inputs)
    return f"{sentences} If `env` of the workflow sets such a variable, rename it."


def variable_of(key: str) -> str:
    """Return the variable of an input."""
    return f"INPUT_{key.upper()}"
