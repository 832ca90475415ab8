"""How numbers are taken, and what they are held against."""

import os
import subprocess
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """One line of the result: what was measured, what it is held against, and the limit.

    `share` is the value divided by that of another tool, None where there is none.
    """

    name: str
    value: float
    unit: str
    beside: str
    limit: float
    share: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok" if self.is_met else "OVER"
        shown = f"{self.value:8.3f} {self.unit:2}  limit {self.limit:8.3f}"
        return f"{self.name:34} {shown}  {verdict:4}  {self.beside}"


@dataclass(frozen=True)
class Run:
    """One process: how long it took in seconds, and its peak memory in MB."""

    seconds: float
    megabytes: float


def measure(command: list[str], environ: dict[str, str]) -> Run:
    """Run `command` to its end. Raises `CalledProcessError` when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    err = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=err)
    return Run(seconds, usage.ru_maxrss / 1024)
