"""Run the commands of lusid-images, except doctor."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from lusid_image_publish import prune as pruning
from lusid_image_publish.cli import tables
from lusid_image_publish.cli.connection import open_images, warn_of_empty_scans
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import hand_over
from lusid_image_publish.cli.scan_choice import choose_scan
from lusid_image_publish.errors import ConfigurationError, ExitCode, NotFoundError
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.publishing.wait_for_scan import wait_for_scan
from lusid_image_publish.redact import MASK
from lusid_image_publish.reports import text_report
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.table import Row
from lusid_image_publish.reports.words import date, human_size
from lusid_image_publish.scheduler.instructions import commands_of, read_instructions
from lusid_image_publish.scheduler.models import (
    ResourceListOfImageSummary,
    ResourceListOfRepository,
)
from lusid_image_publish.text import plain


def list_images(
    *, name: str, everything: bool, output: str, connection: Connection, **query: Any
) -> None:
    """List the images of the repository NAME."""
    with open_images(connection) as images:
        if everything:
            answer = ResourceListOfImageSummary(values=list(images.iter_images(name, **query)))
        else:
            answer = images.list_images(name, **query)
    _show_list(answer, output, tables.IMAGE_COLUMNS, tables.image_rows(answer.values))


def list_repositories(
    *, everything: bool, output: str, connection: Connection, **query: Any
) -> None:
    """List the repositories."""
    with open_images(connection) as images:
        if everything:
            answer = ResourceListOfRepository(values=list(images.iter_repositories(**query)))
        else:
            answer = images.list_repositories(**query)
    _show_list(answer, output, tables.REPOSITORY_COLUMNS, tables.repository_rows(answer.values))


def get_image(*, name: str, output: str, connection: Connection) -> None:
    """Show one image, and the findings of its scan."""
    with open_images(connection) as images:
        image = images.get_image(name)
    if output == "json":
        console.answer(tables.document_of(image))
    else:
        tables.show(("", ""), tables.image_lines(image))


def scan_image(*, name: str, scan: Mapping[str, Any], output: str, connection: Connection) -> None:
    """Show the scan; raise `ScanGateError` if it breaks the policy."""
    choice = choose_scan(scan)
    with open_images(connection) as images:
        tag = LusidTag(
            name=ImageName.parse(name),
            images=images,
            limits=Limits(scan_timeout=choice.timeout),
            listener=console.listen,
        )
        warn_of_empty_scans(connection, choice.policy)
        image = tag.require_digest(tag.get())
        result = wait_for_scan(image, tag, choice.policy, so_far="Nothing was changed.")
    console.close()
    content = ReportContent(result=result, made=datetime.now(UTC), wording=console.wording)
    text = console.named(text_report.render(content, width=tables.terminal_width()).rstrip("\n"))
    answer = text if output == "table" else None
    hand_over(content, choice.reports, answer)


def download_image(
    *, name: str, file: str | None, force: bool, no_verify: bool, connection: Connection
) -> None:
    """Download an image as a tar, and verify it."""
    parsed = ImageName.parse(name)
    path = f"{parsed.repository}-{parsed.tag}.tar" if file is None else file
    to_stdout = path == "-"
    if to_stdout and sys.stdout.isatty():
        raise ConfigurationError(
            "A tar archive cannot be written to a terminal.",
            hint="Name a file with -o, or redirect stdout to a file or another command.",
        )
    with open_images(connection) as images:
        console.listen(StepStarted(f"Downloading {name}", "Nothing was kept."))
        downloaded = images.download_image(
            name,
            sys.stdout.buffer if to_stdout else path,
            overwrite=force,
            verify=not no_verify,
            listener=console.listen,
        )
    if no_verify:
        proof = "not verified"
    else:
        proof = f"the tar is complete and has LUSID's digest, {downloaded.digest}"
    console.listen(StepDone(f"{human_size(downloaded.size)}; {proof}"))
    if not to_stdout:
        console.answer(path)


def upload_image(*, name: str, reveal: bool, output: str, connection: Connection) -> None:
    """Show the Docker commands that put an image into LUSID."""
    with open_images(connection) as images:
        answer = images.upload_image(name)
    instructions = read_instructions(answer, ImageName.parse(name))
    commands = commands_of(answer)
    if not reveal:
        registry = instructions.target.host
        user = shlex.quote(instructions.credential.username)
        commands["dockerLoginCommand"] = f"docker login -u {user} -p {MASK} {registry}"
        commands = {member: plain(text) for member, text in commands.items()}
    expiry = instructions.expires
    if output == "json":
        wire = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        times = {"expiryTime": wire["expiryTime"]} if expiry else {}
        console.answer(tables.document(commands | times))
    else:
        for text in commands.values():
            console.answer(text)
    if expiry and instructions.has_expired():
        console.listen(
            Warned(
                f"The commands expired at {date(expiry)}. Request them again, or check the clock "
                "of this machine."
            )
        )
    elif expiry:
        console.remark(f"valid until {date(expiry)}")


def _show_list(
    answer: ResourceListOfImageSummary | ResourceListOfRepository,
    output: str,
    columns: tuple[str, ...],
    rows: list[Row],
) -> None:
    if output == "json":
        console.answer(tables.document_of(answer))
        return
    tables.show(columns, rows, below=tables.BELOW_IMAGES)
    if answer.next_page:
        console.remark("there are more: use --all to list them")


def delete_image(*, name: str, yes: bool, connection: Connection) -> None:
    """Delete the image that NAME:TAG points to, after a confirmation."""
    _require_consent(yes=yes)
    with open_images(connection) as images:
        if not yes:
            image = images.get_image(name)
            for label, text in tables.image_lines(image):
                console.say(f"    {label}: {plain(text)}")
            if not _confirm(f"Delete this image, with all its tags ({tables.tags(image.tags)})?"):
                click.get_current_context().exit(ExitCode.INTERRUPTED)
        so_far = f"{name} may have been deleted."
        console.listen(StepStarted(f"Deleting {name}", so_far, so_far))
        try:
            said = LusidTag(name=ImageName.parse(name), images=images).delete()
        except NotFoundError as error:
            if error.operation == "delete_image":
                console.listen(StepDone("not found: nothing was deleted"))
            raise
        console.listen(StepDone("deleted"))
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
    """Delete the old images of the repository NAME, after a confirmation."""
    age = pruning.parse_age(older_than) if older_than is not None else None
    if not dry_run:
        _require_consent(yes=yes)
    with open_images(connection) as images:
        found = images.iter_images(name)
        verdicts = pruning.judge(found, keep=keep, older_than=age, now=datetime.now(UTC))
        if output == "table":
            rows = tables.verdict_rows(verdicts)
            tables.show(tables.VERDICT_COLUMNS, rows, below=tables.BELOW_IMAGES)
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
            "Deleting images needs a confirmation, but stdin is not a terminal.",
            hint="Confirm with --yes.",
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
    """Return the result of `prune` as a document; images are in the wire format."""

    def images(*, goes: bool) -> list[dict[str, Any]]:
        return [
            verdict.image.model_dump(mode="json", by_alias=True, exclude_none=True)
            | {"reason": verdict.reason}
            for verdict in verdicts
            if verdict.goes is goes
        ]

    return {"keep": images(goes=False), "delete": images(goes=True), "deleted": list(deleted)}
