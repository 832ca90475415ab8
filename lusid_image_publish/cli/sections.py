"""Commands with their help in sections: what concerns the build, the push, the scan, and LUSID."""

import os
from typing import Any

import click

from lusid_image_publish.cli.build_options import BUILD_NAMES
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.options import CONNECTION_NAMES
from lusid_image_publish.cli.project_file import describe_defaults
from lusid_image_publish.cli.scan_options import SCAN_NAMES
from lusid_image_publish.system import is_ci

_BUILD = (*BUILD_NAMES, "platform", "image", "max_archive_size")
_PUSH = ("engine_timeout", "push_timeout", "push_idle_timeout", "push_retries")
_LOCAL = ("local", "scan_findings", "scan_delay", "scan_status")
_WAIT = ("wait_for", "wait_timeout", "poll_interval")

_OPTIONS = "Options"
_TITLES = {
    **dict.fromkeys(_BUILD, "The image"),
    **dict.fromkeys(_PUSH, "The engine and the push"),
    **dict.fromkeys((*_WAIT, *SCAN_NAMES), "The wait and the scan"),
    **dict.fromkeys(
        (*CONNECTION_NAMES, "config", "on_missing_credentials"), "LUSID and its configuration"
    ),
    **dict.fromkeys(_LOCAL, "Without LUSID"),
}


class SectionedCommand(click.Command):
    """A command whose help has a section for each subject that it has options of.

    In a CI its log begins with what the project's file says, because others may have written it.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        if is_ci(os.environ):
            for line in describe_defaults(ctx):
                console.remark(line)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a subject of their own first."""
        sections: dict[str, list[tuple[str, str]]] = {
            title: [] for title in (_OPTIONS, *_TITLES.values())
        }
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                sections[_TITLES.get(parameter.name or "", _OPTIONS)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
