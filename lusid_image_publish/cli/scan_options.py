"""Options about the scan: how long to wait for it, what it may find, where to report it."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lusid_image_publish.cli.parameters import places_of
from lusid_image_publish.cli.project_file import remembered
from lusid_image_publish.cli.reports import ReportFiles, report_option
from lusid_image_publish.cli.types import Line, Seconds

if TYPE_CHECKING:
    from lusid_image_publish.scan.verdict import ScanPolicy

_SEVERITIES = ("critical", "high", "medium", "low", "negligible")

# What a run needs is imported in the functions below: --help and a usage error need none of it.


@dataclass(frozen=True)
class ScanChoice:
    """What the options say of the scan; `timeout` is in seconds.

    `given` names the options that were given, not those of the project's file.
    """

    policy: "ScanPolicy"
    timeout: float
    reports: ReportFiles
    given: tuple[str, ...]


def scan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about the scan; `command` gets them as `scan`, a `ScanChoice`."""

    @functools.wraps(command)
    def with_scan(*arguments: Any, **values: Any) -> Any:
        own = {name: values.pop(name) for name in SCAN_NAMES}
        return command(*arguments, scan=_choice(own), **values)

    decorated: Callable[..., Any] = with_scan
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _choice(values: Mapping[str, Any]) -> ScanChoice:
    from lusid_image_publish.scan.verdict import (  # noqa: PLC0415
        Ignore,
        ScanPolicy,
        Severity,
    )

    context = click.get_current_context()
    file = remembered(context)
    fail_on = values["fail_on"]
    policy = ScanPolicy(
        fail_on=None if fail_on == "none" else Severity.of(fail_on),
        limits={Severity.of(word): number for word, number in values["limits"].items()},
        fixable_only=values["fixable_only"],
        ignores=(
            *(Ignore(name, "given on the command line") for name in values["ignored"]),
            *(file.ignores if file else ()),
        ),
        if_unscannable=values["if_unscannable"],
    )
    given = (name for name, key in _NAMES.items() if context.get_parameter_source(key) in GIVEN)
    return ScanChoice(policy, values["scan_timeout"], values["reports"], tuple(given))


def _limits(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, int]:
    limits: dict[str, int] = {}
    for place, text in zip(places_of(context, parameter, texts), texts, strict=True):
        word, _, number = text.partition("=")
        severity = word.strip().lower()
        if severity not in (*_SEVERITIES, "unknown") or not number.strip().isdecimal():
            words = f"{', '.join(_SEVERITIES)} or unknown"
            raise click.BadParameter(f"{place} is not SEVERITY=N, with {words} and a number.")
        if severity in limits:
            raise click.BadParameter(f"{severity} is given twice.")
        limits[severity] = int(number)
    return limits


def _ids(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    for place, text in zip(places_of(context, parameter, texts), texts, strict=True):
        if not re.fullmatch(r"[^\s,]+", text.strip()):
            raise click.BadParameter(
                f"{place} is not one vulnerability as CVE-2026-1234; each further one is named by "
                "itself, in a variable on a line of its own."
            )
    return tuple(text.strip() for text in texts)


_OPTIONS = (
    click.option(
        "--scan-timeout",
        metavar="SECONDS",
        type=Seconds(0, 86400),
        default=600,
        show_default=True,
        help="How long the scan may take once LUSID lists the image.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice([*_SEVERITIES, "none"], case_sensitive=False),
        default="none",
        show_default=True,
        help="Fail when the scan finds anything as bad as this, or worse.",
    ),
    click.option(
        "--max",
        "limits",
        type=Line(),
        metavar="SEVERITY=N",
        multiple=True,
        callback=_limits,
        help="Fail when the scan finds more than N of this severity; may be repeated.",
    ),
    click.option(
        "--fixable-only", is_flag=True, help="Do not count what there is no fixed version for."
    ),
    click.option(
        "--ignore",
        "ignored",
        type=Line(),
        metavar="CVE-...",
        multiple=True,
        callback=_ids,
        help="Do not count this vulnerability, besides those of the project's file; "
        "may be repeated.",
    ),
    click.option(
        "--if-unscannable",
        type=click.Choice(["fail", "warn"]),
        default="fail",
        show_default=True,
        help="What it means when LUSID ends the scan without findings, as of an image FROM "
        "scratch.",
    ),
    report_option,
)

_NAMES = {
    "fail-on": "fail_on",
    "max": "limits",
    "fixable-only": "fixable_only",
    "ignore": "ignored",
    "if-unscannable": "if_unscannable",
    "scan-timeout": "scan_timeout",
    "report": "reports",
}
GIVEN = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
"""Where an option comes from that somebody asks for now, other than a default."""

SCAN_NAMES = tuple(_NAMES.values())
"""What the parameters of these options are called."""
