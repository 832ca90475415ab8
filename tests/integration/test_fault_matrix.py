"""Every step of a publication, and what can go wrong at it: nothing is ever falsely green.

The real command, engine, registry and local Scheduler, with a proxy before each of the two servers.
Each case runs with a poisoned Docker configuration and the fullest log, and all that it leaves or
shows is searched for secrets. `docs/reliability.md` has the outcomes as a table; a test holds it to
what happens here, and `make reliability` writes it.
"""

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.faults import Asked, Chooser, Fault
from tests.integration.parts import ROOT, start
from tests.integration.stage import Api, staged

DOCUMENT: Final = ROOT / "docs" / "reliability.md"
BOUND: Final = 90  # seconds; a case that takes longer waits for something without a bound
AT_ONCE: Final = {"LUSID": 5, "registry": 4}
"""How many cases run at a time. An engine has five pushes under way at most, and those that were
cancelled while a registry stalled count for as long as that lasts."""

READ_TIMEOUT_MS: Final = "2500"
"""Half of what a stall lasts, and many times what an answer takes on a busy machine."""

pytestmark = pytest.mark.timeout(1800)  # the first test may wait for the cases of all

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


def _is(method: str, path: str) -> Callable[[Asked], bool]:
    pattern = re.compile(path)
    return lambda asked: asked.method == method and bool(pattern.search(asked.path))


def _ours(asked: Asked) -> bool:
    return asked.headers.get("user-agent", "").startswith("lusid-image-publish")


_get_image = _is("GET", r"/api/images/[^/]+$")
_list_images = _is("GET", r"/repository/[^/]+$")
_upload_image = _is("POST", r"/api/images$")
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

    `archive` says that it is one of publishing an archive, without an engine.
    """

    name: str
    server: str
    at: Chooser
    archive: bool = False


STEPS: Final = (
    Step("`get_image`, before", "LUSID", _before(_upload_image, _get_image)),
    Step("`upload_image`", "LUSID", lambda asked, _: _upload_image(asked)),
    Step("look at the tag, before", "registry", _before(_manifest_sent, _manifest_read)),
    Step("greet", "registry", lambda asked, _: _is("GET", r"^/v2/$")(asked)),
    Step("begin a layer", "registry", _authorized(_is("POST", r"/blobs/uploads/"))),
    Step("send a layer", "registry", _authorized(_is("PATCH", r"/blobs/uploads/"))),
    Step("send the manifest", "registry", _authorized(_manifest_sent)),
    Step("look at the tag, after", "registry", _after(_manifest_sent, _manifest_read)),
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
_WITH_DOCUMENT: Final = {step.name for step in STEPS if "layer" not in step.name} - {
    "greet",
    "send the manifest",
}
_WITH_DIGEST: Final = _WITH_DOCUMENT - {"`get_image`, before", "`upload_image`"}


def _happens(fault: Fault, step: Step) -> bool:
    """Return whether `fault` can happen at `step`: not all answers have a document or a digest."""
    match fault:
        case Fault.TRUNCATED:
            return step.name in _WITH_DOCUMENT
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
        source = "archive: " if self.step.archive else ""
        return f"{source}{self.step.name} {self.fault} {'always' if self.always else 'once'}"


CASES: Final = [
    Case(step, fault, always)
    for step, fault, always in itertools.product((*STEPS, *ARCHIVE_STEPS), Fault, (False, True))
    if _happens(fault, step)
]


@dataclass(frozen=True)
class Outcome:
    """What a case came to; `tags` are what LUSID lists in the end, with their digests."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    happened: int
    tags: dict[str, str]
    is_ours: bool
    local_tags: list[str]
    leaks: list[str]

    @property
    def word(self) -> str:
        """What the table says."""
        return "ok" if self.code == 0 else str(self.code)


