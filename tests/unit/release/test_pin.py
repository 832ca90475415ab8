"""A release's action and template use the prebuilt image, and nothing else in them changes."""

import difflib
import re
from pathlib import Path

import pytest
import yaml
from releasing.pin import pin
from releasing.stopping import StoppedError

from tests.unit.release.repositories import PINNED as FILES
from tests.unit.release.repositories import copy_file

DIGEST = f"sha256:{'0a' * 32}"
REFERENCE = f"ghcr.io/acme/lusid-image-publish@{DIGEST}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        copy_file(tmp_path, name)
    return tmp_path


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


@pytest.mark.parametrize(
    "reference",
    [
        "ghcr.io/acme/lusid-image-publish:1.2.3",
        f"ghcr.io/acme/lusid-image-publish:1.2.3@{DIGEST}",
        f"ghcr.io/OWNER/lusid-image-publish@{DIGEST}",
        f"ghcr.io/acme/lusid-image-publish@{DIGEST[:-1]}",
        f"ghcr.io/acme/lusid-image-publish@{DIGEST}\n",
        f"docker://ghcr.io/acme/lusid-image-publish@{DIGEST}",
        DIGEST,
    ],
)
def test_a_reference_that_is_not_one_image_is_refused(checkout: Path, reference: str) -> None:
    before = contents(checkout)
    with pytest.raises(StoppedError, match="by its digest"):
        pin(checkout, reference)
    assert contents(checkout) == before


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_file_that_is_pinned_already_is_refused(checkout: Path, number: int) -> None:
    unpinned = contents(checkout)
    pin(checkout, REFERENCE)
    for name, text in zip(FILES, unpinned, strict=True):
        if name != FILES[number]:
            (checkout / name).write_bytes(text)
    before = contents(checkout)
    with pytest.raises(StoppedError, match=f"{FILES[number]} is already pinned to .*{REFERENCE}"):
        pin(checkout, REFERENCE)
    assert contents(checkout) == before


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_the_image_is_refused(checkout: Path, name: str) -> None:
    path = checkout / name
    path.write_text(
        re.sub(r"^.*(Dockerfile|ghcr\.io).*\n", "", path.read_text(), flags=re.MULTILINE)
    )
    before = contents(checkout)
    with pytest.raises(StoppedError, match=f"{name} does not name exactly one image"):
        pin(checkout, REFERENCE)
    assert contents(checkout) == before


def test_one_line_of_each_file_changes(checkout: Path) -> None:
    before = contents(checkout)
    pin(checkout, REFERENCE)
    changes = [
        [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "-+"]
        for old, new in zip(
            (text.decode() for text in before),
            (text.decode() for text in contents(checkout)),
            strict=True,
        )
    ]
    assert [[line[0] for line in each] for each in changes] == [["-", "+"]] * len(FILES)
    action = yaml.safe_load((checkout / "action.yml").read_text())
    assert action["runs"] == {"using": "docker", "image": f"docker://{REFERENCE}"}
    header, *_ = yaml.safe_load_all((checkout / "templates/lusid-publish.yml").read_text())
    assert header["spec"]["inputs"]["image"]["default"] == REFERENCE
    assert re.fullmatch(header["spec"]["inputs"]["image"]["regex"].strip("^$"), REFERENCE)


def test_line_ends_stay_as_they_are(checkout: Path) -> None:
    path = checkout / FILES[0]
    path.write_bytes(path.read_bytes() + b"# \r\n# \xc3\xa9")
    pin(checkout, REFERENCE)
    assert path.read_bytes().endswith(b"\n# \r\n# \xc3\xa9")
