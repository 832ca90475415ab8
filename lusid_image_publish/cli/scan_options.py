"""Options about the scan: how long to wait for it, what it may find, where to report it."""

import re
from typing import Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.options import Command, add_group
from lusid_image_publish.cli.parameters import Line, Seconds, places_of
from lusid_image_publish.cli.report_option import report_option

SEVERITIES: Final = ("critical", "high", "medium", "low", "negligible")
"""The severities that LUSID knows, the worst first."""


def scan_options(command: Command) -> Command:
    """Add the options about the scan; `command` gets their values as `scan`."""
    return add_group(command, _OPTIONS, SCAN_NAMES, "scan")


def _limits(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, int]:
    limits: dict[str, int] = {}
    for place, text in zip(places_of(context, parameter, texts), texts, strict=True):
        word, _, number = text.partition("=")
        severity = word.strip().lower()
        if severity not in (*SEVERITIES, "unknown") or not number.strip().isdecimal():
            words = f"{', '.join(SEVERITIES)} or unknown"
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
        type=click.Choice([*SEVERITIES, "none"], case_sensitive=False),
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
    click.option(
        "--trust-project-policy",
        is_flag=True,
        help="In a CI, let the project's file loosen the policy that the options set, for example "
        "with what it ignores.",
    ),
    report_option,
)

KEYS: Final = {
    "fail-on": "fail_on",
    "max": "limits",
    "fixable-only": "fixable_only",
    "ignore": "ignored",
    "if-unscannable": "if_unscannable",
    "scan-timeout": "scan_timeout",
    "report": "reports",
    "trust-project-policy": "trust_project_policy",
}
"""The keys of these options, and the names of their parameters."""

GIVEN = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
"""The sources of an option that is given, and not a default."""

SCAN_NAMES = tuple(KEYS.values())
"""The names of the parameters of these options."""
