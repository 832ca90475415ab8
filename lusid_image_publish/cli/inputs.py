"""Messages about options and variables, in terms of the inputs that a CI has instead."""

import re
from collections.abc import Mapping
from typing import Final

from lusid_image_publish.config import VARIABLES

_NAMED: Final = re.compile(r"--[a-z][a-z-]+|FBN_[A-Z_]+[A-Z]|\b(?:SOURCE|NAME:TAG)\b")
_KEYS: Final = {**VARIABLES, "SOURCE": "source", "NAME:TAG": "name"}
_COMMAND: Final = re.compile(r"\b(?:docker|lusid-images) [a-z]")
_TWICE: Final = re.compile(r"(input [a-z-]+)(?: or \1)+\b")


def in_inputs(text: str, inputs: Mapping[str, str], verbose: str) -> str:
    """Return `text` with inputs instead of options and variables.

    `inputs` has the name of the input for each key that has one; `verbose` is what takes the place
    of --verbose. Sentences about `--local` or commands are left out.
    """

    def named(match: re.Match[str]) -> str:
        word = match[0]
        key = _KEYS.get(word, "").replace("_", "-") or word.removeprefix("--")
        return f"input {inputs[key]}" if key in inputs else word

    sentences = re.split(r"(?<=[^\s./]\.) ", text.replace("--verbose", verbose))
    return " ".join(
        sentence if _COMMAND.search(sentence) else _TWICE.sub(r"\1", _NAMED.sub(named, sentence))
        for sentence in sentences
        if "--local" not in sentence and "`lusid-publish " not in sentence
    )
