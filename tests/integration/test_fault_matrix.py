"""Every step of a push, and what can go wrong at it: nothing is ever falsely green.

The real command, engine, registry and local Scheduler, with a proxy before each of the two servers.
Each case runs with a poisoned Docker configuration and the fullest log, and all that it leaves or
shows is searched for secrets. A case of each kind runs always, and all of them with
`make reliability`, which writes the outcomes into `docs/reliability.md`.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.fault_matrix import (
    BOUND,
    CASES,
    SAMPLE,
    TABLES,
    Case,
    Outcome,
    documented,
    options_of,
    require_survived_or_reported,
    table,
    variables_of,
    write_table,
)
from tests.integration.engines import DEFAULT, Engine, running_engine
from tests.integration.parts import start
from tests.integration.stage import Api, staged

AT_ONCE: Final = {"LUSID": 5, "registry": 4}
"""How many cases run at a time. An engine has five pushes under way at most, and those that were
cancelled while a registry stalled count for as long as that lasts."""

IS_WHOLE: Final = bool(os.environ.get("WRITE_RELIABILITY"))

OF_ENGINES: Final = [case for case in CASES if not case.step.job]
"""Those with servers outside this process; an image of these tests does nothing as a job."""

pytestmark = pytest.mark.timeout(1800)  # the first test may wait for the cases of all


class Matrix:
    """Runs cases at the same time, each once, and keeps their outcomes."""

    def __init__(self, engine: Engine, scheduler: LocalScheduler, folder: Path) -> None:
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
        with staged(self._engine.client, self._api.scheduler, self._folder) as stage:
            faulty = stage.registry if case.step.server == "registry" else stage.lusid
            faulty.fault, faulty.at, faulty.always = case.fault, case.step.at, case.always
            source, environ = stage.local, stage.environ | variables_of(case)
            environ |= self._engine.variables
            if case.step.archive:
                source = stage.archive()
                environ = environ | {"DOCKER_HOST": f"unix://{stage.folder}/nowhere.sock"}
            began = time.monotonic()
            arguments = (source, stage.name, *options_of(case))
            process = start("publish", *arguments, cwd=stage.folder, environ=environ)
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
    module_volume: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    settings = LocalSchedulerSettings(volume=module_volume, domain="foo", scan_delay=0)
    with running_engine(DEFAULT) as engine, LocalScheduler(settings) as scheduler:
        found = Matrix(engine, scheduler, tmp_path_factory.mktemp("matrix"))
        _begin(found, request)
        yield found
        found.close()


def _begin(found: Matrix, request: pytest.FixtureRequest) -> None:
    chosen = [
        item.callspec.params.get("case")
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function)
    ]
    found.begin(case for case in chosen if isinstance(case, Case))


@pytest.mark.parametrize("case", OF_ENGINES if IS_WHOLE else SAMPLE, ids=str)
def test_a_fault_is_survived_or_reported(matrix: Matrix, case: Case) -> None:
    outcome = matrix.outcome(case)
    require_survived_or_reported(case, outcome)
    if not IS_WHOLE:
        assert outcome.word == documented()[case], "run `make reliability`, and see what changed"


if IS_WHOLE:

    @pytest.mark.parametrize("what", TABLES)
    def test_the_outcomes_are_written_down(matrix: Matrix, what: str) -> None:
        matrix.begin(OF_ENGINES)
        write_table(what, table(lambda case: matrix.outcome(case).word, TABLES[what]))
