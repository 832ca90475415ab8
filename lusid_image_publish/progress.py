"""Progress as events: the library never prints, it calls a listener.

A listener is any callable that takes an `Event`. Events are for people: their texts may change, and
their order within one step is that of the engine and the service.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """A step of the pipeline begins.

    `text` is its title; `if_interrupted` describes the state after an interruption of the step,
    `if_failed` the state after a failure, if the error does not. `has_output` says whether the step
    shows many lines before its result, such as the output of a build: a CI folds these.
    """

    text: str
    if_interrupted: str = ""
    if_failed: str = ""
    has_output: bool = False


@dataclass(frozen=True)
class TextEvent:
    """An event with a `text`; its class is its kind."""

    text: str


class StepDone(TextEvent):
    """The current step is done, with this result."""


class Note(TextEvent):
    """A piece of information, for example about a choice or about something left behind."""


class BreakingFinding(Note):
    """A finding that breaks the policy, or how many more there are."""


class Waiting(TextEvent):
    """The new state of a wait."""


class Warned(TextEvent):
    """A warning: the work continues, but you should check this."""


@dataclass(frozen=True)
class Arrived:
    """LUSID has the image, with this manifest digest; `is_pushed` says whether this run pushed it.

    The later steps, the scan and `latest`, may still fail.
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
    engine's own word ("Pushing", "Pushed", "Layer already exists"). For an archive it is "Pushing",
    or "Checking" for a layer that the registry has, and the bytes are those read so far.
    `current` and `total` are in bytes, None if the engine does not report them; `current` may
    exceed `total`.
    """

    layer: str
    status: str
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class LayerDone:
    """A layer of an archive is in the registry, or its config (`layer` is then empty).

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
    | BreakingFinding
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
    """Ignore all events: the default of every function that takes a listener."""
