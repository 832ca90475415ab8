"""Documents of YAML and JSON, looked through."""

from collections.abc import Iterator
from typing import Any


def parts_of(document: object) -> Iterator[dict[str, Any]]:
    """Yield each mapping in a document."""
    if isinstance(document, dict):
        yield document
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from parts_of(part)
