"""The version of a release, from its tag."""

import re
from typing import Final, NamedTuple

from releasing.stopping import StoppedError

_TAG: Final = re.compile(r"v{0}\.{0}\.{0}(?:(a|b|rc){0})?".format(r"(0|[1-9]\d{0,8})"), re.ASCII)


class Version(NamedTuple):
    """MAJOR.MINOR.PATCH, and of a pre-release its phase and number; versions can be compared."""

    major: int
    minor: int
    patch: int
    phase: str = "z"  # of a final release, which comes after a, b and rc
    number: int = 0

    @property
    def is_final(self) -> bool:
        """Whether it is not a pre-release."""
        return self.phase == "z"

    @property
    def tag(self) -> str:
        """The tag of the release, v1.2.3."""
        return f"v{self}"

    @property
    def moving_tag(self) -> str:
        """The tag that moves with each final release of the same major version, v1."""
        return f"v{self.major}"

    @property
    def moving_image_tags(self) -> tuple[str, str]:
        """The tags of the image that move, 1 and 1.2."""
        return f"{self.major}", f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        """Return the version as PyPI and the changelog write it."""
        text = f"{self.major}.{self.minor}.{self.patch}"
        return text if self.is_final else f"{text}{self.phase}{self.number}"


def version_of(tag: str) -> Version:
    """Return the version of a tag: v1.2.3, or v1.2.3rc1 for a pre-release."""
    found = _TAG.fullmatch(tag)
    if not found:
        raise StoppedError(
            "tag", f"{tag!r} is not a version; use a tag such as v1.2.3, or v1.2.3rc1 (a, b, rc)"
        )
    major, minor, patch = (int(part) for part in found.groups()[:3])
    return Version(major, minor, patch, found[4] or "z", int(found[5] or 0))
