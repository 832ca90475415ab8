"""Commands: help in sections, variables in place of options, and work that is imported late."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.build_options import BUILD_NAMES
from lusid_image_publish.cli.connection_options import CONNECTION_NAMES
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.job_options import JOB_NAMES
from lusid_image_publish.cli.parameters import key_of, variable_in_use
from lusid_image_publish.cli.project_defaults import describe_defaults
from lusid_image_publish.cli.scan_options import SCAN_NAMES
from lusid_image_publish.cli.start import import_quickly
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.system import is_ci

COMMAND_SETTINGS: Final[dict[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 80,
}
"""How each command's help is asked for and laid out; the commands of a group inherit it."""

_BUILD = (*BUILD_NAMES, "platform", "image", "max_archive_size")
_PUSH = ("engine_timeout", "push_timeout", "push_idle_timeout", "push_retries", "no_reuse")
_LOCAL = ("local", "scan_findings", "scan_delay", "scan_status")
_WAIT = ("wait_for", "wait_timeout", "poll_interval")

_OPTIONS = "Options"
_TITLES = {
    **dict.fromkeys(_BUILD, "Image"),
    **dict.fromkeys(_PUSH, "Engine and push"),
    **dict.fromkeys((*_WAIT, *SCAN_NAMES), "Wait and scan"),
    **dict.fromkeys(JOB_NAMES, "Job"),
    **dict.fromkeys(
        (*CONNECTION_NAMES, "config", "on_missing_credentials"), "Connection and configuration"
    ),
    **dict.fromkeys(_LOCAL, "Local Scheduler"),
}
_WITHOUT_VARIABLE: Final = {"quiet", "version"}


def run_in(place: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let `place`, the `module.function` of this room, do what a command declares."""
    name, _, function = place.partition(".")

    def decorate(declared: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(declared)
        def run(**values: Any) -> Any:
            # Late: --help, a completion and a usage error need nothing of what does the work.
            return getattr(import_quickly(name), function)(**values)

        return run

    return decorate


_NON_BREAKING_HYPHEN: Final = "\N{NON-BREAKING HYPHEN}"


class _HelpFormatter(click.HelpFormatter):
    """Breaks no line at a hyphen, so that options and file names can be copied."""

    def write(self, string: str) -> None:
        """Write text that has been wrapped."""
        super().write(string.replace(_NON_BREAKING_HYPHEN, "-"))

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _NON_BREAKING_HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write rows of names and what they mean."""
        kept = [(name, text.replace("-", _NON_BREAKING_HYPHEN)) for name, text in rows]
        super().write_dl(kept, col_max, col_spacing)


class HelpContext(click.Context):
    """The context of a command whose help keeps words whole."""

    formatter_class = _HelpFormatter


def write_options(
    parameters: Iterable[click.Parameter],
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str = "",
) -> None:
    """Write options in sections, those without a subject of their own first.

    `title` is that of the first section, and begins those of the others.
    """
    sections: dict[str, list[tuple[str, str]]] = {
        subject: [] for subject in (_OPTIONS, *_TITLES.values())
    }
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record and isinstance(parameter, click.Option):
            sections[_TITLES.get(parameter.name or "", _OPTIONS)].append(record)
    for subject, records in sections.items():
        if records:
            with formatter.section(_heading(subject, title)):
                formatter.write_dl(records)


def _heading(subject: str, title: str) -> str:
    if not title:
        return subject
    return title if subject == _OPTIONS else f"{title}: {subject[0].lower()}{subject[1:]}"


class SectionedCommand(click.Command):
    """A command whose help has a section for each subject of its options.

    In CI its log begins with the defaults of the project's file, because others may have written
    it; elsewhere --verbose shows them.
    """

    context_class = HelpContext

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        if is_ci(os.environ) or console.verbosity > 0:
            for line in describe_defaults(ctx):
                console.remark(line)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections."""
        write_options(self.get_params(ctx), ctx, formatter)


MARK: Final = "LUSID_PUBLISH_TEMPLATE"
"""The variable with which the GitLab template says that it has set the others."""


def variable_of(key: str) -> str:
    """Return the variable that sets a parameter of lusid-publish."""
    return f"LUSID_PUBLISH_{key.upper().replace('-', '_')}"


class CommandWithVariables(SectionedCommand):
    """A command whose parameters have variables; an empty variable is ignored.

    Flags take true and false, --verbose a number, a repeated option one value per line.
    """

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.read_variables(variable_of)

    def read_variables(
        self,
        *kinds: Callable[[str], str],
        called: Mapping[str, str] | None = None,
        mistake: str = "",
    ) -> None:
        """Let variables set the parameters: those that `kinds` return for their keys, best first.

        `called` has the inputs that messages name, by the keys of the parameters; without them they
        name the variable beside the option. `mistake` is what is wrong with the variables.
        """
        self._called, self._mistake = called, mistake
        for parameter in self.params:
            if parameter.name not in _WITHOUT_VARIABLE:
                parameter.envvar = [variable(key_of(parameter)) for variable in kinds]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an error names the variable that a value came from, and is in a CI's summary."""
        try:
            return self._parse(ctx, args)
        except click.UsageError as error:
            shown = error
            if isinstance(error, click.BadParameter):
                shown = self._with_origin(error, ctx)
            if console.ci.is_ci:
                import_quickly("outcome").record_usage_error(shown)
            raise shown from error
        except ConfigurationError as error:  # of the project's file
            if console.ci.is_ci:
                import_quickly("outcome").record_wrong_settings(error)
            raise

    def _parse(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self._mistake:
            raise click.UsageError(self._mistake, ctx)
        rest = super().parse_args(ctx, args)
        if mistake := self._unknown_variables():
            raise click.UsageError(mistake, ctx)
        return rest

    def _unknown_variables(self) -> str:
        """Return which variables of this command do not exist, "" if all do.

        The gate would be off if `LUSID_PUBLISH_FAILON` was ignored.
        """
        known = {*map(variable_of, map(key_of, self.params)), MARK}
        ours = [name for name in os.environ if name.startswith(variable_of(""))]
        unknown = [name for name in ours if name not in known]
        if not unknown:
            return ""
        return str(import_quickly("unknown_names").unknown_sentences("variable", unknown, known))

    def _with_origin(self, error: click.BadParameter, ctx: click.Context) -> click.UsageError:
        """Return `error` with the name that its parameter has where the value came from."""
        wrong = error.param
        if wrong is None:
            return error
        if self._called and key_of(wrong) in self._called:
            name = f"input {self._called[key_of(wrong)]}"
        elif ctx.get_parameter_source(wrong.name) is ParameterSource.ENVIRONMENT:
            name = f"{wrong.get_error_hint(ctx)} ({variable_in_use(wrong)})"
        else:
            return error
        if isinstance(error, click.MissingParameter):
            return click.UsageError(f"The {name} is not given.", ctx)
        is_flag = isinstance(wrong, click.Option) and wrong.is_bool_flag
        message = "It is neither true nor false." if is_flag else error.message
        return click.BadParameter(message, ctx, wrong, name)
