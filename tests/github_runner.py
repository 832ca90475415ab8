"""What GitHub's runner makes of the log of a step and of the files that the step wrote."""

import re
from dataclasses import dataclass, field

KEPT = 10  # annotations of each level
LARGEST_SUMMARY = 1024 * 1024
MASK = "***"
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_OLD_COMMAND = re.compile(r"##\[([^\]\s]+)(?:\s([^\]]*))?\](.*)")


@dataclass
class Runner:
    """Reads a log line by line, and acts on the commands in it.

    `acted` has each command that was acted on, by name, those included that no honest log has;
    `groups` the lines of each group by title; `shown` all that a reader sees.
    """

    masks: set[str] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)
    acted: list[str] = field(default_factory=list)
    annotations: list[tuple[str, str, str]] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    stopped: str = ""
    _group: str = ""

    def read(self, log: str) -> "Runner":
        for line in _LINE_BREAK.split(log):
            if not self._act(line):
                self._show(line)
        return self

    def hide(self, text: str) -> str:
        for secret in sorted(self.masks, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def outputs(self, file: str) -> dict[str, str]:
        """Return the outputs of the step; one that has a secret is empty."""
        found: dict[str, str] = {}
        lines = iter(file.split("\n"))
        for line in lines:
            if not line:
                continue
            heredoc, equals = line.find("<<"), line.find("=")
            if heredoc >= 0 and (equals < 0 or heredoc < equals):
                name, _, end = line.partition("<<")
                value = []
                while (part := next(lines)) != end:
                    value.append(part)
                found[name] = "\n".join(value)
            else:
                assert equals > 0, f"the runner refuses the line {line!r}"
                name, _, found_value = line.partition("=")
                found[name] = found_value
        return {name: "" if self.hide(value) != value else value for name, value in found.items()}

    def summary(self, file: str) -> str:
        """Return the summary, empty when it is too large."""
        return self.hide(file) if len(file.encode()) <= LARGEST_SUMMARY else ""

    def of_level(self, level: str) -> list[tuple[str, str]]:
        """Return title and text of the annotations of a level that are kept."""
        return [(title, text) for found, title, text in self.annotations if found == level][:KEPT]

    def _act(self, line: str) -> bool:
        trimmed = line.lstrip()
        if trimmed.startswith("::") and "::" in trimmed[2:]:
            head, _, data = trimmed[2:].partition("::")
            name, _, words = head.partition(" ")
            if self.stopped:
                if name == self.stopped:
                    self.stopped = ""
                    self._show(line)
                    return True
                return False
            properties = dict(word.partition("=")[::2] for word in words.split(",") if word)
            return self._command(name, {k: _read(v) for k, v in properties.items()}, _read(data))
        if not self.stopped and (old := _OLD_COMMAND.search(line)):
            self.acted.append(old[1])
            return True
        return False

    def _command(self, name: str, properties: dict[str, str], data: str) -> bool:
        self.acted.append(name)
        match name:
            case "stop-commands":
                assert data not in {"", "pause-logging"}
                self.stopped = data
                self.masks.add(data)
                self._show(f"::stop-commands::{MASK}")
            case "add-mask":
                assert data.strip()
                self.masks |= {data, *(part for part in data.splitlines() if part)}
            case "group":
                self._group = self.hide(data)
                self.groups[self._group] = []
                self.shown.append(f"▸ {self._group}")
            case "endgroup":
                self._group = ""
            case "error" | "warning" | "notice":
                found = (name, properties.get("title", ""), self.hide(data))
                self.annotations.append(found)
                self._show(f"{name.capitalize()}: {data}")
        return True

    def _show(self, line: str) -> None:
        self.shown.append(self.hide(line))
        if self._group:
            self.groups[self._group].append(self.hide(line))


def _read(text: str) -> str:
    for sign in ":,\n\r":
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text.replace("%25", "%")
