"""Every step of a publication, and what can go wrong at it: nothing is ever falsely green.

The command, the local Scheduler's application and a registry in memory, with faults between them.
Each case runs with a poisoned Docker configuration and the fullest log, and all that it leaves or
shows is searched for secrets. `docs/reliability.md` has the outcomes.
"""

import os

import pytest

from tests.fault_matrix import (
    IN_PROCESS,
    Case,
    Outcome,
    documented,
    options_of,
    require_outlived_or_told,
    variables_of,
)
from tests.inprocess.stage import Stage

_DOCUMENTED = documented()


@pytest.mark.parametrize("case", IN_PROCESS, ids=str)
def test_a_fault_is_outlived_or_told(stage: Stage, case: Case) -> None:
    outcome = _outcome(stage, case)
    require_outlived_or_told(case, outcome)
    assert outcome.word == _DOCUMENTED[case], outcome.stderr


def _outcome(stage: Stage, case: Case) -> Outcome:
    source, variables = "job:local", variables_of(case)
    image_id = stage.hold(source, os.urandom(100_000))
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
    )
