"""lusid-images: house-keeping of the images that LUSID has."""

import shlex
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli import tables
from lusid_image_publish.cli.completion import SHELLS, ImageNameType, RepositoryNameType, script_for
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.doctor import doctor
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import COMMAND_SETTINGS, output_option, shared_options
from lusid_image_publish.cli.scan import scan_image
from lusid_image_publish.cli.sections import SectionedCommand
from lusid_image_publish.errors import ConfigurationError, ExitCode
from lusid_image_publish.names import RULE, ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.redact import MASK, plain
from lusid_image_publish.reports.table import Row
from lusid_image_publish.reports.units import date, human_size

if TYPE_CHECKING:
    from lusid_image_publish.prune import Verdict
    from lusid_image_publish.scheduler.models import (
        ResourceListOfImageSummary,
        ResourceListOfRepository,
    )

# What a run needs is imported in the functions below: --help and a usage error need none of it.

_EPILOG = f"""\
\b
Examples:
  lusid-images doctor ./Dockerfile my-job:1.0.0
  lusid-images repos
  lusid-images list my-job --sort-by -pushTime --limit 10
  lusid-images list my-job --filter "scanSummary.critical gt 0" --output json
  lusid-images get my-job:1.0.0
  lusid-images scan my-job:1.0.0 --fail-on high --report markdown
  lusid-images download my-job:1.0.0 -o my-job.tar
  lusid-images prune my-job --keep 5 --older-than 30d --dry-run

{RULE}

Each command has its own --help. Only --local needs Docker, and doctor where SOURCE
does. LUSID is found as lusid-publish finds it.

\b
Exit codes:
  0 done   2 usage or configuration   3 authentication   4 LUSID refused
  5 the upload instructions are not usable   6 engine or image
  7 another image came under the tag while its scan was waited for
  9 the scan breaks the policy   10 there is no scan   12 download   13 stdout or report
  1 a bug
  129, 130, 143 interrupted   130 not agreed to   141 stdout was closed by its reader
"""


@click.group(context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, prog_name="lusid-images")
def command() -> None:
    """Look at, fetch and delete the images that the LUSID Scheduler has."""


