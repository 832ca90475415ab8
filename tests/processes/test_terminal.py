"""What people see on a real terminal of 80 columns: whole digests, and no question marks."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.environment import OF_A_CI

if sys.platform == "win32":  # it has no pseudo-terminals
    pytest.skip("needs pseudo-terminals", allow_module_level=True)

from tests.pseudo_terminal import Shown, run_on_terminal

ROOT = Path(__file__).parents[2]
COLUMNS = 80
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
LAYER = "0123456789ab"


def run(code: str, columns: int = COLUMNS) -> Shown:
    """Run Python code on a terminal; it must not fail."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OF_A_CI) and name not in {"COLUMNS", "LINES", "NO_COLOR"}
    }
    shown = run_on_terminal(
        [sys.executable, "-c", code],
        columns=columns,
        environ=environ | {"PYTHONPATH": str(ROOT)},
    )
    assert shown.code == 0, shown.written
    return shown


def events(*made: str) -> Shown:
    """Show events of the library on a terminal, as a command does."""
    return run(
        "from lusid_image_publish.cli.console import console\n"
        "from lusid_image_publish.progress import *\n"
        f"for event in [{', '.join(made)}]: console.listen(event)\n"
        "console.finish()"
    )


def layer(name: str, status: str, *numbers: int) -> str:
    return f"LayerProgress({name!r}, {status!r}, {', '.join(map(str, numbers))})"


@pytest.mark.parametrize(
    "made",
    [
        layer(LAYER, "Preparing"),
        layer(LAYER, "Layer already exists"),
        layer(LAYER, "Pushing", 512_000),
        layer(LAYER, "Pushing", 0, 999_900_000),
        layer(LAYER, "Pushing", 999_900_000, 999_900_000),
        layer(LAYER, "Pushing", 1_200_000_000, 1_100_000_000),
        f"LayerDone({LAYER!r}, 'Pushed', 999_900_000, 999_900_000, 0)",
        f"LayerDone({LAYER!r}, 'Layer already exists', 999_900_000, 0, 999_900_000)",
        "DownloadProgress(0)",
        "DownloadProgress(12_300_000)",
        "DownloadProgress(12_300_000, 999_900_000)",
    ],
)
def test_a_bar_is_one_line_and_has_no_question_mark(made: str) -> None:
    lines = events(made).lines
    assert lines
    assert "?" not in "".join(lines)
    assert [line for line in lines if len(line) > COLUMNS] == []
    name = "Downloading" if "Download" in made else LAYER
    assert all(line.startswith(f"    {name}") for line in lines)


def test_an_unknown_size_shows_what_is_done() -> None:
    assert "12.3 MB" in events("DownloadProgress(12_300_000)").lines[-1]
    assert "12.3/999.9 MB" in events("DownloadProgress(12_300_000, 999_900_000)").lines[-1]


def test_layers_beside_each_other_have_room_for_all_they_say() -> None:
    shown = events(
        layer("0" * 12, "Pushing", 999_800_000, 999_900_000),
        layer("1" * 12, "Layer already exists"),
        f"LayerDone({'2' * 12!r}, 'Pushed', 999_900_000, 999_900_000, 0)",
    )
    last = shown.lines[-3:]
    assert f"{'0' * 12} Pushing" in last[0]
    assert "999.8/999.9 MB" in last[0]
    assert last[1].rstrip() == f"    {'1' * 12} Layer already exists"
    assert f"{'2' * 12} Pushed, 999.9 MB sent" in last[2]


def test_a_status_without_end_is_cut_and_the_layer_is_not() -> None:
    lines = events(layer(LAYER, "Mounted from " + "finance/" * 20, 1, 2)).lines
    assert all(line.startswith(f"    {LAYER} Mounted from") for line in lines)
    assert all(len(line) <= COLUMNS for line in lines)
    assert "\N{HORIZONTAL ELLIPSIS}" in lines[-1]


def test_a_wait_is_one_line() -> None:
    lines = events(f"Waiting('LUSID has not listed {DIGEST} yet, ' + 'and so on ' * 9)").lines
    assert lines
    assert all(len(line) <= COLUMNS for line in lines)
    assert all("0:00:0" in line for line in lines)


@pytest.mark.parametrize(("variables", "moves"), [({}, True), ({"CI": "true"}, False)])
def test_nothing_moves_on_the_terminal_that_a_ci_gives_its_steps(
    variables: dict[str, str], *, moves: bool
) -> None:
    shown = run(
        "from lusid_image_publish.ci.detect import detect_ci\n"
        "from lusid_image_publish.cli.console import console\n"
        "from lusid_image_publish.progress import *\n"
        f"console.ci = detect_ci({variables})\n"
        f"console.listen({layer(LAYER, 'Pushing', 1, 2)})\n"
        "console.listen(Waiting('pending'))\n"
        "console.finish()"
    )
    assert bool(re.search(r"\r(?!\n)|\x1b\[[0-9?;]*[A-HJKhl]", shown.written)) == moves


TABLE = (
    "from datetime import UTC, datetime\n"
    "from lusid_image_publish.cli import tables\n"
    "from lusid_image_publish.scheduler.models import ImageSummary, Image, Tag\n"
    "pushed = datetime(2026, 11, 30, 8, 35, tzinfo=UTC)\n"
    f"image = dict(tags=[Tag(name='1.0.0'), Tag(name='latest')], digest={DIGEST!r},\n"
    "    size=999_900_000, push_time=pushed)\n"
)


def test_a_list_fits_and_its_header_is_bold() -> None:
    shown = run(
        f"{TABLE}images = [ImageSummary(**image, scan_status='SCAN_ELIGIBILITY_EXPIRED')]\n"
        "tables.show(tables.IMAGE_COLUMNS, tables.image_rows(images), below={'TAGS'})"
    )
    assert shown.written.startswith("\x1b[1mTAGS")
    header, first, *_ = shown.lines
    assert header.split() == [
        *("TAGS", "DIGEST", "SIZE", "PUSHED", "SCAN", "CRIT", "HIGH", "MED", "LOW")
    ]
    assert first.split()[1:5] == [LAYER, "999.9", "MB", "2026-11-30"]
    assert all(len(line) <= COLUMNS for line in shown.lines)


@pytest.mark.parametrize("columns", [60, COLUMNS])
def test_the_digest_of_an_image_is_in_one_piece(columns: int) -> None:
    code = f"{TABLE}tables.show(('', ''), tables.image_lines(Image(name='job', **image)))"
    assert any(line.endswith(DIGEST) for line in run(code, columns).lines)


def test_no_error_is_cut_in_a_digest() -> None:
    shown = run(
        "import click\n"
        "from lusid_image_publish.cli.console import console\n"
        "from lusid_image_publish.errors import PushError\n"
        f"text = 'The registry has something else, which is not what was sent: {DIGEST} there'\n"
        "console.show_error(PushError(text, cause=text, hint=text))\n"
        "console.show_usage_error(click.UsageError(text))\n"
        "console.warn(text)"
    )
    assert shown.written.count(DIGEST) == 5


def test_lines_fit_the_terminal_of_stderr_also_when_stdout_goes_elsewhere() -> None:
    shown = run(
        "import os, sys\n"
        "from lusid_image_publish.cli.console import console\n"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
        f"console.say('{'word ' * 25}{DIGEST}')",
        columns=120,
    )
    assert [len(line) for line in shown.lines] == [119, 80]
