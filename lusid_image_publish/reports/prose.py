"""Texts in GitHub's Markdown: sentences in the normal font, everything else as code.

A foreign text may be part of each. In a code span Markdown, HTML, mentions and references have no
effect. So a word that is not an ordinary one, such as a URL or an option, becomes a code span.
"""

import re
from typing import Final

from lusid_image_publish.reports.words import harmless

_REPLACED: Final = str.maketrans({"`": "'", "|": "\N{BROKEN BAR}"})
"""Signs that end a code span, or a cell of a table."""

_PIECE: Final = re.compile(r"`(?P<code>[^`]+)`|(?P<word>[^\s`]+|`)")
_ORDINARY: Final = re.compile(
    r"""[("']*(?:\d{1,2}:\d{2}|[^\W_]+(?:['.,/-][^\W_]+)*)[)"']*[.,;:!?…]*"""
)
_EXTRAORDINARY: Final = re.compile(
    r"""[("']*(?:www\.|g[hl]-\d|(?=\D*\d)(?=[0-9]*[a-f])[0-9a-f]{7,}\b)""", re.IGNORECASE
)
"""What a platform makes a link of: a host, an issue (`GH-1`), a commit."""
_NUMBER_OF_A_LIST: Final = re.compile(r"\d+[.)]")
_PUNCTUATION: Final = re.compile(r"""[()"'.,;:!?]+""")
_OPENING: Final = "(\"'"
_CLOSING: Final = ")\"'.,;:!?"
_SIGNS: Final = {"->": "\N{RIGHTWARDS ARROW}", ">": "&gt;"}
"""What sentences use between words, as in `Settings > Secrets`."""


def code(text: str, longest: int = 200) -> str:
    """Return a text as a code span; at most `longest` characters of it."""
    return f"`{harmless(text, longest).translate(_REPLACED)}`"


def prose(text: str, longest: int = 1000) -> str:
    """Return sentences, of which at most `longest` characters are used; backticks enclose code."""
    shown = _PIECE.sub(_markdown_of, harmless(text, longest))
    return shown.replace("``", "` `")  # two code spans would be one


def _markdown_of(piece: re.Match[str]) -> str:
    if piece["code"]:
        return code(piece["code"], len(piece["code"]))
    word = piece["word"]
    if word in _SIGNS:
        return _SIGNS[word]
    if _PUNCTUATION.fullmatch(word) or (_ORDINARY.fullmatch(word) and not _is_special(piece)):
        return word
    begin, kept, end = _around(word)
    return f"{begin}{code(kept, len(kept))}{end}"


def _around(word: str) -> tuple[str, str, str]:
    """Return the punctuation before the code of `word`, the code, and the punctuation after it."""
    inner = word.lstrip(_OPENING)
    kept = inner.rstrip(_CLOSING)
    open_brackets = max(0, kept.count("(") - kept.count(")"))
    if inner[len(kept) :].startswith(")" * open_brackets):  # they are of the code, as in a call
        kept = inner[: len(kept) + open_brackets]
    return word[: len(word) - len(inner)], kept, inner[len(kept) :]


def _is_special(piece: re.Match[str]) -> bool:
    """Return whether a renderer would make a link of a word, or a list of its line."""
    begins_list = piece.start() == 0 and _NUMBER_OF_A_LIST.fullmatch(piece["word"])
    return bool(begins_list or _EXTRAORDINARY.match(piece["word"]))
