"""An image as the registry stores it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class StoredImage:
    """One digest of a repository with the tags that point to it, each with its time in UTC."""

    repository: str
    digest: str
    tags: dict[str, datetime] = field(default_factory=dict)

    @property
    def pushed(self) -> datetime:
        """When the first of its tags was pushed."""
        return min(self.tags.values())
