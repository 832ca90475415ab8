"""The main flows with each engine, each image store and each builder.

`docs/engines.md` has the outcomes as a table; a test holds it to what happens here, and
`make engines-table` writes it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import pytest

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration import flows
from tests.integration.buildkit import buildkit_of
from tests.integration.engines import NAMES, STARTED, Engine, running_engine
from tests.integration.flows import Bench, Origin, Outcome, Outcomes, bench
from tests.integration.parts import ROOT
from tests.integration.stage import Api

DOCUMENT: Final = ROOT / "docs" / "engines.md"
BEGIN: Final = "<!-- outcomes -->\n"
END: Final = "\n<!-- end of outcomes -->"
AT_ONCE: Final = 3
CONTAINERD: Final = "docker-containerd"
PODMAN: Final = "podman"
T = TypeVar("T")

pytestmark = pytest.mark.timeout(900)  # the first test waits for flows that others begin as well


@dataclass(frozen=True)
class Row:
    """A row of the table: a step of a flow. `only` names an engine, if no other can have it."""

    title: str
    flow: str
    step: str = ""
    only: str = ""


ROWS: Final = (
    Row("Dockerfile, `DOCKER_BUILDKIT=0`", "build_classic"),
    Row("Dockerfile, buildx 0.13", "build_with_old_buildx"),
    Row("Dockerfile, newest buildx", "build_with_new_buildx"),
    Row("Dockerfile, buildx with a builder outside the engine", "build_elsewhere"),
    Row("image of the engine", "publish_by_name"),
    Row("the same image again", "publish_by_name", "again"),
    Row("the same image, from the engine's own `save`", "publish_by_name", "archive"),
    Row("another image under the same tag", "publish_by_name", "other"),
    *(
        Row(f"image published from an archive of {name}, then loaded", f"loaded from {name}")
        for name in NAMES
    ),
    Row("image with the same layers and another label", "publish_relabelled"),
    Row("image for linux/arm64", "publish_wrong_platform"),
    Row("index with linux/amd64", "publish_index", only=CONTAINERD),
    Row("index without linux/amd64", "publish_index", "other", only=CONTAINERD),
    Row("push that the registry refuses", "push_refused"),
    Row("Ctrl-C in the push", "push_interrupted"),
)


class Flows:
    """Runs flows, some at the same time, each once on each engine, and keeps their outcomes."""

    def __init__(self, scheduler: LocalScheduler, folder: Path, stack: ExitStack) -> None:
        self._api = Api(scheduler)
        self._folder = folder
        self._stack = stack
        self._engines: dict[str, Engine] = {}
        self._buildkit = ""
        self._origins: dict[str, Future[Origin]] = {}
        self._running: dict[tuple[str, str], Future[Outcomes]] = {}
        self._pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))

    def outcome(self, flow: str, engine: str, step: str = "") -> Outcome:
        """Return what came of a step of a flow on an engine."""
        self.begin(flow, engine)
        return self._running[flow, engine].result()[step]

    def origin(self, engine: str) -> Origin:
        """Return the image that was published from the archive of an engine."""
        self._begin_origin(engine)
        return self._origins[engine].result()

    def begin(self, flow: str, engine: str) -> None:
        """Begin with a flow, unless that was done."""
        if (flow, engine) in self._running:
            return
        self._require(engine)
        if flow == "build_elsewhere":
            self._require(CONTAINERD)
            work: Callable[[Bench], Outcomes] = partial(
                flows.build_elsewhere, buildkit=self._buildkit
            )
        elif flow.startswith("loaded from "):
            work = self._with_origin(flows.publish_loaded, flow.removeprefix("loaded from "))
        elif flow == "publish_relabelled":
            work = self._with_origin(flows.publish_relabelled, _other(engine))
        else:
            work = getattr(flows, flow)
        self._running[flow, engine] = self._pool.submit(self._run, work, engine)

    def close(self) -> None:
        """Begin with nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _with_origin(
        self, flow: Callable[[Bench, Origin], Outcomes], engine: str
    ) -> Callable[[Bench], Outcomes]:
        self._begin_origin(engine)
        published = self._origins[engine]  # in the pool before what waits for it
        return lambda on: flow(on, published.result())

    def _begin_origin(self, engine: str) -> None:
        if engine not in self._origins:
            self._require(engine)
            self._origins[engine] = self._pool.submit(self._run, flows.publish_archive, engine)

    def _require(self, name: str) -> None:
        if name not in self._engines:
            self._engines[name] = self._stack.enter_context(running_engine(name))
            if name == CONTAINERD:
                host = self._engines[name].host
                self._buildkit = self._stack.enter_context(buildkit_of(host))

    def _run(self, work: Callable[[Bench], T], engine: str) -> T:
        with bench(self._engines[engine], self._api, self._folder) as on:
            return work(on)


def _other(engine: str) -> str:
    """Return the name of another engine."""
    return NAMES[NAMES.index(engine) - 1]


@pytest.fixture(scope="module")
def ran(
    request: pytest.FixtureRequest,
    scheduler: LocalScheduler,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flows]:
    with ExitStack() as stack:
        found = Flows(scheduler, tmp_path_factory.mktemp("engines"), stack)
        if any("documentation" in item.name for item in request.session.items):
            _begin_all(found)
        yield found
        found.close()


def _begin_all(found: Flows) -> None:
    for row, name in _cells():
        found.begin(row.flow, name)


