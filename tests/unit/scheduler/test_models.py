"""The wire's forms, read tolerantly."""

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lusid_image_publish.scheduler.models import (
    Digest,
    Image,
    ImageSummary,
    ListedImage,
    Repository,
    ResourceListOfImageSummary,
    ResourceListOfRepository,
    UploadImageInstructions,
    WireModel,
)


def test_an_image_as_the_service_writes_it() -> None:
    image = Image.model_validate_json(
        """{"name": "job", "pushTime": "2024-01-30T17:15:58.6730001+00:00",
        "pullTime": "0001-01-01T00:00:00.0000000+00:00", "size": 5,
        "digest": "sha256:d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2",
        "tags": [{"name": "1.0", "signed": false, "immutable": true}],
        "scanReport": {"severity": "None", "status": "Success", "scanDuration": 3,
          "summary": {"high": 1}, "vulnerabilities": [{"fixVersion": "2", "links": ["https://x"]}]},
        "somethingNew": {"a": 1}}"""
    )
    assert image.push_time == datetime(2024, 1, 30, 17, 15, 58, 673000, UTC)
    assert image.pull_time == datetime(1, 1, 1, tzinfo=UTC)
    assert image.tags
    assert (image.tags[0].name, image.tags[0].immutable) == ("1.0", True)
    assert image.scan_report
    assert image.scan_report.vulnerabilities
    assert image.scan_report.vulnerabilities[0].fix_version == "2"


def test_all_of_an_answer_may_be_missing_but_its_subject() -> None:
    assert Image.model_validate_json('{"name": "job"}') == Image(name="job")
    assert Repository.model_validate_json('{"name": "job"}') == Repository(name="job")
    assert ImageSummary.model_validate_json("{}") == ImageSummary()


@pytest.mark.parametrize("missing", [{}, {"name": None}])
@pytest.mark.parametrize("model", [Image, Repository])
def test_an_answer_without_its_subject_is_refused(
    model: type[WireModel], missing: dict[str, None]
) -> None:
    with pytest.raises(ValidationError, match=r"1 validation error for \w+\nname\n"):
        model.model_validate_json(json.dumps(missing))


GOOD = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        "sha256:abc",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        "\n" + GOOD,
        GOOD.upper(),
        "sha256:" + "A1" * 32,
        "sha256:" + "g1" * 32,
        "sha256:" + "\u0661" * 64,
        "sha512:" + "a1" * 64,
        f"job@{GOOD}",
        f"{GOOD}\x1b[2J",
        7,
        [GOOD],
    ],
)
@pytest.mark.parametrize("model", [Image, ImageSummary])
def test_a_digest_is_one_of_sha256_or_the_answer_is_refused(
    model: type[WireModel], digest: object
) -> None:
    with pytest.raises(ValidationError):
        model.model_validate_json(json.dumps({"name": "job", "digest": digest}))
    found = model.model_validate_json(json.dumps({"name": "job", "digest": GOOD}))
    assert found.model_dump()["digest"] == GOOD


@pytest.mark.parametrize("model", [Image, ImageSummary])
def test_an_image_that_is_being_processed_has_no_digest(model: type[WireModel]) -> None:
    found = model.model_validate_json('{"name": "job", "digest": null}')
    assert found.model_dump()["digest"] is None


def test_an_image_that_is_listed_has_a_digest() -> None:
    with pytest.raises(ValidationError, match="digest"):
        ListedImage.model_validate_json('{"name": "job"}')


def test_one_strange_digest_refuses_the_whole_list() -> None:
    values = [{"digest": GOOD}] * 199 + [{"digest": "latest"}]
    with pytest.raises(ValidationError, match=r"values\.199\.digest"):
        ResourceListOfImageSummary.model_validate_json(json.dumps({"values": values}))


