"""Make the scan policy from the options and the project file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import click
from click.core import ParameterSource

from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.project_defaults import ProjectFile, remembered
from lusid_image_publish.cli.report_option import ReportFiles
from lusid_image_publish.cli.scan_options import GIVEN, KEYS
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity
from lusid_image_publish.system import is_ci


@dataclass(frozen=True)
class ScanChoice:
    """The choices for the scan; `timeout` is in seconds.

    `given` are the names of the options that were given, without those of the project file.
    """

    policy: ScanPolicy
    timeout: float
    reports: ReportFiles
    given: tuple[str, ...]


def choose_scan(values: Mapping[str, Any]) -> ScanChoice:
    """Return the choice of the current command; `values` are those of `scan_options`."""
    context = click.get_current_context()
    file = remembered(context)
    policy = ScanPolicy(
        fail_on=None if values["fail_on"] == "none" else Severity.parse(values["fail_on"]),
        limits={Severity.parse(word): number for word, number in values["limits"].items()},
        fixable_only=values["fixable_only"],
        ignores=(
            *(Ignore(name, "given on the command line") for name in values["ignored"]),
            *(file.ignores if file else ()),
        ),
        if_unscannable=values["if_unscannable"],
    )
    if file and not values["trust_project_policy"] and _must_not_loosen(context, file):
        policy = _without_loosening(policy, file, context)
    given = (name for name, key in KEYS.items() if context.get_parameter_source(key) in GIVEN)
    return ScanChoice(policy, values["scan_timeout"], values["reports"], tuple(given))


def _must_not_loosen(context: click.Context, file: ProjectFile) -> bool:
    """Return whether the file was not named, and a CI job sets a policy itself."""
    sets_policy = any(
        context.get_parameter_source(name) in GIVEN and context.params[name] not in ("none", {})
        for name in ("fail_on", "limits")
    )
    return sets_policy and not file.is_named and is_ci(os.environ)


def _without_loosening(policy: ScanPolicy, file: ProjectFile, context: click.Context) -> ScanPolicy:
    """Return `policy` without the parts that the file loosens, and warn about them."""
    loose: dict[str, Any] = {}
    if file.ignores:
        loose["ignores"] = tuple(name for name in policy.ignores if name not in file.ignores)
    for name, strict in (("fixable_only", False), ("if_unscannable", "fail")):
        is_default = context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        if is_default and getattr(policy, name) != strict:
            loose[name] = strict
    if loose:
        keys = ", ".join(
            "ignore" if name == "ignores" else name.replace("_", "-") for name in loose
        )
        console.warn(
            f"{file.place} was not named with --config, so it may not loosen the policy of this "
            f"job. Ignored keys: {keys}. To accept them, use --trust-project-policy."
        )
    return replace(policy, **loose)
