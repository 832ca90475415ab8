"""The pictures of the README, `docs/run.svg` and `docs/gate.svg`: two real runs on a terminal.

`make screenshots` runs the commands in a pseudo-terminal, with the local Scheduler and the engine
that it has for tests, and draws what the terminal shows at the end. Each run has a folder of its
own, which the picture calls `~/hello-job`.
"""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
import termios
from html import escape
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Final

import docker
import docker.errors
import pyte
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from lusid_image_publish.engine import connect

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
EXAMPLE: Final = ROOT / "examples" / "hello-job"
VOLUME: Final = "lusid-screenshots"
SHOWN_FOLDER: Final = "~/hello-job"
WIDTH_COLUMNS: Final = 104
HEIGHT_LINES: Final = 200
GATED: Final = "lusid-publish --local hello-job:1.0.0 hello-job:1.1.0 --fail-on high"
READ_BYTES: Final = 65536
PADDING_PIXELS: Final = 16
PROMPT: Final = r"printf '\033[1;32m$\033[0m %s\n'"
COLOURS: Final = {"brown": "yellow", "brightblack": "bright_black"}
"""Colours that rich calls otherwise."""

FINDINGS: Final = {
    "hello-job:1.1.0": {
        "vulnerabilities": [
            {
                "name": "CVE-2026-1234",
                "severity": "High",
                "package": "openssl",
                "version": "3.0.1",
                "fixVersion": "3.0.2",
            },
            {"name": "CVE-2026-3333", "severity": "Low", "package": "bash", "version": "5.1"},
        ]
    }
}
RUNS: Final = {
    "run": ["lusid-publish --local . hello-job:1.0.0"],
    "gate": [
        f"{GATED} --scan-findings scan.json",
        "echo $?",
    ],
}
"""For each picture the lines that are typed."""

# That of rich without its fonts, which come from elsewhere.
FORMAT: Final = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" role="img" xmlns="http://www.w3.org/2000/svg">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect width="100%" height="100%" rx="8" fill="#1c2128" stroke="#768390" stroke-width="1" />
<g transform="translate(PADDING, PADDING)" class="{unique_id}-matrix">
{matrix}
</g>
</svg>
"""


def main() -> int:
    """Make the pictures; each run starts with a Scheduler that has no images."""
    engine = connect()
    for name, lines in RUNS.items():
        with tempfile.TemporaryDirectory(prefix="lusid-screenshots-") as folder:
            shown = typed(lines, Path(folder, "hello-job"))
        remove_volume(engine)
        (DOCS / f"{name}.svg").write_text(picture(shown, lines[0]), newline="\n")
    return 0


def remove_volume(engine: docker.DockerClient) -> None:
    """Remove the images of the Scheduler."""
    try:
        engine.volumes.get(VOLUME).remove()
    except docker.errors.NotFound:
        return


def typed(lines: list[str], folder: Path) -> Text:
    """Return what a terminal shows once a shell in `folder` has run the lines."""
    shutil.copytree(EXAMPLE, folder)
    (folder / "scan.json").write_text(json.dumps(FINDINGS))
    script = "\n".join(f"code=$?; {PROMPT} '{line}'; (exit $code); {line}" for line in lines)
    written = output_of(script, folder).replace(str(folder).encode(), SHOWN_FOLDER.encode())
    screen = pyte.Screen(WIDTH_COLUMNS, HEIGHT_LINES)
    pyte.ByteStream(screen).feed(written)
    return drawn(screen)


def output_of(script: str, folder: Path) -> bytes:
    """Return what the script writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT_LINES, WIDTH_COLUMNS, 0, 0))
    commands = sysconfig.get_path("scripts")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FBN_", "LUSID_PUBLISH_"))
    } | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "LUSID_LOCAL_VOLUME": VOLUME,
        "TERM": "xterm-256color",
    }
    for ci in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "COLUMNS", "NO_COLOR"):
        environment.pop(ci, None)
    written = bytearray()
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        while chunk := read(ours):
            written += chunk
    os.close(ours)
    return bytes(written)


def read(terminal: int) -> bytes:
    """Return what comes next, nothing at the end: Linux calls that an error."""
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:
        return b""


def drawn(screen: pyte.Screen) -> Text:
    """Return the lines of the screen, without the empty ones at its end."""
    text = Text()
    for row in range(screen.cursor.y):
        line = Text()
        characters = (screen.buffer[row][column] for column in range(WIDTH_COLUMNS))
        for style, same in groupby(characters, key=style_of):
            line.append("".join(character.data for character in same), style)
        line.rstrip()
        text.append(line).append("\n")
    text.rstrip()
    return text


def style_of(character: pyte.screens.Char) -> str:
    """Return rich's style for a character of the screen."""
    weight = "bold" if character.bold else "not bold"
    return f"{weight} {COLOURS.get(character.fg, character.fg)}"


def picture(text: Text, title: str) -> str:
    """Return the text as an SVG."""
    console = Console(record=True, width=WIDTH_COLUMNS, file=StringIO(), color_system="standard")
    console.print(text, highlight=False)
    code_format = FORMAT.replace("TITLE", escape(title)).replace("PADDING", str(PADDING_PIXELS))
    svg = console.export_svg(theme=MONOKAI, code_format=code_format, unique_id="terminal")
    return re.sub(r'viewBox="0 0 (\d+\.?\d*) (\d+\.?\d*)"', padded, svg, count=1)


def padded(view: re.Match[str]) -> str:
    """Return the part of the plane that an SVG shows, with room around the text."""
    width, height = (float(size) + 2 * PADDING_PIXELS for size in view.groups())
    return f'viewBox="0 0 {width:g} {height:g}"'


if __name__ == "__main__":
    sys.exit(main())
