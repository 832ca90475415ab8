"""What is going on, as events: the library never prints, it tells whoever listens.

A listener is any callable that takes an `Event`. Events are for people: their texts may change,
their order within one step follows what the engine and the service report.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """A step of the pipeline begins.

    `text` says which, for a person; `if_interrupted` what is so when the step is broken off, and
    `if_failed` what is so when it fails, where the error does not say that.
    """

    text: str
    if_interrupted: str = ""
    if_failed: str = ""


@dataclass(frozen=True)
class StepDone:
    """The step that began last is done; `text` says with what result."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something worth knowing that is no step: what was chosen, what is left behind."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """What is waited for is in the state `text`; told when that changes."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something that does not stop the work and that a person should look at."""

    text: str


@dataclass(frozen=True)
class Arrived:
    """LUSID has the image, with this manifest digest; `is_pushed` says if it was pushed for that.

    What comes after it, the scan and `latest`, may still fail.
    """

    digest: str
    is_pushed: bool


@dataclass(frozen=True)
class BuildOutput:
    """One line of the builder's output."""

    line: str


@dataclass(frozen=True)
class LayerProgress:
    """One layer of a push.

    `layer` is the engine's short id, or the beginning of the digest in an archive; `status` is the
    engine's own word ("Pushing", "Pushed", "Layer already exists"), also without one. `current` and
    `total` are bytes, None where the engine does not tell; `current` may exceed `total`.
    """

    layer: str
    status: str
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class DownloadProgress:
    """How much of a download has come: bytes; `total` is None where the server does not tell."""

    current: int
    total: int | None = None


Event = (
    StepStarted
    | StepDone
    | Note
    | Waiting
    | Warned
    | Arrived
    | BuildOutput
    | LayerProgress
    | DownloadProgress
)
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:  # a listener takes the event, this one drops it
    """Listen to nothing: the default of every function that takes a listener."""
