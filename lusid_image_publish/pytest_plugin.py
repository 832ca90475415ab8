"""The pytest plugin: a local LUSID Scheduler for tests, as fixtures.

pytest loads this module in every project that has the package installed. So it imports only pytest,
and the rest when a test uses a fixture.
"""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lusid_image_publish.testing import LusidScheduler, SchedulerOptions


@pytest.fixture(scope="session")
def lusid_scheduler_settings() -> "SchedulerOptions":
    """Return the options of `lusid_scheduler`: override this fixture to set some.

    They are a dict with any of `scan_findings`, `scan_delay`, `scan_status`, `jobs`, `domain`,
    `registry_image` and `instructions_lifetime`: `lusid_image_publish.testing.SchedulerOptions`.
    """
    return {}


@pytest.fixture(scope="session")
def lusid_scheduler(
    lusid_scheduler_settings: "SchedulerOptions",
) -> "Iterator[LusidScheduler]":
    """Run a LUSID Scheduler on this machine for the whole session: images, scans and jobs.

    Its value has `url`, `access_token`, `settings` (for `publish` and the clients) and `environ`
    (the FBN_* variables). The Scheduler starts empty; its container and volume are removed at the
    end. It needs `lusid-image-publish[local]` and a Docker engine: without them your tests fail
    with an explanation.
    """
    # It takes a while, and most sessions that load this plugin do not use its fixtures.
    from lusid_image_publish import errors, testing  # noqa: PLC0415

    failure = ""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(testing.running_scheduler(lusid_scheduler_settings))
        except errors.LusidPublishError as error:
            failure = testing.explain(error)
        if failure:  # not in the block above, whose error pytest would show first
            _close_lost_sockets()
            pytest.fail(failure, pytrace=False)
        yield running


@pytest.fixture
def lusid_environment(
    lusid_scheduler: "LusidScheduler", monkeypatch: pytest.MonkeyPatch
) -> "LusidScheduler":
    """Set the variables of `lusid_scheduler` in `os.environ` during the test, and return it.

    Code and commands of the test then use this Scheduler instead of LUSID. Other variables that
    start with FBN_ or LUSID_PUBLISH_ are removed during the test: no test reaches a real domain.
    """
    for name in list(os.environ):
        if name.startswith(("FBN_", "LUSID_PUBLISH_")):
            monkeypatch.delenv(name)
    for name, value in lusid_scheduler.environ.items():
        monkeypatch.setenv(name, value)
    return lusid_scheduler


def _close_lost_sockets() -> None:
    """Close the sockets that docker-py leaves open if no engine answers.

    A session that turns warnings into errors would end with a traceback about them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