def _cells() -> Iterable[tuple[Row, str]]:
    return ((row, name) for row in ROWS for name in NAMES if row.only in {"", name})


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of each engine."""
    return str(request.param)


def assert_published(outcome: Outcome) -> None:
    """LUSID has one image, the one whose digest was shown."""
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.strip() == outcome.tags["1.0"]
    assert set(outcome.tags) == {"1.0"}
    assert "layers" in outcome.manifest, "it is an index"


def assert_nothing_happened(outcome: Outcome, code: int) -> None:
    assert (outcome.code, outcome.stdout) == (code, ""), outcome.stderr
    assert outcome.tags == {}
    assert "Traceback" not in outcome.stderr


def test_the_classic_builder_builds_a_dockerfile(ran: Flows, name: str) -> None:
    outcome = ran.outcome("build_classic", name)
    assert_published(outcome)
    assert outcome.pushed


@pytest.mark.parametrize("flow", ["build_with_old_buildx", "build_with_new_buildx"])
def test_buildx_builds_a_dockerfile_in_docker_and_podman_builds_it_itself(
    ran: Flows, name: str, flow: str
) -> None:
    """Podman has no BuildKit; buildx would run one in a container, from an image that it pulls."""
    outcome = ran.outcome(flow, name)
    assert_published(outcome)
    if name == PODMAN:
        lines = outcome.stderr.splitlines()
        assert any("Podman" in line and "BuildKit" in line for line in lines), outcome.stderr
    else:
        assert "with BuildKit (docker buildx" in outcome.stderr


def test_a_builder_outside_the_engine_builds_for_every_engine(ran: Flows, name: str) -> None:
    outcome = ran.outcome("build_elsewhere", name)
    assert_published(outcome)
    assert "with BuildKit (docker buildx" in outcome.stderr
    assert "driver remote" in outcome.stderr


def test_an_image_of_the_engine_is_published_once(ran: Flows, name: str) -> None:
    first = ran.outcome("publish_by_name", name)
    assert_published(first)
    for step in ("again", "archive"):
        outcome = ran.outcome("publish_by_name", name, step)
        assert_published(outcome)
        assert outcome.tags == first.tags
        assert not outcome.pushed, outcome.stderr


def test_another_image_under_the_tag_is_refused(ran: Flows, name: str) -> None:
    outcome = ran.outcome("publish_by_name", name, "other")
    assert (outcome.code, outcome.stdout) == (11, ""), outcome.stderr
    assert outcome.tags == ran.outcome("publish_by_name", name).tags


@pytest.mark.parametrize("origin", NAMES)
def test_an_image_is_the_same_in_every_engine(ran: Flows, name: str, origin: str) -> None:
    """An id is of no use for that: it differs by image store."""
    published = ran.origin(origin).outcome
    assert_published(published)
    loaded = ran.outcome(f"loaded from {origin}", name)
    assert_published(loaded)
    assert loaded.tags == published.tags
    assert not loaded.pushed, loaded.stderr


def test_an_image_with_another_label_is_another_image(ran: Flows, name: str) -> None:
    """Though it has the same layers."""
    published = ran.origin(_other(name)).outcome
    outcome = ran.outcome("publish_relabelled", name)
    assert (outcome.code, outcome.stdout) == (11, ""), outcome.stderr
    assert outcome.tags == published.tags


def test_an_image_for_another_platform_is_refused(ran: Flows, name: str) -> None:
    outcome = ran.outcome("publish_wrong_platform", name)
    assert_nothing_happened(outcome, 6)
    assert "linux/arm64" in outcome.stderr


def test_of_an_index_the_image_for_lusid_is_pushed_alone(ran: Flows) -> None:
    outcome = ran.outcome("publish_index", CONTAINERD)
    assert_published(outcome)
    assert outcome.pushed


def test_an_index_without_an_image_for_lusid_is_refused(ran: Flows) -> None:
    outcome = ran.outcome("publish_index", CONTAINERD, "other")
    assert (outcome.code, outcome.stdout) == (6, ""), outcome.stderr
    assert "other" not in outcome.tags
    assert "linux/arm64, linux/riscv64" in outcome.stderr


def test_a_push_that_is_refused_leaves_nothing(ran: Flows, name: str) -> None:
    outcome = ran.outcome("push_refused", name)
    assert_nothing_happened(outcome, 7)
    assert "the registry's own words" in outcome.stderr or "403" in outcome.stderr


def test_ctrl_c_ends_the_push_in_the_engine(ran: Flows, name: str) -> None:
    outcome = ran.outcome("push_interrupted", name)
    assert_nothing_happened(outcome, 130)
    assert "The push was cancelled" in outcome.stderr


def test_the_engines_are_what_their_names_say() -> None:
    for name in NAMES:
        with running_engine(name) as engine:
            assert engine.is_podman == (name == PODMAN)
            if name in STARTED:
                assert engine.is_containerd == (name == CONTAINERD)


def table(ran: Flows) -> str:
    """Return the outcomes as a table of flows by engines."""
    _begin_all(ran)
    lines = ["| Flow | " + " | ".join(NAMES) + " |", "|---|" + "---|" * len(NAMES)]
    for row in ROWS:
        cells = [
            ran.outcome(row.flow, name, row.step).word if row.only in {"", name} else "-"
            for name in NAMES
        ]
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_documentation_has_these_outcomes(ran: Flows) -> None:
    found = table(ran)
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if os.environ.get("WRITE_ENGINES"):
        DOCUMENT.write_text(before + BEGIN + found + END + after)
    else:
        assert shown == found, "run `make engines-table` and look at what changed"
