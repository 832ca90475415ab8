"""Asking for the credential of a tag that exists: under a fresh one, which must be a name."""

from typing import Any, cast

import pytest

from lusid_image_publish.names import ImageName
from lusid_image_publish.scheduler.models import UploadImageInstructions
from lusid_image_publish.steps.instructions import borrow_instructions
from lusid_image_publish.steps.run import Run


class Service:
    """Answers `upload_image`, and keeps the names that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[ImageName] = []

    def upload_image(self, name: str) -> UploadImageInstructions:
        self.asked.append(ImageName.parse(name))
        local = f"foo/{name}"
        remote = f"foo.lusid.com/{local}"
        return UploadImageInstructions.model_validate(
            {
                "dockerLoginCommand": "docker login -u AWS -p t0ken foo.lusid.com",
                "buildVersionedDockerImageCommand": f"docker build -t {local} .",
                "tagVersionedDockerImageCommand": f"docker tag {local} {remote}",
                "pushVersionedDockerImageCommand": f"docker push {remote}",
            }
        )


@pytest.mark.parametrize("length", [3, *range(225, 238)])
def test_the_fresh_tag_fits_whatever_the_name_is(length: int) -> None:
    service, name = Service(), ImageName("j" * length, "1")
    run = Run(name=name, engine=None, images=cast("Any", service), settings=cast("Any", None))
    for _ in range(20):
        assert borrow_instructions(run).target.tag == "1"
    assert len(set(service.asked)) == 20, "each is another one"
    assert {asked.repository for asked in service.asked} == {name.repository}
