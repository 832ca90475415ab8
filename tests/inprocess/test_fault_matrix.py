"""Every step of a publication, and what can go wrong at it: nothing is ever falsely green.

The command, the local Scheduler's application and a registry in memory, with faults between them.
Each case runs with a poisoned Docker configuration and the fullest log, and all that it leaves or
shows is searched for secrets. `docs/reliability.md` has the outcomes.
"""

import os

import pytest

from lusid_image_publish.local_scheduler.job_documents import image_of
from tests.fault_matrix import (
    IN_PROCESS,
    JOB_STEPS,
    JOB_TABLE,
    Case,
    Outcome,
    documented,
    options_of,
    require_survived_or_reported,
    table,
    variables_of,
    write_table,
)
from tests.inprocess.stage import Stage

_IS_WHOLE = bool(os.environ.get("WRITE_RELIABILITY"))
_DOCUMENTED = {} if _IS_WHOLE else documented()
_OF_JOBS: dict[Case, str] = {}


@pytest.mark.parametrize("case", IN_PROCESS, ids=str)
def test_a_fault_is_survived_or_reported(stage: Stage, case: Case) -> None:
    outcome = _outcome(stage, case)
    require_survived_or_reported(case, outcome)
    if _IS_WHOLE:
        _OF_JOBS[case] = outcome.word
        write_table(JOB_TABLE, table(lambda case: _OF_JOBS.get(case, "?"), JOB_STEPS))
    else:
        assert outcome.word == _DOCUMENTED[case], outcome.stderr


def _outcome(stage: Stage, case: Case) -> Outcome:
    source, variables = "job:local", variables_of(case)
    image_id = stage.hold(source, os.urandom(100_000))
    stage.add_job()
    if case.step.archive:
        source, variables = stage.archive(source), variables | stage.without_engine
    server = stage.registry if case.step.server == "registry" else stage.lusid
    server.fault, server.at, server.always = case.fault, case.step.at, case.always
    began = stage.clock.monotonic()
    ended = stage.publish(source, "job:1.0", *options_of(case), **variables)
    tags = stage.tags("job")
    return Outcome(
        code=ended.code,
        stdout=ended.stdout,
        stderr=ended.stderr,
        seconds=stage.clock.monotonic() - began,
        happened=server.happened,
        tags=tags,
        is_ours="1.0" in tags and stage.config_digest("job", "1.0") == image_id,
        local_tags=[name for name, held in stage.engine.tags.items() if held == image_id],
        leaks=stage.leaks(ended.stdout + ended.stderr),
        has_job=image_of(stage.job()) == "job:1.0",
        runs=len(stage.runner.orders),
    )
