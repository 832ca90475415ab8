"""How numbers are taken, and what they are held against."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Final

# In a process of its own, because a child's peak memory counts from that of its parent.
_MEASURE: Final = """
import resource, subprocess, sys, time
began = time.perf_counter()
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(ended.returncode)
"""


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
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kilobytes = map(float, ended.stdout.split())
    return Run(seconds, kilobytes / 1024)
