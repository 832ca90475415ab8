"""Reports that the tests of scans share."""

from typing import Any, Final

ZEROS: Final[dict[str, int]] = {
    "fixable": 0,
    "total": 0,
    "critical": 0,
    "high": 0,
    "medium": 0,
    "low": 0,
    "negligible": 0,
    "unknown": 0,
}

PUBLISHED: Final[dict[str, Any]] = {
    "severity": "Critical",
    "status": "Success",
    "startTime": "2020-09-13T02:24:12.0000000+00:00",
    "endTime": "2020-09-13T02:24:42.0000000+00:00",
    "scanDuration": 30,
    "summary": ZEROS | {"fixable": 1, "total": 1, "high": 1},
    "vulnerabilities": [
        {
            "name": "CVE-2012-113462",
            "package": "libdin",
            "version": "1.33-1",
            "fixVersion": "1.33-2",
            "severity": "High",
            "description": "There is an overflow bug",
            "links": ["https://security-tracking-website.com"],
        }
    ],
}
"""The scan report of the example for `get_image` in the API document of the service (0.0.1066).

Its overall severity is Critical, over figures and a list without anything critical.
"""
