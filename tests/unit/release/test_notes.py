"""The changelog has a section for the release, which becomes its notes."""

from pathlib import Path

import pytest
from releasing.checkout import notes
from releasing.stopping import StoppedError
from releasing.versions import version_of

VERSION = version_of("v1.2.3")
COMPLETE = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-31

### Added

- One thing, see [docs](docs/index.md).

## [1.2.2] - 2026-01-02

- Another.

[Unreleased]: https://example.com/v1.2.3...main
[1.2.3]: https://example.com/v1.2.2...v1.2.3
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[1.2.3] - 2026-01-31",
            "[1.2.4] - 2026-01-31",
            r'no section for 1\.2\.3; add "## \[',
        ),
        (COMPLETE, "# Changelog", r"has no section for 1\.2\.3"),
        ("[1.2.3] - 2026-01-31", "1.2.3 - 2026-01-31", r"has no section for 1\.2\.3"),
        ("[1.2.3] - 2026-01-31", "[1.2.3]", r"1\.2\.3 in CHANGELOG\.md has no date; write"),
        ("[1.2.3] - 2026-01-31", "[1.2.3] - 2026-02-31", "has no date"),
        ("[1.2.3] - 2026-01-31", "[1.2.3] - soon", "has no date"),
        ("- One thing, see [docs](docs/index.md).", "", r"1\.2\.3 in CHANGELOG\.md is empty"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Late.\n", "still has entries; move them below"),
    ],
)
def test_a_changelog_that_is_not_complete_stops_the_release(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "CHANGELOG.md").write_text(COMPLETE.replace(old, new))
    with pytest.raises(StoppedError, match=message) as stopped:
        notes(tmp_path, VERSION)
    assert stopped.value.step == "changelog"


@pytest.mark.parametrize("version", ["1.2.3", "1.2.2"])
def test_the_notes_are_the_section_alone(tmp_path: Path, version: str) -> None:
    (tmp_path / "CHANGELOG.md").write_text(COMPLETE)
    expected = {
        "1.2.3": "### Added\n\n- One thing, see [docs](docs/index.md).",
        "1.2.2": "- Another.",
    }
    assert notes(tmp_path, version_of(f"v{version}")) == expected[version]


def test_a_version_with_two_sections_stops_the_release(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(COMPLETE.replace("[1.2.2]", "[1.2.3]"))
    with pytest.raises(StoppedError, match=r"two sections for 1\.2\.3; join them"):
        notes(tmp_path, VERSION)


@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_a_heading_in_a_code_block_is_text(tmp_path: Path, fence: str) -> None:
    code = f"{fence}md\n## [1.2.3] - 2026-01-31\n\n- An example.\n{fence}"
    path = tmp_path / "CHANGELOG.md"
    path.write_text(COMPLETE.replace("- One thing,", f"{code}\n\n- One thing,"))
    assert notes(tmp_path, VERSION).endswith(f"{code}\n\n- One thing, see [docs](docs/index.md).")
    path.write_text(f"# Changelog\n\n## [Unreleased]\n\n{code}\n")
    with pytest.raises(StoppedError, match=r"no section for 1\.2\.3"):
        notes(tmp_path, VERSION)


def test_a_link_of_a_section_is_kept(tmp_path: Path) -> None:
    link = "[docs]: https://example.com/docs"
    text = COMPLETE.replace("[docs](docs/index.md).", f"[docs].\n\n{link}")
    (tmp_path / "CHANGELOG.md").write_text(text)
    assert notes(tmp_path, VERSION).endswith(link)


def test_a_pre_release_leaves_entries_for_the_final_one(tmp_path: Path) -> None:
    text = COMPLETE.replace("[Unreleased]\n", "[Unreleased]\n\n- Late.\n")
    (tmp_path / "CHANGELOG.md").write_text(text.replace("[1.2.3]", "[1.2.3rc1]"))
    assert notes(tmp_path, version_of("v1.2.3rc1")).startswith("### Added")
