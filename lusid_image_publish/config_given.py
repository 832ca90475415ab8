"""What a source gives for a setting, and how strong the source is."""

from dataclasses import dataclass
from enum import IntEnum


class Strength(IntEnum):
    """How strong a source is, the weakest first."""

    PROJECT_FILE = 0
    FOUND_SECRETS_FILE = 1
    ENVIRONMENT = 2
    NAMED_SECRETS_FILE = 3
    CALLER = 4


@dataclass(frozen=True)
class Given:
    """The text of one setting; `origin` describes its source.

    `names_places` is its strength as a place for a secret. It differs for a project file that the
    user named: its values are defaults, but it may name places.
    """

    text: str
    origin: str
    strength: Strength
    names_places: Strength
