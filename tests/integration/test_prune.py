"""What is deleted when the repository changes between the look at it and the deletion."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Response
from fastapi.responses import JSONResponse

from lusid_image_publish import prune
from lusid_image_publish.errors import AccessDeniedError, UnexpectedAnswerError
from lusid_image_publish.progress import Event, StepDone
from lusid_image_publish.publishing import lusid_tag
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.misbehaving import Asked, Host, connected, hosting
from tests.integration.scripted_service import problem

NOW = datetime.now(UTC)
OLD = (NOW - timedelta(days=40)).isoformat()
DIGEST = f"sha256:{'a' * 64}"
GONE = problem(404, detail="No such image.")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


def wire(*tags: str, digest: str | None = DIGEST, pushed: str = OLD) -> dict[str, Any]:
    """Return an image as the service writes it, in a list or alone."""
    named = [{"name": tag, "pushTime": pushed} for tag in tags]
    return {"name": "job", "digest": digest, "pushTime": pushed, "tags": named}


@dataclass
class Repository:
    """`listed` is what is judged, `found` what there is when it is looked at again, by tag.

    What is `staying` is said to be deleted and is still there.
    """

    listed: list[dict[str, Any]]
    found: dict[str, dict[str, Any]]
    refused: dict[str, Response] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    staying: set[str] = field(default_factory=set)

    def __call__(self, asked: Asked) -> Response:
        if "/repository/" in asked.path:
            return JSONResponse({"values": self.listed})
        tag = asked.path.rpartition("%3A")[2]
        if asked.method == "GET":
            return JSONResponse(self.found[tag]) if tag in self.found else GONE
        self.deleted.append(tag)
        if tag in self.refused:
            return self.refused[tag]
        if tag not in self.staying:
            del self.found[tag]
        return JSONResponse("Done.")


def pruned(
    repository: Repository, host: Host, *, days: int | None = None
) -> tuple[dict[str, str], list[str]]:
    """Prune all of `repository`; return what is gone, and how each deletion ended."""
    events: list[Event] = []
    with host.service(repository) as server, connected("sync", server.url) as images:
        gone = prune.delete(judged(images, days), "job", images, events.append)
    return gone, [event.text for event in events if isinstance(event, StepDone)]


def judged(images: ImagesClient, days: int | None) -> list[prune.Verdict]:
    age = None if days is None else timedelta(days=days)
    return prune.judge(images.iter_images("job"), keep=0, older_than=age, now=NOW)


def test_an_image_goes_by_all_its_tags(host: Host) -> None:
    repository = Repository([wire("1.0", "1.1")], {"1.0": wire("1.0", "1.1"), "1.1": wire("1.1")})
    gone, said = pruned(repository, host, days=30)
    assert repository.deleted == ["1.0", "1.1"]
    assert gone == {"job:1.0": DIGEST, "job:1.1": DIGEST}
    assert said == ["deleted", "deleted"]


def test_an_image_that_went_with_its_first_tag_is_not_missed(host: Host) -> None:
    repository = Repository([wire("1.0", "1.1")], {"1.0": wire("1.0", "1.1")})
    gone, said = pruned(repository, host)
    assert (repository.deleted, list(gone)) == (["1.0"], ["job:1.0"])
    assert said == ["deleted", "already deleted"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (wire("1.0", digest=f"sha256:{'b' * 64}"), "a different image now"),
        (wire("1.0", digest=None), "a different image now"),
        (wire("1.0", "latest"), "another tag now"),
        (wire("1.0", "2.0"), "another tag now"),
        (wire("1.0", pushed=NOW.isoformat()), "pushed again"),
    ],
)
def test_what_changed_meanwhile_is_left_alone(
    host: Host, found: dict[str, Any], words: str
) -> None:
    repository = Repository([wire("1.0")], {"1.0": found})
    gone, said = pruned(repository, host)
    assert (repository.deleted, gone) == ([], {})
    assert [words in text for text in said] == [True]


def test_a_push_time_that_is_rounded_is_no_push(host: Host) -> None:
    listed, found = ("2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00.9876543+00:00")
    repository = Repository([wire("1.0", pushed=listed)], {"1.0": wire("1.0", pushed=found)})
    assert list(pruned(repository, host)[0]) == ["job:1.0"]


def test_an_image_without_a_digest_is_never_asked_about(host: Host) -> None:
    repository = Repository([wire("1.0", digest=None)], {"1.0": wire("1.0", digest=None)})
    assert pruned(repository, host) == ({}, [])
    assert repository.deleted == []


def test_a_tag_that_no_name_can_have_stops_nothing(host: Host) -> None:
    other = f"sha256:{'b' * 64}"
    listed = [wire("V1"), wire("1.0", "V2", digest=other)]
    gone, _ = pruned(Repository(listed, {"1.0": wire("1.0", "V2", digest=other)}), host)
    assert gone == {"job:1.0": other}


def test_an_image_that_somebody_else_deletes_at_that_moment_is_gone(host: Host) -> None:
    other = f"sha256:{'b' * 64}"
    repository = Repository(
        [wire("1.0"), wire("1.1", digest=other)],
        {"1.0": wire("1.0"), "1.1": wire("1.1", digest=other)},
        {"1.0": GONE},
    )
    gone, said = pruned(repository, host)
    assert list(gone) == ["job:1.1"]
    assert sorted(said) == ["already deleted", "deleted"]


def test_what_cannot_be_deleted_ends_it(host: Host) -> None:
    repository = Repository([wire("1.0")], {"1.0": wire("1.0")}, {"1.0": problem(403)})
    with pytest.raises(AccessDeniedError):
        pruned(repository, host)


def test_what_is_said_to_be_deleted_and_is_still_there_ends_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lusid_tag, "_SETTLING_SECONDS", 0.5)
    repository = Repository([wire("1.0")], {"1.0": wire("1.0")}, staying={"1.0"})
    with pytest.raises(UnexpectedAnswerError, match="is deleted, but it still exists") as caught:
        pruned(repository, host)
    assert caught.value.exit_code == 4
    assert repository.deleted == ["1.0"]
