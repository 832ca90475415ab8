"""What it means that there are no LUSID credentials: an error, or nothing to be done."""

from contextlib import suppress
from typing import Final

import click

from lusid_image_publish.cli.ci import record_unpublished
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ConfigurationError, LusidPublishError
from lusid_image_publish.names import ImageName

missing_credentials_option: Final = click.option(
    "--on-missing-credentials",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What it means that there are no LUSID credentials, as where a CI keeps its secrets from "
    "pull requests of forks: `skip` ends well without publishing.",
)


def explain(error: LusidPublishError, connection: Connection) -> None:
    """Say what the CI may have to do with `error`, if there are no credentials."""
    with suppress(ConfigurationError):
        why = console.platform.why_no_secrets() if connection.lacks_credentials() else ""
        if why:
            error.cause = why
            error.hint += " --on-missing-credentials skip takes such a run for a success."


def skip(name: ImageName, output: str) -> None:
    """Publish nothing, and say so."""
    from lusid_image_publish.reports.document import json_text  # noqa: PLC0415

    reason = (
        console.platform.why_no_secrets() or "Neither the environment nor secrets.json has any."
    )
    console.warn(
        f"{name} is not published, because there are no LUSID credentials. {reason} That is borne "
        "by --on-missing-credentials skip."
    )
    record_unpublished(name, "is not published: there are no LUSID credentials", reason)
    if output == "json":
        document = {
            "name": str(name),
            "repository": name.repository,
            "tag": name.tag,
            "digest": None,
            "outcome": "not-published",
        }
        console.answer(json_text(document).rstrip("\n"))
