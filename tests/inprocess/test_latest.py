"""The tag `latest` in process: moved, kept, unchanged, and the report of a failure."""

import json

import pytest

from tests.faults import Fault
from tests.inprocess.network import problem, scripted
from tests.inprocess.stage import Stage


@pytest.fixture(autouse=True)
def _two(stage: Stage) -> None:
    stage.hold("job:old", b"old")
    stage.hold("job:new", b"new")


def test_latest_follows_and_is_never_moved_backwards(stage: Stage) -> None:
    old = stage.publish("job:old", "job:1.0").require(0).stdout.strip()
    assert stage.tags("job") == {"1.0": old}
    stage.clock.advance(2)
    new = stage.publish("job:new", "job:1.1", "--latest").require(0).stdout.strip()
    assert stage.tags("job")["latest"] == new != old
    kept = stage.publish("job:old", "job:1.0", "--latest").require(
        0, "was not moved, because its image was pushed later"
    )
    assert (kept.stdout.strip(), stage.tags("job")["latest"]) == (old, new)
    stage.publish("job:new", "job:1.1", "--latest").require(0, "already this image")
    stage.clock.advance(2)
    stage.publish("job:old", "job:1.2", "--latest").require(0)
    assert stage.tags("job")["latest"] == old


@pytest.mark.parametrize("kind", ["engine", "archive"])
def test_latest_follows_what_was_published_before(stage: Stage, kind: str) -> None:
    source = stage.archive("job:old") if kind == "archive" else "job:old"
    digest = stage.publish(source, "job:1.0").require(0).stdout.strip()
    shown = stage.publish(source, "job:1.0", "--latest", "--output", "json").require(0)
    assert json.loads(shown.stdout)["latest"] == "moved"
    assert stage.tags("job") == {"1.0": digest, "latest": digest}


def test_a_push_of_latest_that_fails_says_what_is_published(stage: Stage) -> None:
    stage.registry.fault, stage.registry.always = Fault.FORBIDDEN, True
    stage.registry.at = lambda asked, _: asked.path.endswith("/manifests/latest")
    ended = stage.publish("job:old", "job:1.0", "--latest")
    ended.require(7, "job:1.0 is published, but the tag latest was not moved.")
    assert set(stage.tags("job")) == {"1.0"}
    assert stage.engine.tags.keys() == {"job:old", "job:new"}


def test_a_latest_that_cannot_be_looked_at_is_reported(stage: Stage) -> None:
    stage.lusid.instead = scripted("GET", "%3Alatest$", problem(403))
    stage.publish("job:old", "job:1.0", "--latest").require(4, "may not have moved")


def test_a_latest_that_is_not_listed_is_reported(stage: Stage) -> None:
    stage.publish("job:old", "job:1.0", "--latest").require(0)
    stage.clock.advance(2)
    looks = scripted("GET", "%3Alatest$", None, problem(404))
    stage.lusid.instead = looks
    ended = stage.publish("job:new", "job:1.1", "--latest", "--wait-timeout", "9")
    ended.require(8, "job:1.1 is published, but the tag latest was not moved. LUSID did not list")
