"""Build the wheel and the source distribution, and use the wheel as a person would."""

import email
import os
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from releasing.checkout import PACKAGE, VERSION_FILE, git, version_in
from releasing.owner import PROJECT
from releasing.run import run
from releasing.stopping import StoppedError

STEP: Final = "distributions"
_SETTINGS: Final = ("FBN_", "LUSID_PUBLISH_", "PYTHON", "VIRTUAL_ENV")


class Distributions(NamedTuple):
    """The two files of a release on the index."""

    wheel: Path
    sdist: Path


def build(root: Path, folder: Path) -> Distributions:
    """Build both into `folder`, which must be empty; the wheel is made from the sdist.

    What builds them comes from the index with the hashes in constraints.txt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if list(folder.iterdir()):
        raise StoppedError(STEP, f"{folder} is not empty; remove it")
    pinned = os.environ | {"PIP_CONSTRAINT": str(root / "constraints.txt")}
    words = [sys.executable, "-m", "build", "--outdir", str(folder), str(root)]
    log = run(STEP, words, environ=pinned)
    built = Distributions(*(_only(folder, kind, log) for kind in ("*.whl", "*.tar.gz")))
    run(STEP, [sys.executable, "-m", "twine", "check", "--strict", *built])
    return built


def _only(folder: Path, kind: str, log: str) -> Path:
    found = list(folder.glob(kind))
    if len(found) != 1:
        raise StoppedError(STEP, f"{len(found)} files {kind} were built, not one: {log}")
    return found[0]


def verify_contents(root: Path, built: Distributions) -> None:
    """Stop unless the files contain what git has, and their metadata is that of the project."""
    tracked = set(git(root, "ls-files", "-z", step=STEP).split("\0")) - {""}
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    _require_same(built.sdist, names - {"PKG-INFO"}, tracked)
    with zipfile.ZipFile(built.wheel) as archive:
        files = [name for name in archive.namelist() if name.startswith(f"{PACKAGE}/")]
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        found = email.message_from_bytes(archive.read(metadata))
    _require_same(built.wheel, files, {name for name in tracked if name.startswith(f"{PACKAGE}/")})
    version = version_in((root / VERSION_FILE).read_text(encoding="utf-8"))
    if (found["Name"], found["Version"]) != (PROJECT, version):
        raise StoppedError(STEP, f"the wheel is {found['Name']} {found['Version']}, not {version}")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    urls = {f"{name}, {url}" for name, url in project["urls"].items()}
    if set(found.get_all("Project-URL", [])) != urls:
        raise StoppedError(STEP, "the URLs of the wheel are not those in pyproject.toml")


def _require_same(path: Path, names: Collection[str], tracked: Collection[str]) -> None:
    if missing := set(tracked) - set(names):
        raise StoppedError(STEP, f"{path.name} does not have {', '.join(sorted(missing))}")
    if extra := set(names) - set(tracked):
        raise StoppedError(
            STEP, f"{path.name} has files that are not in git: {', '.join(sorted(extra))}"
        )


def try_wheel(root: Path, wheel: Path, *, source: str, name: str) -> str:
    """Install the wheel into a fresh environment, publish `source` as `name`; return its digest.

    The local Scheduler receives the image, in the volume that LUSID_LOCAL_VOLUME names.
    """
    version = version_in((root / VERSION_FILE).read_text(encoding="utf-8"))
    environ = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    with tempfile.TemporaryDirectory() as folder:
        fresh, empty = Path(folder) / "fresh", Path(folder) / "empty"
        empty.mkdir()
        run(STEP, [sys.executable, "-m", "venv", "--without-pip", fresh])
        scripts = fresh / ("Scripts" if os.name == "nt" else "bin")
        pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python")]
        run(STEP, [*pip, "install", "--quiet", "--no-compile", f"{wheel.resolve()}[local]"])
        command = scripts / "lusid-publish"
        shown = run(STEP, [command, "--version"], cwd=empty, environ=environ).strip()
        if not shown.endswith(f" {version}"):
            raise StoppedError(STEP, f"lusid-publish --version prints {shown}, not {version}")
        options = ["--local", "--ci", "none"]
        return run(STEP, [command, *options, source, name], cwd=empty, environ=environ).strip()