class Matrix:
    """Runs cases at the same time, each once, and keeps their outcomes."""

    def __init__(self, engine: DockerClient, scheduler: LocalScheduler, folder: Path) -> None:
        self._engine = engine
        self._api = Api(scheduler)
        self._folder = folder
        self._pools = {server: ThreadPoolExecutor(most) for server, most in AT_ONCE.items()}
        self._running: dict[Case, Future[Outcome]] = {}

    def begin(self, cases: Iterable[Case]) -> None:
        """Begin with those of `cases` that have not been begun with."""
        for case in cases:
            if case not in self._running:
                self._running[case] = self._pools[case.step.server].submit(self._run, case)

    def outcome(self, case: Case) -> Outcome:
        """Return what `case` comes to."""
        self.begin([case])
        return self._running[case].result()

    def close(self) -> None:
        """Let what has begun end."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def _run(self, case: Case) -> Outcome:
        with staged(self._engine, self._api.scheduler, self._folder) as stage:
            faulty = stage.registry if case.step.server == "registry" else stage.lusid
            faulty.fault, faulty.at, faulty.always = case.fault, case.step.at, case.always
            options = (*OPTIONS, *(ALWAYS if case.always else ONCE))
            source, environ = stage.local, stage.environ
            if case.fault is Fault.ENDLESS:
                environ = environ | {"FBN_TOTAL_TIMEOUT_MS": READ_TIMEOUT_MS}
            if case.fault is Fault.STALL:
                environ = environ | {"FBN_READ_TIMEOUT_MS": READ_TIMEOUT_MS}
            if case.step.archive:
                source = stage.archive()
                environ = environ | {"DOCKER_HOST": f"unix://{stage.folder}/nowhere.sock"}
            began = time.monotonic()
            process = start(
                "publish", source, stage.name, *options, cwd=stage.folder, environ=environ
            )
            try:
                out, err = process.communicate(timeout=BOUND)
            finally:
                process.kill()
                process.communicate()
            return Outcome(
                code=process.returncode,
                stdout=out,
                stderr=err,
                seconds=time.monotonic() - began,
                happened=faulty.happened,
                tags=self._api.tags(stage.repository),
                is_ours=self._api.config_digest(stage.name) == stage.image_id,
                local_tags=stage.engine.images.get(stage.local).tags,
                leaks=stage.leaks(out + err),
            )


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest,
    engine: DockerClient,
    module_volume: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    settings = LocalSchedulerSettings(volume=module_volume, domain="foo", scan_delay=0)
    with LocalScheduler(settings) as scheduler:
        found = Matrix(engine, scheduler, tmp_path_factory.mktemp("matrix"))
        _begin(found, request)
        yield found
        found.close()


def _begin(found: Matrix, request: pytest.FixtureRequest) -> None:
    chosen = [
        item.callspec.params.get("case")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    found.begin(case for case in chosen if isinstance(case, Case))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_outlived_or_told(matrix: Matrix, case: Case) -> None:
    outcome = matrix.outcome(case)
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
        assert outcome.code in {3, 4, 5, 7, 8, 10, 11}, outcome.stderr
        assert outcome.stdout.strip() == (tags["1.0"] if outcome.code == 10 else "")
        assert "Error: " in outcome.stderr
        assert "Next step: " in outcome.stderr
        if tags:
            told = "is in LUSID" if case.step.name == "the scan" else "was pushed"
            assert told in outcome.stderr, "what became of the push is told"
    if not case.always and outcome.code:
        assert (case.step.server, case.fault, outcome.code) in FINAL, outcome.stderr


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
"""What ends a publication though it is said only once: these are no words that pass, or take all of
the time that there is."""


def table(matrix: Matrix, steps: Iterable[Step]) -> str:
    """Return the outcomes as a table: what happens once, and what always happens."""
    matrix.begin(CASES)
    faults = [fault for fault in Fault if any(_happens(fault, step) for step in steps)]
    lines = [
        "| Step | " + " | ".join(faults) + " |",
        "|---|" + "---|" * len(faults),
    ]
    for step in steps:
        cells = []
        for fault in faults:
            words = [
                matrix.outcome(Case(step, fault, always)).word
                for always in (False, True)
                if Case(step, fault, always) in CASES
            ]
            cells.append(" / ".join(words))
        lines.append(f"| {step.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("steps", "what"),
    [(STEPS, "outcomes"), (ARCHIVE_STEPS, "outcomes of an archive")],
    ids=["engine", "archive"],
)
def test_the_documentation_has_these_outcomes(
    matrix: Matrix, steps: tuple[Step, ...], what: str
) -> None:
    found = table(matrix, steps)
    text = DOCUMENT.read_text()
    begin, end = f"<!-- {what} -->\n", f"\n<!-- end of {what} -->"
    before, _, rest = text.partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("WRITE_RELIABILITY"):
        DOCUMENT.write_text(before + begin + found + end + after)
    else:
        assert shown == found, "run `make reliability` and look at what changed"
