"""What a usage error adds to click's words."""

import click


def usage_text(error: click.ClickException) -> str:
    """Return what is wrong with a command line; where something is missing, with an example."""
    text = error.format_message()
    example = example_of(error.ctx) if isinstance(error, click.MissingParameter) else ""
    return f"{text} For example: {example}" if example else text


def example_of(context: click.Context | None) -> str:
    """Return the first example in the help of a command, or of its group; empty without one."""
    path = context.command_path if context else ""
    while context:
        for line in (context.command.epilog or "").splitlines():
            if f"{line.strip()} ".startswith(f"{path} "):
                return line.strip()
        context = context.parent
    return ""
