"""Tables on a terminal: what a person copies stays in one piece, and the rest fits."""

import re
from collections.abc import Sequence

import pytest

from lusid_image_publish.reports.fitted_table import fitted_table, wrapped
from lusid_image_publish.reports.table import Row, width_of

IMAGES = ("TAGS", "DIGEST", "SIZE", "PUSHED", "SCAN", "CRIT", "HIGH", "MED", "LOW")
VERDICTS = ("", "TAGS", "DIGEST", "SIZE", "PUSHED", "BECAUSE")
REPOSITORIES = ("NAME", "IMAGES", "PULLS", "UPDATED", "CREATED")
JOBS = ("JOB", "NAME", "IMAGE", "TTL", "ARGUMENTS")
RUNS = ("RUN", "JOB", "STATUS", "BEGAN", "TOOK", "IMAGE")
FINDINGS = ("SEVERITY", "VULNERABILITY", "PACKAGE", "VERSION", "FIXED IN", "INCLUDED", "LINK")

SHORT = "0123456789ab"
LONG = f"sha256:{'0123456789abcdef' * 4}"
DATE = "2026-11-30 08:35 UTC"
RUN = "01234567-89ab-4cde-8f01-23456789abcd"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "finance/valuation/daily-valuation-of-all-portfolios-of-the-world"


def image(tags: str, size: str = "999.9 MB", scan: str = "COMPLETE", count: str = "9999") -> Row:
    return (tags, f"sha256:{SHORT}", size, DATE, scan, *[count] * 4)


LISTED: dict[str, tuple[Sequence[str], list[Row], set[str]]] = {
    "images": (
        IMAGES,
        [
            image("1, 1.0, 1.0.0, latest"),
            image("0.9.0-rc.12", "1.2 GB", "SCAN_ELIGIBILITY_EXPIRED", "-"),
            image("0.8, 0.8.0", scan="FINDINGS_UNAVAILABLE"),
        ],
        {"TAGS"},
    ),
    "images of commits": (IMAGES, [image(f"{COMMIT}, main"), image("-")], {"TAGS"}),
    "images with many tags": (IMAGES, [image(", ".join(map(str, range(60))))], {"TAGS"}),
    "verdicts": (
        VERDICTS,
        [
            ("keep", *image("1.0.0, latest")[:4], "LUSID does not say how old it is"),
            ("delete", *image("0.9.0-rc.12, 0.9")[:4], "it is number 1234"),
        ],
        {"TAGS"},
    ),
    "repositories": (
        REPOSITORIES,
        [(NAME, "9999", "123456", DATE, DATE), ("job", "1", "2", DATE, "never")],
        set(),
    ),
    "jobs": (
        JOBS,
        [
            ("me/hello-job", "Hello", "hello-job:1.0.0", "600 s", "-"),
            (NAME, "Daily valuation of all portfolios", f"{NAME}:2026.11.30-rc1", "3600 s", "a, b"),
        ],
        {"ARGUMENTS"},
    ),
    "runs": (
        RUNS,
        [
            (RUN, "me/hello-job", "Succeeded", DATE, "12.3 s", "hello-job:1.0.0"),
            (RUN, NAME, "Failed", DATE, "3600 s", f"{NAME}:1.0.0"),
        ],
        {"JOB", "IMAGE"},
    ),
    "runs with arguments": (
        (*RUNS, "ARGUMENTS"),
        [(RUN, NAME, "Failed", DATE, "3600 s", f"{NAME}:1.0.0", f"at={DATE}, scope={NAME}")],
        {"JOB", "IMAGE", "ARGUMENTS"},
    ),
    "findings": (
        FINDINGS,
        [
            ("critical", "CVE-2026-12345", "openssl", "3.0.1-1", "3.0.2", "yes", "-"),
            ("negligible", "GHSA-xxxx-yyyy-zzzz", "libgcc-12-dev", "12.2.0-14+deb12u1",
             "-", "ignored", "https://example.com/vulnerabilities/CVE-2026-12345"),
        ],
        {"LINK"},
    ),
    "facts": (
        ("", ""),
        [
            ("Tag latest would", "be moved to it"),
            ("LUSID has", LONG),
            ("Would", "compare the two: leave the same image alone, and push over another one"),
        ],
        set(),
    ),
}  # fmt: skip
KEPT = re.compile(
    r"sha256:[0-9a-f]{64}|[0-9a-f-]{36,}|2026-11-30|08:35|CVE-[0-9-]+|https://\S+|[0-9.]+ [kMG]?B|"
    r"[0-9.]+ s\b|\b[0-9]{3,}\b"
)
"""What a person reads or copies as one piece: digests, ids, dates, links and numbers."""


