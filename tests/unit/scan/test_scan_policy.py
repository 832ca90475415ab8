"""What a Python caller may write for a policy of scans."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity


def test_severities_and_ignores_may_be_strings() -> None:
    policy = ScanPolicy(fail_on="High", limits={"medium": 0, "UNKNOWN": 3}, ignores=["CVE-1"])
    assert policy == ScanPolicy(
        fail_on=Severity.HIGH,
        limits={Severity.MEDIUM: 0, Severity.UNKNOWN: 3},
        ignores=[Ignore("CVE-1")],
    )
    assert policy.is_set
    assert replace(policy, fixable_only=True).ignores == (Ignore("CVE-1"),)
    assert pickle.loads(pickle.dumps(copy.deepcopy(policy))) == policy  # noqa: S301  # our own


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"fail_on": "hihg"},
            "fail_on must be critical, high, medium, low, negligible, unknown or None, not 'hihg'",
        ),
        ({"fail_on": 4}, "fail_on must be critical, "),
        ({"limits": {"medum": 0}}, "a key of limits must be critical, .* or unknown, not 'medum'"),
        ({"limits": {"low": -1}}, "limits.low must be a whole number, 0 or greater, not -1"),
        ({"limits": {"low": "1"}}, "limits.low must be a whole number, 0 or greater, not '1'"),
        ({"limits": ["low"]}, "limits must be a dict of severities and numbers, not "),
        ({"ignores": "CVE-1"}, "ignores must be a list of Ignore or str, not 'CVE-1'"),
        ({"ignores": [7]}, "ignores must be a list of Ignore or str, not "),
        ({"ignores": None}, "ignores must be a list of Ignore or str, not None"),
        ({"if_unscannable": "Warn"}, "if_unscannable must be fail or warn, not 'Warn'"),
    ],
)
def test_what_is_not_allowed_is_refused_at_once(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ScanPolicy(**values)
