"""What importing the package costs: nothing that the import does not need."""

import subprocess
import sys

import pytest

import lusid_image_publish

HEAVY = {"docker", "rich", "fastapi", "uvicorn", "requests"}


def loaded_after(code: str, *, hidden: tuple[str, ...] = ()) -> set[str]:
    """Return the modules that `code` loads where the `hidden` ones are not installed."""
    hide = "".join(f"sys.modules[{name!r}] = None;" for name in hidden)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {hide} {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()} - set(hidden)


def test_the_package_itself_loads_nothing_heavy() -> None:
    assert loaded_after("import lusid_image_publish") & (HEAVY | {"httpx", "pydantic"}) == set()


@pytest.mark.parametrize("name", set(lusid_image_publish.__all__) - {"publish"})
def test_no_name_of_the_package_loads_docker_or_the_local_scheduler(name: str) -> None:
    # httpx itself loads rich where it is installed, for a command line of its own.
    loaded = loaded_after(f"import lusid_image_publish as p; p.{name}", hidden=("rich",))
    assert loaded & HEAVY == set()


def test_a_client_works_without_docker_and_rich() -> None:
    code = (
        "import lusid_image_publish as p;"
        "p.ImagesClient.from_values(scheduler_url='https://x', access_token='t0ken').close()"
    )
    assert loaded_after(code, hidden=("rich", "docker", "fastapi")) & HEAVY == set()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        lusid_image_publish.nonsense  # noqa: B018
    assert set(lusid_image_publish.__all__) <= set(dir(lusid_image_publish))
