"""The messages that people meet most, in one file to read aloud. WRITE_MESSAGES=1 writes it."""

import os
import re
from pathlib import Path

import pytest

from tests.inprocess.message_scenes import SCENES, play, usual_lines
from tests.inprocess.stage import MakeStage

MESSAGES = Path(__file__).with_name("messages.md")
HEAD = """\
# What people read

The messages that people meet most, as they are shown. `...` stands for the lines of the first
publication. This command writes the file; read it aloud after that:

    WRITE_MESSAGES=1 python -m pytest tests/inprocess/test_messages.py
"""


def test_each_message_is_as_it_was_read(make_stage: MakeStage) -> None:
    usual = usual_lines(make_stage)
    first, *others = SCENES
    shown = {first: play(first, make_stage)}
    shown |= {title: play(title, make_stage, usual) for title in others}
    parts = [f"## {title}\n\n```text\n{text}\n```\n" for title, text in shown.items()]
    text = "\n".join([HEAD, *parts])
    if os.environ.get("WRITE_MESSAGES"):
        MESSAGES.write_text(text)
    assert text.split("\n## ") == MESSAGES.read_text().split("\n## ")


@pytest.mark.parametrize("title", SCENES)
def test_no_message_has_a_traceback_or_a_name_of_a_library(
    title: str, make_stage: MakeStage
) -> None:
    shown = play(title, make_stage)
    assert not re.search(r"Traceback|urllib3|httpx|HTTPConnection|lusid_image_publish\.", shown)
