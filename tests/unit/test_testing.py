"""The local Scheduler for other people's tests: its options, and what it gives."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, Self, get_type_hints

import pytest

from lusid_image_publish import testing
from lusid_image_publish.errors import ConfigurationError, EngineError, InvalidNameError
from lusid_image_publish.local_scheduler import server
from lusid_image_publish.testing import SchedulerOptions, explain, running_scheduler


class NotStarted(server.LocalScheduler):
    """A local Scheduler that starts nothing."""

    given: list[server.LocalSchedulerSettings] = []  # noqa: RUF012  # emptied for each test

    def __enter__(self) -> Self:
        self.given.append(self._settings)
        self._root = "http://127.0.0.1:4321"
        return self


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> list[server.LocalSchedulerSettings]:
    """The settings that Schedulers are started with."""
    module = ModuleType("server")
    monkeypatch.setattr(NotStarted, "given", [])
    vars(module).update(vars(server) | {"LocalScheduler": NotStarted})
    monkeypatch.setattr(testing, "import_server", lambda: module)
    return NotStarted.given


def settings_for(options: Mapping[str, Any]) -> server.LocalSchedulerSettings:
    with running_scheduler(options):  # type: ignore[arg-type]  # wrong ones, too
        return NotStarted.given[-1]


def test_without_options_it_has_free_ports_and_a_volume_of_its_own() -> None:
    assert settings_for({}) == server.LocalSchedulerSettings(volume="", scan_delay=0)


def test_it_says_how_to_reach_it() -> None:
    with running_scheduler() as scheduler:
        assert scheduler.url == "http://127.0.0.1:4321/scheduler2"
        assert scheduler.settings.scheduler_url == scheduler.url
        assert scheduler.settings.access_token
        assert scheduler.settings.access_token.reveal() == scheduler.access_token
        assert scheduler.environ["FBN_SCHEDULER_URL"] == scheduler.url
        assert scheduler.environ["FBN_ACCESS_TOKEN"] == scheduler.access_token
        assert scheduler.access_token not in repr(scheduler)
        assert scheduler.environ["FBN_PASSWORD"] not in repr(scheduler)


def test_options_become_settings() -> None:
    findings: dict[str, Any] = {"job": {"vulnerabilities": []}}
    settings = settings_for(
        {
            "scan_findings": findings,
            "scan_delay": 3,
            "scan_status": "FAILED",
            "jobs": {"me/job": ["date"]},
            "domain": "foo",
        }
    )
    assert (settings.scan_findings, settings.scan_delay) == (findings, 3)
    assert (settings.scan_status, settings.domain) == ("FAILED", "foo")
    assert settings.jobs == {("me", "job"): ["date"]}
    assert settings_for({"scan_findings": "scan.json"}).scan_findings == Path("scan.json")
    assert settings_for({"jobs": ["me/job"]}).jobs == {("me", "job"): ()}


def test_the_environment_names_the_image_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUSID_LOCAL_REGISTRY_IMAGE", "mirror.example.com/registry:2")
    assert settings_for({}).registry_image == "mirror.example.com/registry:2"
    assert settings_for({"registry_image": "registry:3"}).registry_image == "registry:3"
    monkeypatch.setenv("LUSID_LOCAL_REGISTRY_IMAGE", "")
    assert settings_for({}).registry_image == "registry:2"


def test_what_is_not_an_option_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no option port, volume") as caught:
        settings_for({"volume": "mine", "port": 80})
    assert "scan_findings, scan_delay" in caught.value.hint
    with pytest.raises(InvalidNameError, match="'job' is not the SCOPE/CODE"):
        settings_for({"jobs": {"job": []}})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scan_delay": "x"}, "scan_delay must be a number, 0 or greater, not 'x'"),
        ({"instructions_lifetime": -1}, "instructions_lifetime must be a number"),
        ({"scan_status": ""}, "scan_status must be a status such as FAILED, not ''"),
        ({"scan_status": 5}, "scan_status must be a status such as FAILED, not 5"),
        ({"domain": 5}, "domain must be a name, not 5"),
        ({"registry_image": ""}, "registry_image must be a name, not ''"),
        ({"scan_findings": 5}, "scan_findings must be a dict or the path of a JSON file, not 5"),
        ({"jobs": "me/x"}, "jobs must be a dict or a list of SCOPE/CODE, not 'me/x'"),
        ({"jobs": [5]}, "jobs must be a dict or a list of SCOPE/CODE, not "),
        ({"jobs": {"me/x": "date"}}, "jobs.me/x must be a list of names of arguments, not 'date'"),
        ({"jobs": {"me/x": [5]}}, "jobs.me/x must be a list of names of arguments, not "),
        ({"jobs": None}, "jobs must be a dict or a list of SCOPE/CODE, not None"),
    ],
)
def test_an_option_of_a_wrong_type_is_refused_at_the_start(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        settings_for(options)
    assert NotStarted.given == []


def test_each_option_is_a_setting_of_the_local_scheduler() -> None:
    settings = {field.name for field in fields(server.LocalSchedulerSettings)}
    assert get_type_hints(SchedulerOptions).keys() <= settings


def test_an_explanation_has_cause_and_next_step() -> None:
    error = EngineError("No engine answers.", cause="It is stopped.", hint="Start it.")
    assert explain(error).splitlines() == [
        "The local Scheduler did not start.",
        "Error: No engine answers.",
        "Likely cause: It is stopped.",
        "Next step: Start it.",
    ]
