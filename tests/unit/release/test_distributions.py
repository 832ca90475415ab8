"""What is built for the index is checked strictly, and is two files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from releasing import distributions
from releasing.stopping import StoppedError

from tests.unit.release.repositories import ROOT


class Tools:
    """What stands for the programs: `build` makes these files, and all commands are kept."""

    def __init__(self, *files: str) -> None:
        self.files = files
        self.commands: list[list[str]] = []
        self.environ: Mapping[str, str] = {}

    def run(
        self, _: str, words: Sequence[str | Path], *, environ: Mapping[str, str] | None = None
    ) -> str:
        command = [str(word) for word in words]
        self.commands.append(command)
        if "build" in command:
            self.environ = environ or {}
            for name in self.files:
                (Path(command[command.index("--outdir") + 1]) / name).touch()
        return ""


def test_both_files_are_checked_strictly_and_built_with_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Tools("x.whl", "x.tar.gz")
    monkeypatch.setattr(distributions, "run", tools.run)
    built = distributions.build(ROOT, tmp_path)
    assert built == (tmp_path / "x.whl", tmp_path / "x.tar.gz")
    assert tools.commands[-1][2:] == ["twine", "check", "--strict", *map(str, built)]
    assert tools.environ["PIP_CONSTRAINT"] == str(ROOT / "constraints.txt")


@pytest.mark.parametrize("files", [(), ("x.whl",), ("x.tar.gz",), ("x.whl", "y.whl", "x.tar.gz")])
def test_other_files_stop_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    monkeypatch.setattr(distributions, "run", Tools(*files).run)
    with pytest.raises(StoppedError, match="were built, not one"):
        distributions.build(ROOT, tmp_path)
