"""Asking for instructions, also for a tag that exists: under a fresh one, which must be a name."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import InstructionsError
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.ask import ask_instructions, borrow_instructions
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import UploadImageInstructions

SETTINGS = Settings.from_values(scheduler_url="https://foo.lusid.com/scheduler2")


class Service:
    """Answers `upload_image`, and keeps the names that it was asked for."""

    def __init__(self, host: str = "foo.lusid.com") -> None:
        self.host = host
        self.asked: list[ImageName] = []

    def upload_image(self, name: str) -> UploadImageInstructions:
        self.asked.append(ImageName.parse(name))
        local = f"foo/{name}"
        remote = f"{self.host}/{local}"
        return UploadImageInstructions.model_validate(
            {
                "dockerLoginCommand": f"docker login -u AWS -p t0ken {self.host}",
                "buildVersionedDockerImageCommand": f"docker build -t {local} .",
                "tagVersionedDockerImageCommand": f"docker tag {local} {remote}",
                "pushVersionedDockerImageCommand": f"docker push {remote}",
            }
        )


@pytest.mark.parametrize("length", [3, *range(225, 238)])
def test_the_fresh_tag_fits_whatever_the_name_is(length: int) -> None:
    service, name = Service(), ImageName("j" * length, "1")
    run = Run(name=name, engine=None, images=cast("Any", service), settings=SETTINGS)
    for _ in range(20):
        assert borrow_instructions(run).target.tag == "1"
    assert len(set(service.asked)) == 20, "each is another one"
    assert {asked.repository for asked in service.asked} == {name.repository}


@pytest.mark.parametrize("ask", [ask_instructions, borrow_instructions])
def test_a_registry_that_the_scheduler_must_not_name_is_refused(
    ask: Callable[[Run], PushInstructions],
) -> None:
    service = Service("localhost:5000")
    run = Run(
        name=ImageName("job", "1"), engine=None, images=cast("Any", service), settings=SETTINGS
    )
    with pytest.raises(InstructionsError, match="localhost:5000"):
        ask(run)