def test_a_validation_error_does_not_quote_the_password() -> None:
    with pytest.raises(ValidationError) as caught:
        UploadImageInstructions.model_validate(
            {"dockerLoginCommand": ["docker login -p hushhush"], "expiryTime": "hushhush"}
        )
    assert "hushhush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-30T17:15:58.6730000+00:00", datetime(2024, 1, 30, 17, 15, 58, 673000, UTC)),
        ("2024-01-30T17:15:58.1234567Z", datetime(2024, 1, 30, 17, 15, 58, 123456, UTC)),
        ("2024-01-30T17:15:58", datetime(2024, 1, 30, 17, 15, 58, tzinfo=UTC)),
        ("2024-01-30T19:15:58+02:00", datetime(2024, 1, 30, 17, 15, 58, tzinfo=UTC)),
        ("0001-01-01T00:00:00.0000000+00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999+00:00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_dates_can_be_compared_whatever_their_form(text: str, moment: datetime) -> None:
    image = Image.model_validate({"name": "job", "pushTime": text})
    assert image.push_time == moment
    assert image.push_time <= datetime.max.replace(tzinfo=UTC)


@given(st.datetimes(), st.integers(0, 9), st.integers(-14 * 4, 14 * 4))
def test_a_date_in_the_service_s_form_is_that_moment(
    local: datetime, seventh: int, quarters: int
) -> None:
    hours, minutes = divmod(abs(quarters) * 15, 60)
    sign = "-" if quarters < 0 else "+"
    text = f"{local.isoformat(timespec='microseconds')}{seventh}{sign}{hours:02}:{minutes:02}"
    pushed = Image.model_validate({"name": "job", "pushTime": text}).push_time
    assert pushed
    assert pushed.replace(tzinfo=None) == local
    assert pushed.utcoffset() == timedelta(minutes=quarters * 15)


def test_words_and_members_that_are_new_are_no_error() -> None:
    (summary,) = ResourceListOfImageSummary.model_validate(
        {
            "values": [{"digest": GOOD, "scanStatus": "QUANTUM", "link": {"new": 1}, "more": [1]}],
            "total": 1,
        }
    ).values
    assert summary.scan_status == "QUANTUM"


def test_nulls_are_as_good_as_nothing() -> None:
    nulls = dict.fromkeys(("digest", "tags", "scanReport", "size", "pushTime", "new"))
    assert Image.model_validate(nulls | {"name": "job"}) == Image(name="job")


MODELS = [Image, ImageSummary, Repository, ResourceListOfImageSummary, ResourceListOfRepository]


@pytest.mark.parametrize("model", MODELS)
@given(st.data())
def test_a_document_and_its_model_say_the_same(model: type[WireModel], data: st.DataObject) -> None:
    made = data.draw(wire_models(model))
    text = made.model_dump_json(by_alias=True, exclude_none=True)
    assert model.model_validate_json(text) == made
    assert "_" not in "".join(keys(json.loads(text)))


DATES = st.datetimes(timezones=st.just(UTC))
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@functools.cache
def wire_models(model: type[WireModel]) -> st.SearchStrategy[WireModel]:
    """Return models with any of their members missing."""
    fields = {
        name: st.none() | value_of(field.annotation)
        if not field.is_required()
        else value_of(field.annotation)
        for name, field in model.model_fields.items()
    }
    return st.builds(model, **fields)


def value_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return values for a member's type."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if Digest in parts:
        return DIGESTS
    if get_origin(annotation) is list:
        return st.lists(value_of(parts[0]), max_size=2)
    if get_origin(annotation) is Annotated or (parts and annotation != parts[0]):
        return value_of(parts[0])
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        return wire_models(annotation)
    if annotation is datetime:
        return DATES
    return st.from_type(annotation)


def keys(document: Any) -> Iterator[str]:
    """Yield the names of all members."""
    if isinstance(document, dict):
        yield from document
    for value in document.values() if isinstance(document, dict) else document:
        if isinstance(value, dict | list):
            yield from keys(value)
