"""finbourne-sdk and this package find the same Scheduler in the same configuration."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lusid_image_publish.config import load_settings
from lusid_image_publish.local_scheduler.server import LocalScheduler
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.official_sdk import Release, running_release
from tests.integration.seeding import Seeder


@dataclass(frozen=True)
class Sdk:
    """The SDK, and a repository with two tags that its Scheduler has."""

    release: Release
    variables: Mapping[str, str]
    repository: str
    folder: Path

    def require_same(self, *names: str, **variables: str) -> None:
        """Fail where the SDK, or this package, does not list the tags.

        `names` are variables of the local Scheduler, which are set as well.
        """
        environ = {name: self.variables[name] for name in names} | variables
        listed = self.release.run(
            [{"repository": self.repository}], variables=environ, folder=self.folder
        )
        with ImagesClient(load_settings(environ=environ)) as images:
            found = images.list_images(self.repository).values
        ours = sorted(tag.name for image in found for tag in image.tags or () if tag.name)
        assert (listed, ours) == ([["1.0", "2.0"]], ["1.0", "2.0"])


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    script = Path(__file__).with_name("finbourne_sdk_images.py")
    with running_release("finbourne-sdk", "0.1.153", script) as running:
        yield running


@pytest.fixture
def sdk(
    release: Release,
    scheduler: LocalScheduler,
    repository: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Sdk:
    monkeypatch.chdir(tmp_path)  # where both look for a secrets.json
    with Seeder(scheduler, "foo") as seeder:
        seeder.push([repository], ["1.0", "2.0"])
    return Sdk(release, scheduler.environment(), repository, tmp_path)


def test_the_variables_of_the_local_scheduler_configure_both(sdk: Sdk) -> None:
    sdk.require_same(*sdk.variables)
    sdk.require_same("FBN_BASE_URL", "FBN_ACCESS_TOKEN")
    sdk.require_same(
        *("FBN_BASE_URL", "FBN_TOKEN_URL", "FBN_USERNAME", "FBN_PASSWORD"),
        *("FBN_CLIENT_ID", "FBN_CLIENT_SECRET"),
    )


def test_a_profile_of_secrets_json_configures_both(sdk: Sdk) -> None:
    profile = {
        "baseUrl": sdk.variables["FBN_BASE_URL"],
        "accessToken": sdk.variables["FBN_ACCESS_TOKEN"],
    }
    nowhere = {"baseUrl": "http://127.0.0.1:1", "accessToken": "another"}
    file = sdk.folder / "secrets.json"
    file.write_text(json.dumps({"profiles": {"default": profile, "ci": nowhere}}))
    sdk.require_same()
    file.write_text(json.dumps({"profiles": {"default": nowhere, "ci": profile}}))
    sdk.require_same(FBN_PROFILE="ci")
