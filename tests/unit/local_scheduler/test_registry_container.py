"""Whose a container is: what a killed Scheduler left behind is removed, and nothing else."""

import os
import socket
from pathlib import Path

import pytest

from lusid_image_publish.local_scheduler import registry_container
from lusid_image_publish.local_scheduler.registry_container import has_gone, machine_name, own_name


def test_a_process_of_this_machine_has_gone_when_it_does_not_run() -> None:
    assert not has_gone(own_name(), elsewhere=True)
    assert has_gone(f"{machine_name()}/99999999", elsewhere=False)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_of_another_machine_only_the_caller_knows(elsewhere: bool) -> None:  # noqa: FBT001
    assert has_gone("another/1", elsewhere=elsewhere) is elsewhere


def test_containers_on_the_network_of_one_host_are_different_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have the same name, and in each of them process 1 is another one."""
    names = []
    for container in ("first", "second"):
        (tmp_path / container).touch()
        monkeypatch.setattr(registry_container, "_PID_NAMESPACE", tmp_path / container)
        names.append(own_name())
    assert names[0] != names[1]
    assert has_gone(names[0], elsewhere=False) is False


def test_without_namespaces_the_host_is_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_container, "_PID_NAMESPACE", tmp_path / "absent")
    assert own_name() == f"{socket.gethostname()}/{os.getpid()}"
