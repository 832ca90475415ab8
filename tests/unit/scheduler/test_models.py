"""The wire's forms, read tolerantly."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from lusid_image_publish.scheduler.models import Image, UploadImageInstructions


def test_an_image_as_the_service_writes_it() -> None:
    image = Image.model_validate_json(
        """{"name": "job", "pushTime": "2024-01-30T17:15:58.6730001+00:00",
        "pullTime": "0001-01-01T00:00:00.0000000+00:00", "digest": "sha256:abc", "size": 5,
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


def test_all_of_an_image_may_be_missing() -> None:
    assert Image.model_validate_json("{}") == Image()


def test_a_validation_error_does_not_quote_the_password() -> None:
    with pytest.raises(ValidationError) as caught:
        UploadImageInstructions.model_validate(
            {"dockerLoginCommand": ["docker login -p hushhush"], "expiryTime": "hushhush"}
        )
    assert "hushhush" not in str(caught.value)
