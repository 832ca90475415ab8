"""SARIF as GitHub takes it in: Microsoft's validator with GitHub's rules."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy
from tests.integration.parts import npm_tool
from tests.unit.reports.contents import (
    FOUND,
    MADE,
    PUSHED,
    looked_at,
    many,
    published,
    scanned,
    timed,
    unscanned,
)
from tests.unit.reports.test_hostile import HOSTILE, LINKS, NO_LINKS, content_of

ALL = "Sarif;Ghas"
"""All rules of the standard's authors, and those that GitHub refuses an upload for."""

GITHUB = "Ghas"
MAX_RUNS = 15  # in a file; GitHub takes 20
LARGEST = 1_000_000  # kB; by default the validator skips files of more than 10,000


DOTNET = {
    "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
    # Garbage collection and profiling took a third of the time of such short runs.
    "DOTNET_gcConcurrent": "0",
    "DOTNET_GCgen0size": "0x10000000",
    "DOTNET_TieredPGO": "0",
}


def validator() -> str:
    """Return the program that `make test` puts there where there is npm."""
    package = npm_tool("@microsoft")
    [program] = package.glob("*/Sarif.Multitool")
    return str(program)


def complaints(folder: Path, *, of: dict[str, str], kinds: str = ALL) -> list[str]:
    """Return what the validator says of SARIF texts, but for its notes.

    Many runs stand in one file, as they may: each file takes half a second.
    """
    documents = [json.loads(text) for text in of.values()]
    files = [folder / f"{first}.sarif" for first in range(0, len(documents), MAX_RUNS)]
    for number, file in enumerate(files):
        some = documents[number * MAX_RUNS :][:MAX_RUNS]
        runs = [run for document in some for run in document["runs"]]
        file.write_text(json.dumps(some[0] | {"runs": runs}))
    found = folder / "validation.json"
    done = subprocess.run(
        [
            *(validator(), "validate", *map(str, files)),
            *("--rule-kind", kinds, "--level", "Error;Warning"),
            *("--max-file-size-in-kb", str(LARGEST)),
            *("--output", str(found), "--log", "ForceOverwrite"),
        ],
        env=os.environ | DOTNET,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Done. {len(files)} files scanned." in done.stdout
    [run] = json.loads(found.read_text())["runs"]
    return [f"{result['ruleId']}: {result['message']}" for result in run["results"]]


def test_github_takes_it_in(tmp_path: Path) -> None:
    render = FORMATS["sarif"].render
    ignoring = ScanPolicy(ignores=[Ignore("CVE-2026-1234", "accepted"), Ignore("CVE-1")])
    linked = [
        {"name": f"CVE-{index}", "links": [link]} for index, link in enumerate(LINKS + NO_LINKS)
    ]
    texts = {
        "usual": render(published(scanned(FOUND))),
        "of-an-image-that-was-there": render(looked_at(scanned(FOUND))),
        "ignored": render(published(scanned(FOUND, ignoring))),
        "none": render(published(scanned([]))),
        "unavailable": render(published(unscanned())),
        "without-members": render(published(scanned([{}, {}]))),
        "many": render(published(scanned(many(300), ScanPolicy()))),
        "hostile": render(content_of(HOSTILE)),
        "back-in-time": render(timed(MADE, PUSHED)),
        "long-ago": render(timed(datetime(2, 1, 1, tzinfo=UTC), datetime(999, 1, 1, tzinfo=UTC))),
        "links": render(published(scanned(linked))),
    } | {f"hostile-{index}": render(content_of([text])) for index, text in enumerate(HOSTILE)}
    assert complaints(tmp_path, of=texts) == []


def test_github_takes_in_the_worst_of_the_longest_scan(tmp_path: Path) -> None:
    text = FORMATS["sarif"].render(published(scanned(many(8000), ScanPolicy())))
    assert len(text) > 10_000_000, "the validator would read it by default"
    assert complaints(tmp_path, of={"longest": text}, kinds=GITHUB) == []


def test_the_validator_finds_what_github_refuses(tmp_path: Path) -> None:
    good = FORMATS["sarif"].render(published(scanned(FOUND)))
    document: dict[str, Any] = json.loads(good)
    run = document["runs"][0]
    del run["results"][0]["locations"]
    run["tool"]["driver"]["rules"][0]["properties"]["security-severity"] = "high"
    said = complaints(tmp_path, of={"good": good, "bad": json.dumps(document)})
    assert {"GH1015", "GH1017"} <= {text.partition(":")[0] for text in said}
