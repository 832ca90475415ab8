"""lusid-publish in the job of the GitLab template: inputs instead of options.

The template passes each input as the variable of its option, and sets the variable `command.MARK`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NoReturn

from lusid_image_publish.ci.detect import on_gitlab
from lusid_image_publish.cli.command import MARK, CommandWithVariables, variable_of
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.inputs import NOT_INPUTS, in_inputs
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.parameters import key_of

OTHER_NAMES: Final = {"image": "archive-image"}
"""The options whose input has another name: `image` is the image of the job."""

ONLY_ON_GITHUB: Final = frozenset({"annotations", "summary"})
"""GitLab has neither annotations beside the log nor a summary of the job."""


def is_template(environ: Mapping[str, str], arguments: Sequence[str]) -> bool:
    """Return whether the template started this."""
    return on_gitlab(environ) and not arguments and bool(environ.get(MARK))


def run_template(command: CommandWithVariables) -> NoReturn:
    """Run `command`, with messages in terms of the inputs."""
    inputs = {
        key: OTHER_NAMES.get(key, key)
        for key in map(key_of, command.params)
        if key not in NOT_INPUTS | ONLY_ON_GITHUB
    }
    command.read_variables(variable_of, called=inputs)
    console.wording = partial(
        in_inputs, inputs=inputs, verbose="the variable LUSID_PUBLISH_VERBOSE"
    )
    run(command)
