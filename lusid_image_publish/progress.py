"""Progress as events: the library never prints, it calls a listener.

A listener is any callable that takes an `Event`. Events are for people: their texts may change, and
their order within one step is that of the engine and the service.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """A step of the pipeline begins.

    `text` names it, for a person; `if_interrupted` is the state after an interruption of the step,
    `if_failed` that after a failure, where the error does not say it.
    """

    text: str
    if_interrupted: str = ""
    if_failed: str = ""


@dataclass(frozen=True)
class TextEvent:
    """An event that is a `text`; its class says what it is about."""

    text: str


class StepDone(TextEvent):
    """The step that began last is done, with this result."""


class Note(TextEvent):
    """Something worth knowing that is not a step: a choice, or something that is left behind."""


class Waiting(TextEvent):
    """The state of a wait, when it changes."""


class Warned(TextEvent):
    """Something that does not stop the work and that a person should look at."""


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
class JobOutput:
    """One line that a run of a job wrote."""

    line: str


@dataclass(frozen=True)
class LayerProgress:
    """One layer of a push.

    `layer` is the engine's short id, or the beginning of the digest in an archive; `status` is the
    engine's own word ("Pushing", "Pushed", "Layer already exists"). Of an archive it is "Pushing",
    or "Checking" for a layer that the registry has; bytes are those that were read.
    `current` and `total` are bytes, None where the engine does not report them; `current` may
    exceed `total`.
    """

    layer: str
    status: str
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class LayerDone:
    """A layer of an archive is in the registry, or the config, whose `layer` is empty.

    `status` is "Pushed", "Layer already exists", or "Reused" for one of an earlier image that has
    the same content. `size` is in bytes, as the archive has it. `sent` bytes were sent for it, and
    `reused` bytes were in the registry.
    """

    layer: str
    status: str
    size: int
    sent: int
    reused: int


@dataclass(frozen=True)
class DownloadProgress:
    """The bytes of a download so far; `total` is None where the server does not report it."""

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
    | JobOutput
    | LayerProgress
    | LayerDone
    | DownloadProgress
)
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:  # a listener takes the event, this one drops it
    """Listen to nothing: the default of every function that takes a listener."""
