"""The pytest plugin: a local LUSID Scheduler for tests, as fixtures.

pytest loads this module in every project that has the package installed. So it imports nothing but
pytest: what the fixtures need is imported when a test uses one.
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
    end. It needs `lusid-image-publish[local]` and a Docker engine: without them your tests fail,
    and say why.
    """
    # Takes a while, and most sessions that load this plugin use no fixture of it.
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

    What the test calls or starts then uses this Scheduler as it would use LUSID. Other variables
    that begin with FBN_ or LUSID_PUBLISH_ are removed meanwhile: no test reaches a real domain.
    """
    for name in list(os.environ):
        if name.startswith(("FBN_", "LUSID_PUBLISH_")):
            monkeypatch.delenv(name)
    for name, value in lusid_scheduler.environ.items():
        monkeypatch.setenv(name, value)
    return lusid_scheduler


def _close_lost_sockets() -> None:
    """Close what docker-py leaves open when no engine answers.

    A session that makes errors of warnings would end with a traceback about it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