def _list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --filter, --sort-by and --limit, which are the client's parameters, and how to show."""
    options = (
        click.option(
            "--filter",
            metavar="EXPRESSION",
            help="Show what this is true for: LUSID's filter language, as in "
            "\"tags any (name eq '1.0')\".",
        ),
        click.option(
            "--sort-by",
            metavar="FIELD",
            multiple=True,
            help="Sort by this field, with a - before it descending; may be repeated.",
        ),
        click.option(
            "--limit",
            metavar="NUMBER",
            type=int,
            help="Show as many at most, 1 to 5000; with --all, ask for as many at a time.",
        ),
        click.option("--all", "everything", is_flag=True, help="Show all pages, not the first."),
        output_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("list", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", type=RepositoryNameType())
@_list_options
@shared_options
def list_images(
    *, name: str, everything: bool, output: str, connection: Connection, **query: Any
) -> None:
    """List the images of the repository NAME."""
    from lusid_image_publish.scheduler.models import ResourceListOfImageSummary  # noqa: PLC0415

    with connection.images() as images:
        if everything:
            answer = ResourceListOfImageSummary(values=list(images.iter_images(name, **query)))
        else:
            answer = images.list_images(name, **query)
    _show_list(answer, output, tables.IMAGE_COLUMNS, tables.image_rows(answer.values))


@command.command("repos", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@_list_options
@shared_options
def list_repositories(
    *, everything: bool, output: str, connection: Connection, **query: Any
) -> None:
    """List the repositories."""
    from lusid_image_publish.scheduler.models import ResourceListOfRepository  # noqa: PLC0415

    with connection.images() as images:
        if everything:
            answer = ResourceListOfRepository(values=list(images.iter_repositories(**query)))
        else:
            answer = images.list_repositories(**query)
    _show_list(answer, output, tables.REPOSITORY_COLUMNS, tables.repository_rows(answer.values))


@command.command("get", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@output_option
@shared_options
def get_image(*, name: str, output: str, connection: Connection) -> None:
    """Show one image, and what its scan found."""
    with connection.images() as images:
        image = images.get_image(name)
    if output == "json":
        console.answer(tables.document_of(image))
    else:
        tables.show(("", ""), tables.image_lines(image))


@command.command("download", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option(
    "-o",
    "--file",
    "file",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Where to write the tar; - is stdout.  [default: NAME-TAG.tar]",
)
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@click.option("--no-verify", is_flag=True, help="Keep what LUSID sends, whatever is in it.")
@shared_options
def download_image(
    *, name: str, file: str | None, force: bool, no_verify: bool, connection: Connection
) -> None:
    """Download an image as a tar, and prove that it is whole.

    The file appears when all of it has come and was checked: its length, that the tar can be read,
    and that it has the manifest with LUSID's digest. A tar that cannot be compared is exit code 12
    unless --no-verify. The file's path goes to stdout.
    """
    parsed = ImageName.parse(name)
    path = f"{parsed.repository}-{parsed.tag}.tar" if file is None else file
    to_stdout = path == "-"
    if to_stdout and sys.stdout.isatty():
        raise ConfigurationError(
            "A tar is nothing to show on a terminal.",
            hint="Name a file with -o, or send stdout into a file or to another command.",
        )
    with connection.images() as images:
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


@command.command("delete", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared_options
@click.pass_context
def delete_image(context: click.Context, *, name: str, yes: bool, connection: Connection) -> None:
    """Delete the image that NAME:TAG points to, after asking.

    Without a terminal to ask on, --yes is needed. The service's answer goes to stdout, once LUSID
    shows that the tag is gone.
    """
    from lusid_image_publish.publishing.lusid_tag import LusidTag  # noqa: PLC0415

    _require_consent(yes=yes)
    with connection.images() as images:
        if not yes:
            image = images.get_image(name)
            for label, text in tables.image_lines(image):
                console.say(f"    {label}: {plain(text)}")
            if not _confirm(f"Delete {name}, with all its tags?"):
                context.exit(ExitCode.INTERRUPTED)
        so_far = f"{name} may be deleted."
        console.listen(StepStarted(f"Deleting {name}", so_far, so_far))
        said = LusidTag(name=ImageName.parse(name), images=images).delete()
        console.listen(StepDone("gone"))
        console.answer(plain(said))


@command.command("upload", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--reveal", is_flag=True, help="Show the registry's password.")
@output_option
@shared_options
def upload_image(*, name: str, reveal: bool, output: str, connection: Connection) -> None:
    """Show the Docker commands that put an image into LUSID.

    They are for those who push by hand; lusid-publish does what they say, and more. They are shown
    when they are the Docker commands that they should be, else that is exit code 5. The password is
    hidden unless --reveal.
    """
    from lusid_image_publish.scheduler.instructions import (  # noqa: PLC0415
        commands_of,
        read_instructions,
    )

    with connection.images() as images:
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


@command.command("prune", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", type=RepositoryNameType())
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    required=True,
    help="Keep as many of the newest images.",
)
@click.option("--older-than", metavar="AGE", help="Delete only what is older: 12h, 30d, 8w.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@shared_options
@click.pass_context
def prune(
    context: click.Context,
    *,
    name: str,
    keep: int,
    older_than: str | None,
    dry_run: bool,
    yes: bool,
    output: str,
    connection: Connection,
) -> None:
    """Delete the old images of the repository NAME, after asking.

    An image is as old as the last push of it or of one of its tags. What is tagged `latest` stays,
    and what cannot be judged: an image without a digest, a push time or a tag. What was pushed or
    tagged anew while you were asked stays too. LUSID's jobs are not looked at: whether one still
    runs an image is for you to know.
    """
    from lusid_image_publish import prune as pruning  # noqa: PLC0415

    age = pruning.parse_age(older_than) if older_than is not None else None
    if not dry_run:
        _require_consent(yes=yes)
    with connection.images() as images:
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
                context.exit(ExitCode.INTERRUPTED)
            deleted = pruning.delete(verdicts, name, images, console.listen)
    if output == "json":
        console.answer(tables.document(_pruned(verdicts, deleted)))
    elif dry_run:
        console.remark(f"{going} of {len(verdicts)} images would be deleted")
    else:
        console.remark(f"{len(set(deleted.values()))} of {len(verdicts)} images deleted")


@command.command(context_settings=COMMAND_SETTINGS)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete lusid-images.

    \b
    bash:  echo 'eval "$(lusid-images completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(lusid-images completion zsh)"' >> ~/.zshrc
    fish:  lusid-images completion fish > ~/.config/fish/completions/lusid-images.fish

    Names and tags are completed too, from the LUSID that the environment is configured for.
    """  # noqa: D301  # click wants the backspace itself
    console.answer(script_for(shell, command, "lusid-images"))


command.add_command(doctor)
command.add_command(scan_image, "scan")


def _show_list(
    answer: "ResourceListOfImageSummary | ResourceListOfRepository",
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


def _pruned(verdicts: "list[Verdict]", deleted: Iterable[str]) -> dict[str, Any]:
    """Return what `prune` did as a document; images are in the wire's form."""

    def images(*, goes: bool) -> list[dict[str, Any]]:
        return [
            verdict.image.model_dump(mode="json", by_alias=True, exclude_none=True)
            | {"reason": verdict.reason}
            for verdict in verdicts
            if verdict.goes is goes
        ]

    return {"keep": images(goes=False), "delete": images(goes=True), "deleted": list(deleted)}


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
