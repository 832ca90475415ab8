"""Messages about options and variables, in terms of the inputs that a CI has instead."""

import re
from collections.abc import Mapping
from typing import Final

from lusid_image_publish.config import VARIABLES

NOT_INPUTS: Final = frozenset(
    {
        *("local", "scan-findings", "scan-delay", "scan-status"),  # a Scheduler for one machine
        *("output", "quiet", "verbose", "ci", "version"),  # outputs and the log of a CI are its own
    }
)
"""The options that a CI does not have as inputs."""

_NAMED: Final = re.compile(
    r"`[^`]*`|(?:environment variable )?FBN_[A-Z_]+[A-Z]|--[a-z][a-z-]+|\b(?:SOURCE|NAME:TAG)\b"
)
_KEYS: Final = {**VARIABLES, "SOURCE": "source", "NAME:TAG": "name"}
_COMMAND: Final = re.compile(r"(?<!`)\b(?:docker|lusid-images) [a-z]")
_NOT_IN_CI: Final = re.compile(r"--(?:local|ci)\b|`lusid-publish ")
_BEGINNING: Final = re.compile("^input ")
_TWICE: Final = re.compile(r"(input [a-z-]+)(?: or \1)+\b")


def in_inputs(text: str, inputs: Mapping[str, str], verbose: str) -> str:
    """Return `text` with inputs instead of options and variables.

    `inputs` has the name of the input for each key that has one; `verbose` is what takes the place
    of --verbose. A variable stays where it is the origin of a value. Sentences about options that a
    CI does not have, or about commands, are left out.
    """

    def named(match: re.Match[str]) -> str:
        word = match[0]
        key = _KEYS.get(word, "").replace("_", "-") or word.removeprefix("--")
        return f"input {inputs[key]}" if key in inputs else word

    sentences = re.split(r"(?<=[^\s./]\.) ", text.replace("--verbose", verbose))
    return " ".join(
        sentence
        if _COMMAND.search(sentence)
        else _BEGINNING.sub("Input ", _TWICE.sub(r"\1", _NAMED.sub(named, sentence)))
        for sentence in sentences
        if not _NOT_IN_CI.search(sentence)
    )
