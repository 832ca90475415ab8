"""docs/performance.md: its table and its plot, made by a run of the benchmark.

`make performance` runs it: what publishing an archive takes, beside other tools, on this machine.
"""

import os
import platform
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

from matplotlib import pyplot as plt

from benchmarks.archives import SIZES, ArchiveBench, Times
from benchmarks.measure import Number
from lusid_image_publish.engine import connect
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENT = DOCS / "performance.md"
PLOT = DOCS / "performance.svg"
_BEGIN, _END = "<!-- numbers -->\n", "<!-- end of numbers -->"


def write_table(numbers: list[Number], versions: str) -> None:
    """Replace the table of the document."""
    rows = [
        f"| {number.name.removeprefix('archive, ').removeprefix('archive of ')} "
        f"| {number.value:.2f} {number.unit} | {number.beside.partition(', times')[0] or '-'} "
        f"| {f'{number.share:.2f}' if number.share else '-'} "
        f"| {number.limit:.2f} {number.unit}{'' if number.is_met else ', **missed**'} |"
        for number in numbers
    ]
    head_row = "| Case | `lusid-publish` | Compared with | Ratio | Goal |"
    table = "\n".join([head_row, "|---|---|---|---|---|", *rows])
    head, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    tail = rest.partition(_END)[2]
    DOCUMENT.write_text(f"{head}{_BEGIN}{versions}\n\n{table}\n{_END}{tail}")


def draw(times: Times) -> None:
    """Draw the seconds of each tool over the size of the image."""
    plt.rcParams["svg.hashsalt"] = "the same file for the same numbers"
    figure, axes = plt.subplots(figsize=(7, 4))
    for (tool, seconds), mark in zip(times.items(), "osd", strict=True):
        axes.plot([*seconds], [*seconds.values()], marker=mark, label=tool)
    axes.set(
        xlabel="size of the image in MB, one layer of real files",
        ylabel="seconds, whole process",
        xscale="log",
        yscale="log",
        xticks=SIZES,
    )
    axes.set_xticklabels(map(str, SIZES))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Measure, and write."""
    own = f"lusid-bench-{uuid.uuid4().hex[:12]}"
    engine = connect()
    engine.volumes.create(own)
    try:
        settings = LocalSchedulerSettings(volume=own, scan_delay=0)
        with (
            LocalScheduler(settings) as scheduler,
            tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder,
        ):
            bench = ArchiveBench(engine, scheduler, Path(folder), own)
            numbers = []
            for number in bench.numbers():
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()
                numbers.append(number)
            times = bench.plot()
        skopeo = subprocess.run(
            ["skopeo", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        machine = f"{os.cpu_count()} processors, {platform.system()}"
        tools = [f"Python {platform.python_version()}", skopeo]
        tools.append(f"Docker {engine.version()['Version']}")
        write_table(numbers, f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {', '.join(tools)}:")
        draw(times)
    finally:
        engine.volumes.get(own).remove(force=True)
        engine.close()


if __name__ == "__main__":
    main()
