"""Which files a run writes and removes."""

from pathlib import Path

import pytest

from lusid_image_publish.cli.outcome import record_failure
from lusid_image_publish.cli.report_files import _write, remove_own
from lusid_image_publish.errors import (
    ConfigurationError,
    LusidPublishError,
    MissingCredentialsError,
    MissingSettingError,
    PushError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.reports.formats import FORMATS
from tests.systems import NEEDS_POSIX_FILES
from tests.unit.reports.contents import FOUND, published, scanned

NAME = ImageName.parse("my-job:1.0")
FILES = (("text", Path("own.txt")), ("json", Path("notes.txt")), ("dotenv", Path("own.env")))


@pytest.fixture
def former() -> dict[str, str]:
    """The files that were there before: two of this program, one of somebody else."""
    texts = {
        "own.txt": FORMATS["text"].render(published(scanned(FOUND))),
        "notes.txt": "important\n",
        "own.env": "LUSID_IMAGE_NAME=other:1\nLUSID_IMAGE_PUSHED=true\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text)
    return texts


def there() -> dict[str, str]:
    return {path.name: path.read_text() for path in Path().iterdir()}


@pytest.mark.parametrize("kind", [ConfigurationError, MissingCredentialsError, MissingSettingError])
def test_what_is_refused_before_it_begins_leaves_all_files(
    former: dict[str, str], kind: type[LusidPublishError]
) -> None:
    record_failure(NAME, FILES, kind("It is wrong."))
    assert there() == former


def test_a_failed_run_leaves_no_report_of_a_former_one(former: dict[str, str]) -> None:
    record_failure(NAME, FILES, PushError("It failed."))
    left = there()
    assert left.keys() == {"notes.txt", "own.env"}
    assert left["notes.txt"] == former["notes.txt"]
    assert left["own.env"].startswith("LUSID_IMAGE_NAME=my-job:1.0\n")
    assert "PUSHED" not in left["own.env"]


@NEEDS_POSIX_FILES
def test_a_link_stays_and_leads_to_the_report(former: dict[str, str]) -> None:
    Path("link").symlink_to("own.txt")
    remove_own((("text", Path("link")),))
    assert not Path("own.txt").exists()
    _write(Path("link"), former["own.txt"])
    assert Path("link").is_symlink()
    assert there()["own.txt"] == former["own.txt"]


def test_a_report_that_cannot_be_written_leaves_the_former_one(
    former: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=r"^$"):
        _write(Path("notes.txt"), "new")
    assert there() == former
