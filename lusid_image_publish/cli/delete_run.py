"""Delete an image, or the old images of a repository, after asking."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from lusid_image_publish import prune as pruning
from lusid_image_publish.cli import tables
from lusid_image_publish.cli.connection import open_images
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ConfigurationError, ExitCode
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.text import plain


def delete_image(*, name: str, yes: bool, connection: Connection) -> None:
    """Delete the image that NAME:TAG points to, after asking."""
    _require_consent(yes=yes)
    with open_images(connection) as images:
        if not yes:
            image = images.get_image(name)
            for label, text in tables.image_lines(image):
                console.say(f"    {label}: {plain(text)}")
            if not _confirm(f"Delete {name}, with all its tags?"):
                click.get_current_context().exit(ExitCode.INTERRUPTED)
        so_far = f"{name} may be deleted."
        console.listen(StepStarted(f"Deleting {name}", so_far, so_far))
        said = LusidTag(name=ImageName.parse(name), images=images).delete()
        console.listen(StepDone("gone"))
        console.answer(plain(said))


def prune(
    *,
    name: str,
    keep: int,
    older_than: str | None,
    dry_run: bool,
    yes: bool,
    output: str,
    connection: Connection,
) -> None:
    """Delete the old images of the repository NAME, after asking."""
    age = pruning.parse_age(older_than) if older_than is not None else None
    if not dry_run:
        _require_consent(yes=yes)
    with open_images(connection) as images:
        found = images.iter_images(name)
        verdicts = pruning.judge(found, keep=keep, older_than=age, now=datetime.now(UTC))
        if output == "table":
            tables.show(tables.VERDICT_COLUMNS, tables.verdict_rows(verdicts))
        going = sum(verdict.goes for verdict in verdicts)
        deleted: dict[str, str] = {}
        if going and not dry_run:
            if not yes and output == "json":
                for row in tables.verdict_rows(verdict for verdict in verdicts if verdict.goes):
                    console.say(plain("    " + "  ".join(row)))
            if not yes and not _confirm(f"Delete {going} of {len(verdicts)} images of {name}?"):
                click.get_current_context().exit(ExitCode.INTERRUPTED)
            deleted = pruning.delete(verdicts, name, images, console.listen)
    if output == "json":
        console.answer(tables.document(_pruned(verdicts, deleted)))
    elif dry_run:
        console.remark(f"{going} of {len(verdicts)} images would be deleted")
    else:
        console.remark(f"{len(set(deleted.values()))} of {len(verdicts)} images deleted")


def _require_consent(*, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise ConfigurationError(
            "Nothing is deleted without a confirmation, and there is no terminal to ask on.",
            hint="Say so with --yes.",
        )


def _confirm(question: str) -> bool:
    console.close()
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        agreed = False
        console.say("")  # Ctrl-D ends no line
    if not agreed:
        console.say("Nothing was deleted.")
    return agreed


def _pruned(verdicts: list[pruning.Verdict], deleted: Iterable[str]) -> dict[str, Any]:
    """Return what `prune` did as a document; images are in the wire's form."""

    def images(*, goes: bool) -> list[dict[str, Any]]:
        return [
            verdict.image.model_dump(mode="json", by_alias=True, exclude_none=True)
            | {"reason": verdict.reason}
            for verdict in verdicts
            if verdict.goes is goes
        ]

    return {"keep": images(goes=False), "delete": images(goes=True), "deleted": list(deleted)}