def shown(listed: str, width: int) -> str:
    columns, rows, below = LISTED[listed]
    header, lines = fitted_table(columns, rows, width=width, below=below)
    return f"{header}\n{lines}" if header else lines


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("listed", LISTED)
def test_every_table_fits(listed: str, width: int) -> None:
    lines = shown(listed, width).splitlines()
    assert [line for line in lines if width_of(line) > width] == []
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [60, 80, 100, 160, 400])
@pytest.mark.parametrize("listed", LISTED)
def test_nothing_that_is_copied_is_broken(listed: str, width: int) -> None:
    _, rows, _ = LISTED[listed]
    text = shown(listed, width)
    wanted = {piece for row in rows for cell in row for piece in KEPT.findall(cell)}
    if "08:35" not in text:  # narrow tables show days
        wanted.discard("08:35")
    assert [piece for piece in wanted if piece not in text] == []


@pytest.mark.parametrize("listed", LISTED)
def test_a_wide_terminal_shows_all_that_a_file_has(listed: str) -> None:
    columns, rows, _ = LISTED[listed]
    header, *lines = (
        shown(listed, 400).splitlines() if any(columns) else ["", *shown(listed, 400).splitlines()]
    )
    assert header.split() == " ".join(columns).split()
    assert [line.split() for line in lines] == [" ".join(row).split() for row in rows]


def test_images_at_80_columns() -> None:
    assert shown("images", 80) == (
        "TAGS         DIGEST           SIZE PUSHED     SCAN           CRIT HIGH  MED  LOW\n"
        "1, 1.0,      0123456789ab 999.9 MB 2026-11-30 COMPLETE       9999 9999 9999 9999\n"
        "1.0.0,\n"
        "latest\n"
        "0.9.0-rc.12  0123456789ab   1.2 GB 2026-11-30 SCAN_             -    -    -    -\n"
        "                                              ELIGIBILITY_\n"
        "                                              EXPIRED\n"
        "0.8, 0.8.0   0123456789ab 999.9 MB 2026-11-30 FINDINGS_      9999 9999 9999 9999\n"
        "                                              UNAVAILABLE"
    )


def test_a_tag_that_is_too_long_for_its_column_gets_a_line() -> None:
    assert shown("images of commits", 80) == (
        "DIGEST            SIZE  PUSHED      SCAN      CRIT  HIGH   MED   LOW\n"
        "  TAGS\n"
        "0123456789ab  999.9 MB  2026-11-30  COMPLETE  9999  9999  9999  9999\n"
        f"  {COMMIT}, main\n"
        "0123456789ab  999.9 MB  2026-11-30  COMPLETE  9999  9999  9999  9999"
    )


def test_runs_at_80_columns() -> None:
    columns, rows, below = LISTED["runs"]
    header, lines = fitted_table(columns, rows[:1], width=80, below=below)
    assert header == (
        "RUN                                   STATUS     BEGAN (UTC)       TOOK\n"
        "  JOB           IMAGE"
    )
    assert lines == (f"{RUN}  Succeeded  2026-11-30 08:35  12.3 s\n  me/hello-job  hello-job:1.0.0")


def test_dates_become_shorter_before_anything_wraps() -> None:
    def header(width: int) -> str:
        return fitted_table(IMAGES, [image("1.0.0")], width=width, below={"TAGS"})[0]

    headers = {width: header(width).split() for width in (200, 90, 80)}
    assert headers[200] == list(IMAGES)
    assert headers[90][3:5] == ["PUSHED", "(UTC)"]
    assert headers[80] == list(IMAGES)


def test_a_digest_that_does_not_fit_beside_its_label_is_below_it() -> None:
    lines = shown("facts", 80).splitlines()
    assert lines[1:3] == ["LUSID has", f"  {LONG}"]
    assert shown("facts", 60).splitlines()[2] == LONG


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a b", 80, ["a b"]),
        ("one two three", 8, ["one two", "three"]),
        ("1.0.0, latest", 8, ["1.0.0,", "latest"]),
        ("on 2026-11-30 08:35 UTC it was", 16, ["on", "2026-11-30 08:35 UTC", "it was"]),
        ("it has 56.8 MB now", 8, ["it has", "56.8 MB", "now"]),
        ("finance/daily-runs:2026-11-30", 12, ["finance/", "daily-runs:", "2026-11-30"]),
        (f"has {LONG} now", 20, ["has", LONG, "now"]),
        ("https://example.com/a/b", 10, ["https://example.com/a/b"]),
        ("x" * 7, 3, ["xxx", "xxx", "x"]),
        ("日本語です", 4, ["日本", "語で", "す"]),
        ("", 5, [""]),
    ],
)  # fmt: skip
def test_a_text_wraps_between_words(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@pytest.mark.parametrize("width", [1, 5, 20, 40])
@pytest.mark.parametrize("listed", LISTED)
def test_the_narrowest_terminal_gets_a_table_too(listed: str, width: int) -> None:
    _, rows, _ = LISTED[listed]
    assert len(shown(listed, width).splitlines()) >= len(rows)


def test_a_table_without_rows_is_its_header() -> None:
    assert fitted_table(("TAGS", "DIGEST"), [], width=80) == ("TAGS  DIGEST", "")
    assert fitted_table(("", ""), [], width=80) == ("", "")
