"""Recognise a report that this program wrote by its beginning."""

import re
from pathlib import Path
from typing import Final

_HEAD_BYTES: Final = 4096
_SARIF: Final = r'"driver": \{\s+"name": "lusid-publish"'
_BEGINNINGS: Final = (
    r"\S+:\S+ is in LUSID\b",
    r"## `[^`\n]+` is in LUSID\b",
    r'\{\n  "name": "[^"\n]+",\n  "repository": "[^"\n]+",\n  "tag": "[^"\n]+",\n  "digest": ',
    r'\{\n  "\$schema": "[^"\n]+",\n  "version": "[^"\n]+",\n  "runs": \[\s+\{\s+"tool": \{\s+'
    + _SARIF,
    r'\{\n  "version": "[^"\n]+",\n  "scan": \{\n    "analyzer": \{\n      "id": "lusid-publish"',
    r'\{\n  "[^"\n]+ is in LUSID\b[^"\n]*": \[',
    r"LUSID_IMAGE_NAME=",
)
_OWN: Final = re.compile("|".join(_BEGINNINGS))


def is_own_report(path: Path) -> bool:
    """Return whether a file is a report of this program, in any format. Raises `OSError`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(_HEAD_BYTES)
    return _OWN.match(beginning.decode(errors="replace")) is not None
