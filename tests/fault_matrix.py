"""The fault matrix: the steps of a publication, what can go wrong at each, and what must hold.

The cases of LUSID and of archives, and the looks at a registry, run in process; those in which an
engine talks to a registry run with a real one. `docs/reliability.md` has the outcomes of all as a
table, to which each case is held; `make reliability` writes it.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import Asked, Chooser, Fault

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "reliability.md"

BOUND: Final = 90  # seconds; a case that takes longer waits for something without a bound

READ_TIMEOUT_MS: Final = "2500"
"""Half of what a stall lasts, and many times what an answer takes on a busy machine."""

OPTIONS: Final = (
    "-vv",
    *("--push-idle-timeout", "3"),
    *("--poll-interval", "0.2"),
)
ONCE: Final = (
    *("--push-retries", "4", "--push-timeout", "60"),
    *("--wait-timeout", "30", "--scan-timeout", "30"),
)
ALWAYS: Final = (
    *("--push-retries", "1", "--push-timeout", "7"),
    *("--wait-timeout", "3", "--scan-timeout", "3"),
)

OF_JOB: Final = ("--job", "me/my-job", "--run-job", "--run-timeout", "20")


def _is(method: str, path: str) -> Callable[[Asked], bool]:
    pattern = re.compile(path)
    return lambda asked: asked.method == method and bool(pattern.search(asked.path))


def _ours(asked: Asked) -> bool:
    return asked.headers.get("user-agent", "").startswith("lusid-image-publish")


_get_image = _is("GET", r"/api/images/[^/]+$")
_list_images = _is("GET", r"/repository/[^/]+$")
_upload_image = _is("POST", r"/api/images$")
_find_job = _is("GET", r"/api/jobs\?")
_update_job = _is("PUT", r"/api/jobs/")
_run_job = _is("POST", r"/\$run$")
_follow_run = _is("GET", r"/api/jobs/history/[^/]+$")
_console_output = _is("GET", r"/console$")
_manifest_sent = _is("PUT", r"/manifests/")
_manifest_read = _is("GET", r"/manifests/")


def _after(first: Callable[[Asked], bool], then: Callable[[Asked], bool]) -> Chooser:
    return lambda asked, before: then(asked) and any(map(first, before))


def _before(last: Callable[[Asked], bool], this: Callable[[Asked], bool]) -> Chooser:
    return lambda asked, before: this(asked) and not any(map(last, before))


def _authorized(this: Callable[[Asked], bool]) -> Chooser:
    """What the engine asks with a credential; without one, a refusal is only how it begins."""
    return lambda asked, _: this(asked) and not _ours(asked) and "authorization" in asked.headers


def _mine(this: Callable[[Asked], bool]) -> Chooser:
    """What this program asks of the registry itself, when it publishes an archive."""
    return lambda asked, _: this(asked) and _ours(asked)


@dataclass(frozen=True)
class Step:
    """One step of the conversation: with whom, and which requests belong to it.

    `archive` says that it is one of publishing an archive, without an engine, `job` that it is
    about the job that follows.
    """

    name: str
    server: str
    at: Chooser
    archive: bool = False
    job: bool = False

    @property
    def is_of_the_engine(self) -> bool:
        """Whether the engine takes this step, and not the command."""
        return self.server == "registry" and not self.archive and self not in _LOOKS


_LOOKS: Final = (
    Step("look at the tag, before", "registry", _before(_manifest_sent, _manifest_read)),
    Step("look at the tag, after", "registry", _after(_manifest_sent, _manifest_read)),
)
STEPS: Final = (
    Step("`get_image`, before", "LUSID", _before(_upload_image, _get_image)),
    Step("`upload_image`", "LUSID", lambda asked, _: _upload_image(asked)),
    _LOOKS[0],
    Step("greet", "registry", lambda asked, _: _is("GET", r"^/v2/$")(asked)),
    Step("begin a layer", "registry", _authorized(_is("POST", r"/blobs/uploads/"))),
    Step("send a layer", "registry", _authorized(_is("PATCH", r"/blobs/uploads/"))),
    Step("send the manifest", "registry", _authorized(_manifest_sent)),
    _LOOKS[1],
    Step("`get_image`, after", "LUSID", _after(_upload_image, _get_image)),
    Step("`list_images`", "LUSID", lambda asked, _: _list_images(asked)),
    Step("the scan", "LUSID", _after(_list_images, _get_image)),
)
ARCHIVE_STEPS: Final = (
    Step("look for a layer", "registry", _mine(_is("HEAD", r"/blobs/")), archive=True),
    Step("begin a layer", "registry", _mine(_is("POST", r"/blobs/uploads/")), archive=True),
    Step("send a layer", "registry", _mine(_is("PATCH", r"/blobs/uploads/")), archive=True),
    Step("end a layer", "registry", _mine(_is("PUT", r"/blobs/uploads/")), archive=True),
    Step("send the manifest", "registry", _mine(_manifest_sent), archive=True),
)
JOB_STEPS: Final = (
    Step("find the job", "LUSID", _before(_upload_image, _find_job), job=True),
    Step("update the job", "LUSID", lambda asked, _: _update_job(asked), job=True),
    Step("look at the job, after", "LUSID", _after(_update_job, _find_job), job=True),
    Step("run the job", "LUSID", lambda asked, _: _run_job(asked), job=True),
    Step("wait for the run", "LUSID", lambda asked, _: _follow_run(asked), job=True),
    Step("what the run wrote", "LUSID", lambda asked, _: _console_output(asked), job=True),
)
_WITH_DOCUMENT: Final = {step.name for step in STEPS if "layer" not in step.name} - {
    "greet",
    "send the manifest",
}
_WITH_DIGEST: Final = _WITH_DOCUMENT - {"`get_image`, before", "`upload_image`"}


def _happens(fault: Fault, step: Step) -> bool:
    """Return whether `fault` can happen at `step`: not all answers have a document or a digest."""
    match fault:
        case Fault.TRUNCATED:
            return step.name in _WITH_DOCUMENT or step.job
        case Fault.WRONG_DIGEST:
            return step.name in _WITH_DIGEST
        case Fault.EXPIRED:
            return step.name == "`upload_image`"
        case Fault.EMPTY | Fault.FOREIGN:
            return step.server == "LUSID"
        case Fault.FORGOTTEN:
            return step.name == "send the manifest"
        case _:
            return True


@dataclass(frozen=True)
class Case:
    """One fault at one step, once or always."""

    step: Step
    fault: Fault
    always: bool

    def __str__(self) -> str:
        source = "archive: " if self.step.archive else "job: " if self.step.job else ""
        return f"{source}{self.step.name} {self.fault} {'always' if self.always else 'once'}"


CASES: Final = [
    Case(step, fault, always)
    for step, fault, always in itertools.product(
        (*STEPS, *ARCHIVE_STEPS, *JOB_STEPS), Fault, (False, True)
    )
    if _happens(fault, step)
]
IN_PROCESS: Final = [
    case
    for case in CASES
    if (case.step.server == "LUSID" or case.step.archive or case.step in _LOOKS)
    and (case.step, case.fault) != (_LOOKS[0], Fault.ENDLESS)
]
"""Those in which nobody but this program meets the fault. Headers that are endless before a push
take its time: what becomes of it then depends on an engine that takes time itself."""

_KINDS: Final = (
    (Fault.RESET, Fault.LOST, Fault.REFUSED),
    (Fault.STALL, Fault.ENDLESS),
    (Fault.FORBIDDEN, Fault.UNAUTHORIZED, Fault.NOT_FOUND),
    (Fault.FAILED, Fault.TOO_MANY, Fault.BAD_GATEWAY),
    (Fault.FORGOTTEN, Fault.WRONG_DIGEST, Fault.TRUNCATED),
)
_OF_ENGINES: Final = [step for step in STEPS if step.server == "registry"]


def _sample() -> Iterator[Case]:
    """Yield a case for each step of an engine's push and each kind of fault, in turn each fault."""
    for (row, step), (column, kind) in itertools.product(enumerate(_OF_ENGINES), enumerate(_KINDS)):
        faults = [fault for fault in kind if _happens(fault, step)]
        if faults:
            fault = faults[(row + column) % len(faults)]
            yield Case(step, fault, always=(row + column // 2) % 2 == 1)


SAMPLE: Final = [*_sample()]
"""Those that always run with a real engine."""


@dataclass(frozen=True)
class Outcome:
    """What a case came to; `tags` are what LUSID lists in the end, with their digests.

    `has_job` says whether the job has the image, `runs` how often it ran.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    happened: int
    tags: Mapping[str, str]
    is_ours: bool
    local_tags: list[str]
    leaks: list[str]
    has_job: bool = False
    runs: int = 0

    @property
    def word(self) -> str:
        """What the table says."""
        return "ok" if self.code == 0 else str(self.code)


FINAL: Final = {
    ("LUSID", Fault.UNAUTHORIZED, 3),
    ("LUSID", Fault.FORBIDDEN, 4),
    ("LUSID", Fault.NOT_FOUND, 4),
    ("LUSID", Fault.TRUNCATED, 4),
    ("LUSID", Fault.EMPTY, 4),
    ("LUSID", Fault.FOREIGN, 4),
    ("LUSID", Fault.FOREIGN, 5),
    ("LUSID", Fault.ENDLESS, 4),
    ("registry", Fault.NOT_FOUND, 7),
    ("registry", Fault.ENDLESS, 7),
}
"""Faults that end a publication at their first occurrence: they are not temporary, or take all the
time that is left."""

FINAL_OF_JOBS: Final = {
    "update the job": {Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.NOT_FOUND},
    "run the job": {*Fault} - {Fault.TOO_MANY, Fault.LOST, Fault.TRUNCATED},
    "wait for the run": {Fault.UNAUTHORIZED, Fault.FORBIDDEN},
}
"""The same for the steps of a job, with the exit code 14 or 15: a refusal is final, and a run whose
start is unknown is not started again."""


def options_of(case: Case) -> tuple[str, ...]:
    """Return the options of the command for `case`."""
    job = OF_JOB if case.step.job else ()
    return (*OPTIONS, *(ALWAYS if case.always else ONCE), *job)


def variables_of(case: Case) -> dict[str, str]:
    """Return the variables of the command for `case`, that of its engine apart."""
    if case.step.is_of_the_engine:
        return {}  # they bound the command's own requests, and would end those on a busy machine
    match case.fault:
        case Fault.ENDLESS:
            return {"FBN_TOTAL_TIMEOUT_MS": READ_TIMEOUT_MS}
        case Fault.STALL:
            return {"FBN_READ_TIMEOUT_MS": READ_TIMEOUT_MS}
        case _:
            return {}


def require_survived_or_reported(case: Case, outcome: Outcome) -> None:
    """Fail where a fault is falsely green, leaves something, or says too little or too much."""
    tags = outcome.tags
    assert outcome.leaks == []
    assert outcome.seconds < BOUND
    assert set(tags) <= {"1.0"}, "a tag is left in the registry"
    assert len(outcome.local_tags) == 1, "a tag is left in the engine"
    assert "Error: unexpected" not in outcome.stderr, outcome.stderr
    assert outcome.happened, outcome.stderr
    if outcome.code == 0:
        assert outcome.stdout.strip() == tags["1.0"]
        assert outcome.is_ours
    else:
        assert outcome.code in {3, 4, 5, 7, 8, 10, 11, 14, 15}, outcome.stderr
        assert outcome.stdout.strip() == (tags["1.0"] if outcome.code in {10, 14, 15} else "")
        assert "Error: " in outcome.stderr
        assert "Next step: " in outcome.stderr
        if tags:
            words = "is in LUSID" if case.step.name == "the scan" else "was pushed"
            words = "me/my-job" if case.step.job else words
            assert words in outcome.stderr, "the outcome of the push is reported"
    assert outcome.runs <= 1, "the job ran twice"
    if case.step.job:
        _require_job(outcome)
    if not case.always and outcome.code:
        if outcome.code in {14, 15}:
            assert case.fault in FINAL_OF_JOBS.get(case.step.name, ()), outcome.stderr
        else:
            assert (case.step.server, case.fault, outcome.code) in FINAL, outcome.stderr


def _require_job(outcome: Outcome) -> None:
    """Fail where the exit code says something else of the job than what is so."""
    match outcome.code:
        case 0:
            assert (outcome.has_job, outcome.runs) == (True, 1)
        case 14:
            assert outcome.runs == 0
            assert not outcome.has_job or "is not known" in outcome.stderr
        case 15:
            assert outcome.has_job
        case _:
            assert (outcome.has_job, outcome.runs) == (False, 0)


def table(word: Callable[[Case], str], steps: Iterable[Step]) -> str:
    """Return the outcomes as a table: what happens once, and what always happens."""
    faults = [fault for fault in Fault if any(_happens(fault, step) for step in steps)]
    lines = ["| Step | " + " | ".join(faults) + " |", "|---|" + "---|" * len(faults)]
    for step in steps:
        cells = []
        for fault in faults:
            cases = [Case(step, fault, always) for always in (False, True)]
            cells.append(" / ".join(word(case) for case in cases if case in CASES))
        lines.append(f"| {step.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TABLES: Final = {"outcomes": STEPS, "outcomes of an archive": ARCHIVE_STEPS}
JOB_TABLE: Final = "outcomes of a job"
ALL_TABLES: Final = {**TABLES, JOB_TABLE: JOB_STEPS}
"""The tables of the document, by the comments that they stand between. That of jobs is always made
in process: no image of the tests does anything."""


def shown_table(what: str) -> str:
    """Return a table of the document."""
    return DOCUMENT.read_text().partition(f"<!-- {what} -->\n")[2].partition("\n<!-- end")[0]


def documented() -> dict[Case, str]:
    """Return the outcomes that the document has."""
    found = {}
    for what, steps in ALL_TABLES.items():
        head, _, *rows = (line.split("|")[1:-1] for line in shown_table(what).splitlines())
        for step, row in zip(steps, rows, strict=True):
            assert row[0].strip() == step.name
            for fault, cell in zip(head[1:], row[1:], strict=True):
                for always, word in enumerate(cell.split("/") if cell.strip() else ()):
                    found[Case(step, Fault(fault.strip()), bool(always))] = word.strip()
    return found


def write_table(what: str, found: str) -> None:
    """Replace a table of the document."""
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(text.replace(shown_table(what), found))
