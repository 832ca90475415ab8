"""--dry-run in process: what would come next, and that nothing changes."""

import json

import pytest

from tests.inprocess.network import json_answer, scripted
from tests.inprocess.stage import MakeStage, Stage


def planned(stage: Stage, source: str, *options: str, code: int = 0) -> dict[str, object]:
    """Return the plan, which changes nothing."""
    before = (stage.registry.changes(), stage.lusid.changes())
    ended = stage.publish(source, "job:1.0", "--dry-run", "--output", "json", *options)
    ended.require(code)
    assert (stage.registry.changes(), stage.lusid.changes()) == before
    shown: dict[str, object] = json.loads(ended.stdout) if not code else {}
    return shown


def test_a_build_and_nothing_else(stage: Stage) -> None:
    folder = stage.dockerfile()
    shown = planned(stage, folder, "--latest")
    assert (shown["action"], shown["existingDigest"], shown["latest"]) == ("push", None, "moved")
    assert shown["imageId"] == stage.engine.tags["job:1.0"]
    text = stage.publish(folder, "job:1.0", "--dry-run").require(0)
    assert "push it" in text.stdout
    assert "no image with this name" in text.stdout
    stage.engine.build_failure = "no"
    planned(stage, folder, code=6)
    unbuilt = planned(stage, folder, "--no-build")
    assert (unbuilt["imageId"], unbuilt["action"]) == (None, "push")


@pytest.mark.parametrize("kind", ["engine", "archive"])
def test_what_an_image_that_exists_means(stage: Stage, kind: str) -> None:
    stage.hold("job:ci")
    source = stage.archive("job:ci") if kind == "archive" else "job:ci"
    digest = stage.publish(source, "job:1.0").require(0).stdout.strip()
    shown = planned(stage, source)
    assert (shown["action"], shown["existingDigest"]) == ("compare", digest)
    assert planned(stage, source, "--if-exists", "skip")["action"] == "skip"
    planned(stage, source, "--if-exists", "fail", code=11)
    forced = stage.publish(source, "job:1.0", "--dry-run", "--force").require(0)
    assert "else push it" in forced.stdout


def test_the_very_image_of_an_archive_that_keeps_its_digest(make_stage: MakeStage) -> None:
    stage = make_stage(is_containerd=True)
    stage.hold("job:ci")
    source = stage.archive("job:ci")
    stage.publish(source, "job:1.0", **stage.without_engine).require(0)
    assert planned(stage, source)["action"] == "nothing"


def test_what_is_not_listed_is_a_warning(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    stage.lusid.instead = scripted("GET", "/repository/job$", json_answer({"values": []}))
    stage.publish("job:ci", "job:1.0", "--dry-run").require(0, "but list_images has nothing")


@pytest.mark.parametrize("pushed_later", [True, False])
def test_what_would_become_of_latest(stage: Stage, *, pushed_later: bool) -> None:
    stage.hold("job:ci")
    stage.hold("job:new", b"new")
    stage.publish("job:ci", "job:1.0", *(() if pushed_later else ("--latest",))).require(0)
    stage.clock.advance(2)
    if pushed_later:
        stage.publish("job:new", "job:1.1", "--latest").require(0)
    shown = planned(stage, "job:ci", "--latest")
    assert shown["latest"] == ("kept" if pushed_later else "unchanged")


def test_it_writes_no_report_and_says_so(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0", "--dry-run", "--report", "json").require(
        0, "a dry run writes no reports"
    )
    assert not list(stage.folder.glob("*.json"))


def test_it_says_what_the_scan_may_find(stage: Stage) -> None:
    stage.hold("job:ci")
    options = ("--dry-run", "--fail-on", "high", "--max", "low=3")
    ended = stage.publish("job:ci", "job:1.0", *options).require(0)
    assert "and fail on anything high or worse or more than 3 low" in ended.stdout
    without = stage.publish("job:ci", "job:1.0", "--dry-run").require(0)
    assert "wait for its scan; no policy set" in without.stdout
