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
        if re.search(r"\W\d{4}-\d\d-\d\d$", text.strip()):
            raise click.BadParameter(
                f"{place} ends in a date, but --ignore has no expiry. Write [[ignore]] with id, "
                "reason and expires into .lusid-publish.toml instead."
            )
    return tuple(text.strip() for text in texts)


_OPTIONS = (
    click.option(
        "--scan-timeout",
        metavar="SECONDS",
        type=Seconds(0, 86400),
        default=600,
        show_default=True,
        help="Wait at most SECONDS for the scan, once LUSID lists the image.",
    ),
    click.option(
        "--fail-on",
        metavar="SEVERITY",
        type=click.Choice([*SEVERITIES, "none"], case_sensitive=False),
        default="none",
        show_default=True,
        help="Fail if the scan finds a vulnerability this severe or worse: "
        f"{', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}; `none` never fails.",
    ),
    click.option(
        "--max",
        "limits",
        type=Line(),
        metavar="SEVERITY=N",
        multiple=True,
        callback=_limits,
        help="Fail if the scan finds more than N vulnerabilities of this severity. Can be "
        "repeated.",
    ),
    click.option(
        "--fixable-only",
        is_flag=True,
        help="Apply the policy only to vulnerabilities that have a fix.",
    ),
    click.option(
        "--ignore",
        "ignored",
        type=Line(),
        metavar="ID",
        multiple=True,
        callback=_ids,
        help="Ignore this vulnerability, such as CVE-2026-1234, in addition to those in the "
        "project's file. Can be repeated.",
    ),
    click.option(
        "--if-unscannable",
        type=click.Choice(["fail", "warn"]),
        default="fail",
        show_default=True,
        help="Fail or only warn if LUSID cannot scan the image, for example one built FROM "
        "scratch.",
    ),
    click.option(
        "--trust-project-policy",
        is_flag=True,
        help="In CI, allow the project's file to relax the policy that the options set, for "
        "example by ignoring vulnerabilities.",
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
