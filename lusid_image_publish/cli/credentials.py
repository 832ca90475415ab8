"""Explain missing LUSID credentials, or skip the publication because of them."""

from contextlib import suppress

from lusid_image_publish.cli.connection import lacks_credentials
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import record_unpublished
from lusid_image_publish.errors import ConfigurationError, LusidPublishError
from lusid_image_publish.names import ImageName
from lusid_image_publish.reports.document import json_text


def explain(error: LusidPublishError, connection: Connection) -> None:
    """Let `error` name the cause that the CI knows, if there are no credentials."""
    with suppress(ConfigurationError):
        if not lacks_credentials(connection):
            return
        if why := console.ci.why_no_secrets():
            error.cause = why
            error.hint = "Let such runs end well without publishing: --on-missing-credentials skip."
        elif where := console.ci.where_settings_are():
            error.cause = where


def is_to_be_skipped(choice: str, connection: Connection) -> bool:
    """Return whether `choice` allows to skip, and the CI keeps its secrets from this run.

    A secret that is missing elsewhere is an error: the job would be green for ever, and publish
    nothing. Raises `ConfigurationError`.
    """
    if choice != "skip" or not lacks_credentials(connection):
        return False
    return bool(console.ci.why_no_secrets())


def skip(name: ImageName, output: str) -> None:
    """Publish nothing, and say so."""
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
