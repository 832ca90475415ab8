"""Do what lusid-images declares about one image, and about lists."""

import shlex
import sys
from typing import Any

from lusid_image_publish.cli import tables
from lusid_image_publish.cli.connection import open_images
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.redact import MASK
from lusid_image_publish.reports.table import Row
from lusid_image_publish.reports.units import date, human_size
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
    """Show one image, and what its scan found."""
    with open_images(connection) as images:
        image = images.get_image(name)
    if output == "json":
        console.answer(tables.document_of(image))
    else:
        tables.show(("", ""), tables.image_lines(image))


def download_image(
    *, name: str, file: str | None, force: bool, no_verify: bool, connection: Connection
) -> None:
    """Download an image as a tar, and prove that it is whole."""
    parsed = ImageName.parse(name)
    path = f"{parsed.repository}-{parsed.tag}.tar" if file is None else file
    to_stdout = path == "-"
    if to_stdout and sys.stdout.isatty():
        raise ConfigurationError(
            "A tar is nothing to show on a terminal.",
            hint="Name a file with -o, or send stdout into a file or to another command.",
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
        proof = "what is in it was not looked at"
    else:
        proof = f"the tar is whole; its digest is LUSID's, {downloaded.digest}"
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
            Warned(f"They expired at {date(expiry)}: ask again, or check this machine's clock.")
        )
    elif expiry:
        console.remark(f"good until {date(expiry)}")


def _show_list(
    answer: ResourceListOfImageSummary | ResourceListOfRepository,
    output: str,
    columns: tuple[str, ...],
    rows: list[Row],
) -> None:
    if output == "json":
        console.answer(tables.document_of(answer))
        return
    tables.show(columns, rows)
    if answer.next_page:
        console.remark("there are more: --all shows them")
