"""Build the wheel and the source distribution, and use the wheel as a person would."""

import configparser
import email
import os
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Collection, Mapping
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


def distributions_in(folder: Path) -> Distributions:
    """Return the wheel and the sdist in `folder`; stop if it has anything else."""
    wheels, sdists = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if (len(wheels), len(sdists), len(names)) != (1, 1, 2):
        found = ", ".join(names) or "nothing"
        raise StoppedError(STEP, f"{folder} has {found}, not one wheel and one sdist alone")
    return Distributions(wheels[0], sdists[0])


def verify_contents(root: Path, built: Distributions) -> None:
    """Stop unless both have the files of the checkout, byte by byte, and no other."""
    tracked = set(git(root, "ls-files", "-z", step=STEP).split("\0")) - {""}
    with tarfile.open(built.sdist) as archive:
        opened = [(member.name, archive.extractfile(member)) for member in archive]
        files = {name.partition("/")[2]: file.read() for name, file in opened if file}
    files.pop("PKG-INFO", None)
    _require_same(root, built.sdist, files, tracked)
    with zipfile.ZipFile(built.wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        files = {name: archive.read(name) for name in names}
    of_package = {name for name in tracked if name.startswith(f"{PACKAGE}/")}
    _require_same(root, built.wheel, files, of_package)
    verify_metadata(root, built.wheel)


def verify_metadata(root: Path, wheel: Path) -> None:
    """Stop unless name, version, URLs and entry points of the wheel are those of the project."""
    entries = configparser.ConfigParser(delimiters="=", interpolation=None)
    with zipfile.ZipFile(wheel) as archive:
        files = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        found = email.message_from_bytes(archive.read(files["METADATA"]))
        entries.read_string(archive.read(files["entry_points.txt"]).decode())
    version = version_in((root / VERSION_FILE).read_text(encoding="utf-8"))
    if (found["Name"], found["Version"]) != (PROJECT, version):
        raise StoppedError(STEP, f"the wheel is {found['Name']} {found['Version']}, not {version}")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    urls = {f"{name}, {url}" for name, url in project["urls"].items()}
    if set(found.get_all("Project-URL", [])) != urls:
        raise StoppedError(STEP, "the URLs of the wheel are not those in pyproject.toml")
    wanted = {"console_scripts": project["scripts"], **project["entry-points"]}
    if {name: dict(entries[name]) for name in entries.sections()} != wanted:
        raise StoppedError(STEP, "the entry points of the wheel are not those in pyproject.toml")


def _require_same(
    root: Path, path: Path, files: Mapping[str, bytes], tracked: Collection[str]
) -> None:
    if missing := set(tracked) - set(files):
        raise StoppedError(STEP, f"{path.name} does not have {', '.join(sorted(missing))}")
    if extra := set(files) - set(tracked):
        raise StoppedError(
            STEP, f"{path.name} has files that are not in git: {', '.join(sorted(extra))}"
        )
    if changed := [name for name, data in files.items() if data != (root / name).read_bytes()]:
        raise StoppedError(
            STEP, f"{path.name} has other contents than the checkout: {', '.join(sorted(changed))}"
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
