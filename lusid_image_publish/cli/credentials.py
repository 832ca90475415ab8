"""What it means that there are no LUSID credentials: an error, or nothing to be done."""

from contextlib import suppress
from typing import Final

import click

from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import record_unpublished
from lusid_image_publish.errors import ConfigurationError, LusidPublishError
from lusid_image_publish.names import ImageName

missing_credentials_option: Final = click.option(
    "--on-missing-credentials",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What it means that there are no LUSID credentials: `skip` ends well without publishing "
    "where a CI keeps its secrets from a run, as from pull requests of forks, and nowhere else.",
)


def explain(error: LusidPublishError, connection: Connection) -> None:
    """Say what the CI may have to do with `error`, if there are no credentials."""
    with suppress(ConfigurationError):
        if not connection.lacks_credentials():
            return
        if why := console.ci.why_no_secrets():
            error.cause = why
            error.hint = "Let such runs end well without publishing: --on-missing-credentials skip."
        elif where := console.ci.where_settings_are():
            error.cause = where


def is_to_be_skipped(choice: str, connection: Connection) -> bool:
    """Return whether there are no credentials, for a reason that the CI has, and that is borne.

    A secret that is gone from where runs are given it is never borne: what depends on it would be
    green for ever, and publish nothing. Raises `ConfigurationError`.
    """
    if choice != "skip" or not connection.lacks_credentials():
        return False
    return bool(console.ci.why_no_secrets())


def skip(name: ImageName, output: str) -> None:
    """Publish nothing, and say so."""
    from lusid_image_publish.reports.document import json_text  # noqa: PLC0415

    reason = console.ci.why_no_secrets()
    console.warn(
        f"{name} is not published, because there are no LUSID credentials. {reason} That is borne "
        "by --on-missing-credentials skip."
    )
    title = "{} is not published: there are no LUSID credentials"
    record_unpublished(name, title, [reason])
    if output == "json":
        document = {
            "name": str(name),
            "repository": name.repository,
            "tag": name.tag,
            "digest": None,
            "outcome": "not-published",
        }
        console.answer(json_text(document).rstrip("\n"))
