"""Read scan findings, in the wire format or as Trivy and Grype write them.

The file maps image names to reports; a file that is itself a report is for all images.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.documents import is_repository, split_name
from lusid_image_publish.local_scheduler.storage import StoredImage

_SEVERITIES: Final = ("critical", "high", "medium", "low", "negligible", "unknown")
_REPORT: Final = {
    "severity",
    "status",
    "startTime",
    "endTime",
    "scanDuration",
    "summary",
    "vulnerabilities",
}
"""The members of a `ScanReport`."""

Report = dict[str, Any]


class _Unusable(Exception):  # noqa: N818  # becomes a ConfigurationError with the file's name
    """The findings cannot be used."""


@dataclass(frozen=True)
class Findings:
    """A `ScanReport` for each name, `my-job:1.0` or `my-job`.

    `everywhere` is for all other images; without it they have no findings.
    """

    by_name: Mapping[str, Report] = field(default_factory=dict)
    everywhere: Report | None = None

    @classmethod
    def read(cls, source: Path | Mapping[str, Any]) -> Self:
        """Return the findings in a file, or in what a file would have.

        Raises `ConfigurationError` for unusable ones.
        """
        name = source if isinstance(source, Path) else "The document"
        try:
            return cls.of_document(_json(source) if isinstance(source, Path) else dict(source))
        except OSError as error:
            problem, cause = "cannot be read", str(error)
        except (ValueError, RecursionError) as error:
            problem, cause = "is not JSON", str(error)
        except _Unusable as error:
            problem, cause = "cannot be used as scan findings", str(error)
        raise ConfigurationError(
            f"{name} {problem}.",
            cause=f"{cause}.",
            hint="Write a JSON object that maps image names to reports: a ScanReport of the Images "
            "API, or the output of `trivy image -f json` or `grype -o json`.",
        )

    @classmethod
    def of_document(cls, document: Any) -> Self:
        """Return the findings in a JSON document."""
        if not isinstance(document, dict):
            raise _Unusable("It is not a JSON object")
        if document and (everywhere := _wire_report(document, "The document")) is not None:
            return cls(everywhere=everywhere)
        return cls(dict(_reports_by_name(document)))

    def of(self, image: StoredImage) -> Report:
        """Return the report of `image`: of its first tag with one, else of its repository."""
        names = [f"{image.repository}:{tag}" for tag in sorted(image.tags)]
        for name in (*names, image.repository):
            if name in self.by_name:
                return self.by_name[name]
        return self.everywhere if self.everywhere is not None else _with_summary([])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse)


def summary_of(report: Report) -> dict[str, Any]:
    """Return the `ScanSummary` of a report; make one if it has none."""
    given = report.get("summary")
    if isinstance(given, dict):
        return given
    listed = report.get("vulnerabilities")
    if not isinstance(listed, list):
        return {}
    words = [_severity(item) for item in listed]
    return {
        "fixable": sum(bool(item.get("fixVersion")) for item in listed if isinstance(item, dict)),
        "total": len(listed),
        **{severity: words.count(severity) for severity in _SEVERITIES},
    }


def worst_of(vulnerabilities: Any) -> str:
    """Return the overall severity, "None" without vulnerabilities."""
    listed = vulnerabilities if isinstance(vulnerabilities, list) else []
    found = {_severity(item) for item in listed}
    return next((severity.title() for severity in _SEVERITIES if severity in found), "None")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not valid JSON")


def _reports_by_name(document: Mapping[str, Any]) -> Iterator[tuple[str, Report]]:
    for name, value in document.items():
        if not is_repository(name) and split_name(name) is None:
            raise _Unusable(f"{name!r:.80} is neither an image name nor a member of a known report")
        report = _wire_report(value, name) if isinstance(value, dict) else None
        if report is None:
            raise _Unusable(f"The value of {name} is not a report of a known kind")
        yield name, report


def _wire_report(document: dict[str, Any], where: str) -> Report | None:
    """Return the wire's form of any of the three kinds of report, None for another document."""
    if "matches" in document:
        return _with_summary(
            [_from_grype(match, where) for match in _objects(document, "matches", where)]
        )
    if "SchemaVersion" in document or "Results" in document:
        results = _objects(document, "Results", where)
        found = [item for part in results for item in _objects(part, "Vulnerabilities", where)]
        return _with_summary([_from_trivy(item) for item in found])
    return document if document.keys() <= _REPORT else None


def _with_summary(vulnerabilities: list[dict[str, Any]]) -> Report:
    listed = {"vulnerabilities": vulnerabilities}
    return {"summary": summary_of(listed)} | listed


def _from_trivy(item: Mapping[str, Any]) -> dict[str, Any]:
    return _vulnerability(
        name=item.get("VulnerabilityID"),
        package=item.get("PkgName"),
        version=item.get("InstalledVersion"),
        fix=item.get("FixedVersion"),
        severity=item.get("Severity"),
        description=item.get("Title") or item.get("Description"),
        links=[item.get("PrimaryURL"), *_strings(item.get("References"))],
    )


def _from_grype(match: Mapping[str, Any], where: str) -> dict[str, Any]:
    found, artifact = match.get("vulnerability"), match.get("artifact")
    if not isinstance(found, dict) or not isinstance(artifact, dict):
        raise _Unusable(f"{where} has a match without a vulnerability or an artifact")
    fix = found.get("fix")
    versions = _strings(fix.get("versions")) if isinstance(fix, dict) else []
    return _vulnerability(
        name=found.get("id"),
        package=artifact.get("name"),
        version=artifact.get("version"),
        fix=", ".join(versions),
        severity=found.get("severity"),
        description=found.get("description"),
        links=[found.get("dataSource"), *_strings(found.get("urls"))],
    )


def _vulnerability(
    *, name: Any, package: Any, version: Any, fix: Any, severity: Any, description: Any, links: Any
) -> dict[str, Any]:
    """Return a `Vulnerability` of the wire, without the members that are not strings."""
    members = {
        "name": name,
        "package": package,
        "version": version,
        "fixVersion": fix,
        "severity": severity.title() if isinstance(severity, str) else "Unknown",
        "description": description,
    }
    texts = {key: value for key, value in members.items() if isinstance(value, str) and value}
    return texts | {"links": list(dict.fromkeys(_strings(links)))}


def _severity(item: Any) -> str:
    word = item.get("severity") if isinstance(item, dict) else None
    word = word.lower() if isinstance(word, str) else ""
    return word if word in _SEVERITIES else "unknown"


def _objects(document: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """Return a list of objects; both tools leave out an empty one, or write null."""
    items = document.get(key)
    items = [] if items is None else items
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _Unusable(f"{where} has a member {key} that is not a list of objects")
    return items


def _strings(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and item]
