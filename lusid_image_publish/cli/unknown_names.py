"""Names of inputs and variables that do not exist: probably typing mistakes."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def unknown_sentences(kind: str, names: Sequence[str], known: Iterable[str]) -> str:
    """Return a sentence for each of `names`: which of the `known` ones it looks like, if any."""
    candidates = sorted(known)
    return " ".join(_sentence(kind, name, candidates) for name in names)


def _sentence(kind: str, name: str, candidates: Sequence[str]) -> str:
    meant = get_close_matches(name, candidates, n=1)
    return f"There is no {kind} {name}{f', did you mean {meant[0]}?' if meant else '.'}"
