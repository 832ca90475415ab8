"""What scans find, from a file of one of three kinds."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.findings import Findings, summary_of, worst_of
from lusid_image_publish.local_scheduler.storage import StoredImage

TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "ArtifactName": "job",
    "Results": [
        {
            "Target": "job (debian 12)",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-1",
                    "PkgName": "zlib1g",
                    "InstalledVersion": "1.2",
                    "FixedVersion": "1.3",
                    "Severity": "CRITICAL",
                    "Title": "zlib: overflow",
                    "PrimaryURL": "https://avd.example/CVE-1",
                    "References": ["https://avd.example/CVE-1", "https://nvd.example/CVE-1"],
                }
            ],
        },
        {"Target": "python", "Vulnerabilities": None},
        {"Target": "secrets"},
        {"Vulnerabilities": [{"VulnerabilityID": "CVE-2", "Severity": "UNKNOWN"}]},
    ],
}
GRYPE: dict[str, Any] = {
    "matches": [
        {
            "vulnerability": {
                "id": "CVE-1",
                "severity": "Critical",
                "description": "zlib: overflow",
                "fix": {"versions": ["1.3", "1.2.9"], "state": "fixed"},
                "dataSource": "https://nvd.example/CVE-1",
                "urls": ["https://avd.example/CVE-1"],
            },
            "artifact": {"name": "zlib1g", "version": "1.2"},
        },
        {
            "vulnerability": {"id": "CVE-3", "severity": "Negligible", "fix": {"versions": []}},
            "artifact": {"name": "tar", "version": "1.34"},
        },
    ],
    "source": {},
}
WIRE = {"status": "Success", "vulnerabilities": [{"name": "CVE-9", "severity": "High"}]}


def image(repository: str = "job", *tags: str) -> StoredImage:
    return StoredImage(repository, "sha256:1", dict.fromkeys(tags or ("1.0",), datetime.now(UTC)))


def found_in(document: Any, stored: StoredImage | None = None) -> dict[str, Any]:
    return Findings.of_document(document).of(stored or image())


def refused(content: str | bytes) -> ConfigurationError:
    path = Path("findings.json")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        Findings.read(path)
    assert "findings.json" in caught.value.message
    assert caught.value.cause
    assert caught.value.hint
    return caught.value


def test_trivy_s_own_json() -> None:
    report = found_in({"job": TRIVY})
    assert report["vulnerabilities"] == [
        {
            "name": "CVE-1",
            "package": "zlib1g",
            "version": "1.2",
            "fixVersion": "1.3",
            "severity": "Critical",
            "description": "zlib: overflow",
            "links": ["https://avd.example/CVE-1", "https://nvd.example/CVE-1"],
        },
        {"name": "CVE-2", "severity": "Unknown", "links": []},
    ]
    assert report["summary"] == {
        "fixable": 1,
        "total": 2,
        "critical": 1,
        "high": 0,
        "medium": 0,
        "low": 0,
        "negligible": 0,
        "unknown": 1,
    }


def test_grype_s_own_json() -> None:
    first, second = found_in({"job": GRYPE})["vulnerabilities"]
    assert first == {
        "name": "CVE-1",
        "package": "zlib1g",
        "version": "1.2",
        "fixVersion": "1.3, 1.2.9",
        "severity": "Critical",
        "description": "zlib: overflow",
        "links": ["https://nvd.example/CVE-1", "https://avd.example/CVE-1"],
    }
    assert "fixVersion" not in second
    assert second["severity"] == "Negligible"


@pytest.mark.parametrize("report", [WIRE, {"summary": {"high": 3}}, {"severity": "High"}, {}])
def test_a_report_in_the_wire_s_form_is_served_as_it_is(report: dict[str, Any]) -> None:
    assert found_in({"job": report}) == report


@pytest.mark.parametrize("document", [TRIVY, GRYPE, WIRE])
def test_a_file_that_is_one_report_is_for_all_images(document: dict[str, Any]) -> None:
    assert found_in(document, image("any"))["vulnerabilities"]


def test_the_more_specific_name_wins() -> None:
    document = {"job": TRIVY, "job:2.0": GRYPE, "job:1.0": WIRE}
    assert found_in(document, image("job", "3.0")) == found_in({"job": TRIVY})
    assert found_in(document, image("job", "3.0", "2.0")) == found_in({"job": GRYPE})
    assert found_in(document, image("job", "2.0", "1.0")) == WIRE
    assert found_in(document, image("other"))["summary"]["total"] == 0


def test_figures_are_counted_where_there_are_none() -> None:
    assert summary_of(WIRE)["high"] == 1
    assert summary_of({"summary": {"high": 7}, "vulnerabilities": []}) == {"high": 7}
    assert summary_of({"severity": "High"}) == {}


@pytest.mark.parametrize(
    ("listed", "word"),
    [
        ([], "None"),
        (None, "None"),
        ([{"severity": "low"}, {"severity": "HIGH"}], "High"),
        ([{"severity": 3}], "Unknown"),
        (["odd"], "Unknown"),
    ],
)
def test_the_overall_severity_is_the_worst(listed: Any, word: str) -> None:
    assert worst_of(listed) == word


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        (b"\xff\xfe{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"job": {"summary": {"high": NaN}}}', "is not JSON"),
        ("[]", "cannot be used"),
        ('"text"', "cannot be used"),
        ('{"Job": {}}', "cannot be used"),
        ('{"job": []}', "cannot be used"),
        ('{"job": {"unknown": 1}}', "cannot be used"),
        ('{"SchemaVersion": 2, "Results": {}}', "cannot be used"),
        ('{"SchemaVersion": 2, "Results": [1]}', "cannot be used"),
        ('{"matches": [{}]}', "cannot be used"),
        ('{"matches": "x"}', "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(content: str | bytes, words: str) -> None:
    assert words in refused(content).message


def test_a_document_is_read_as_a_file_is() -> None:
    assert Findings.read({"job": TRIVY}) == Findings.of_document({"job": TRIVY})
    with pytest.raises(ConfigurationError, match="The document cannot be used") as caught:
        Findings.read({"job": "clean"})
    assert "The value of job" in caught.value.cause


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Findings.read(Path("missing.json"))


def test_a_file_as_other_tools_write_it() -> None:
    Path("findings.json").write_text(json.dumps({"job": TRIVY}), encoding="utf-8-sig")
    assert Findings.read(Path("findings.json")).of(image())["summary"]["total"] == 2
