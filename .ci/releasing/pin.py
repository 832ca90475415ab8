"""Make the action and the template of a release use its prebuilt image, by digest.

The table of the template's inputs shows it too.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from releasing.stopping import StoppedError

STEP: Final = "pin"
_REFERENCE: Final = re.compile(r"([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._/-]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Place:
    """Where a file names the image; group 1 of `pattern` comes before, group 2 is the image."""

    path: str
    pattern: re.Pattern[str]
    prefix: str


PLACES: Final = (
    Place("action.yml", re.compile(r"^(  image: )(\S+)$", re.MULTILINE), "docker://"),
    Place(
        "templates/lusid-publish.yml",
        re.compile(r"^(    image:\n(?:      .*\n)*?      default: )(\S+)$", re.MULTILINE),
        "",
    ),
    Place(
        "docs/ci/gitlab.md",
        re.compile(r"^(\| `image` \| .* \| `)([^\s`]+)(?=` \|$)", re.MULTILINE),
        "",
    ),
)


def pin(root: Path, reference: str) -> None:
    """Replace the images in the action and the template with `reference`, NAME@sha256:DIGEST.

    No other byte changes. Nothing is written if one of the files cannot be pinned.
    """
    if not _REFERENCE.fullmatch(reference):
        raise StoppedError(
            STEP, f"{reference} is not NAME@sha256:DIGEST; a release uses one image, by its digest"
        )
    pinned = {root / place.path: _pinned(root, place, reference) for place in PLACES}
    for path, text in pinned.items():
        path.write_bytes(text.encode())


def _pinned(root: Path, place: Place, reference: str) -> str:
    """Return the text of a file with the image replaced."""
    text = (root / place.path).read_bytes().decode()
    found = place.pattern.findall(text)
    if len(found) != 1:
        raise StoppedError(STEP, f"{place.path} does not name exactly one image")
    [(_, image)] = found
    if "@sha256:" in image:
        raise StoppedError(STEP, f"{place.path} is already pinned to {image}")
    return place.pattern.sub(rf"\g<1>{place.prefix}{reference}", text)
