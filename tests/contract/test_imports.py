"""What importing the package costs: nothing that the import does not need."""

import subprocess
import sys

import pytest

import lusid_image_publish

HEAVY = {"docker", "rich", "fastapi", "uvicorn", "requests"}


def loaded_after(*codes: str, hidden: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Return what is loaded after each code in turn, where the `hidden` modules are missing."""
    hide = "".join(f"sys.modules[{name!r}] = None;" for name in hidden)
    steps = "; ".join(f"{code}; print(*sys.modules)" for code in codes)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {hide} {steps}"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return {
        code: {name.partition(".")[0] for name in line.split()} - set(hidden)
        for code, line in zip(codes, lines, strict=True)
    }


def test_the_package_itself_loads_nothing_heavy() -> None:
    (loaded,) = loaded_after("import lusid_image_publish").values()
    assert loaded & (HEAVY | {"httpx", "pydantic"}) == set()


def test_no_name_of_the_package_loads_docker_or_the_local_scheduler() -> None:
    names = sorted(lusid_image_publish.__all__)
    codes = [f"import lusid_image_publish as p; p.{name}" for name in names]
    # httpx itself loads rich where it is installed, for a command line of its own.
    for code, loaded in loaded_after(*codes, hidden=("rich",)).items():
        assert loaded & HEAVY == set(), code


def test_a_client_works_without_docker_and_rich() -> None:
    code = (
        "import lusid_image_publish as p;"
        "p.ImagesClient.from_values(scheduler_url='https://x', access_token='t0ken').close()"
    )
    (loaded,) = loaded_after(code, hidden=("rich", "docker", "fastapi")).values()
    assert loaded & HEAVY == set()


def test_a_command_that_publishes_an_archive_needs_no_docker() -> None:
    """docker-py takes longer to import than a small archive takes to send; so does httpx's own."""
    code = (
        "from lusid_image_publish.cli.start import import_quickly;"
        "import_quickly('publish_run');"
        "import lusid_image_publish.scheduler.http_clients, lusid_image_publish.scheduler.exchange;"
        "from lusid_image_publish.sources.find_source import find_source; find_source('-')"
    )
    (loaded,) = loaded_after(code, hidden=("rich.console",)).values()
    assert loaded & (HEAVY - {"rich"}) == set()
    assert "httpx" in loaded


def test_the_pytest_plugin_loads_nothing_but_itself() -> None:
    """Pytest loads it in each project where the package is installed."""
    code = (
        "import pytest, sys; before = set(sys.modules); import lusid_image_publish.pytest_plugin;"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"lusid_image_publish", "lusid_image_publish.pytest_plugin"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        lusid_image_publish.nonsense  # type: ignore[attr-defined]  # noqa: B018
    assert set(lusid_image_publish.__all__) <= set(dir(lusid_image_publish))


def test_without_a_job_nothing_of_the_jobs_api_is_imported() -> None:
    code = (
        "import sys; from lusid_image_publish.cli.start import import_quickly;"
        "import_quickly('publish_run'); import lusid_image_publish.scheduler.exchange;"
        "print(*[name for name in sys.modules if 'scheduler.job' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
