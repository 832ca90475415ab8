"""Where the project's file is looked for, whose it may be, and what its paths are relative to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from lusid_image_publish.cli import project_search, publish
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.project_defaults import ProjectFile, remembered
from lusid_image_publish.cli.project_file import PATH_KEYS, read_project_file
from lusid_image_publish.errors import ConfigurationError

OWN, PYPROJECT = ".lusid-publish.toml", "pyproject.toml"
TABLE = "[tool.lusid-publish]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Have a repository with the working directory two levels below its root."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    go_to(root / "services" / "prices")
    return root


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the warnings."""
    found: list[str] = []
    monkeypatch.setattr(console, "warn", found.append)
    return found


def go_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)


def write(path: Path, fail_on: str) -> None:
    table = TABLE if path.name == PYPROJECT else ""
    path.write_text(f'{table}fail-on = "{fail_on}"\n')


def found() -> ProjectFile | None:
    return read_project_file(None, publish.command)


def fail_on(*arguments: str) -> str:
    words = [*arguments, "./Dockerfile", "job:1.0"]
    return str(publish.command.make_context("lusid-publish", words).params["fail_on"])


@pytest.mark.parametrize("name", [OWN, PYPROJECT])
def test_a_parent_folder_of_the_repository_may_have_it(repository: Path, name: str) -> None:
    write(repository / name, "high")
    assert fail_on() == "high"
    assert fail_on("--config", "none") == "none"
    file = found()
    assert file
    assert file.place.partition(" ")[0] == str(Path("../..", name))
    assert not file.is_named


def test_the_nearest_folder_that_has_one_wins(repository: Path) -> None:
    write(repository / OWN, "high")
    write(repository / "services" / PYPROJECT, "medium")
    assert fail_on() == "medium"
    (repository / "services" / "prices" / PYPROJECT).write_text("[tool.ruff]\n")
    assert fail_on() == "medium", "a pyproject.toml without the table has nothing"
    write(repository / "services" / "prices" / OWN, "low")
    assert fail_on() == "low"


def test_two_files_in_one_parent_folder_are_one_too_many(repository: Path) -> None:
    write(repository / OWN, "high")
    write(repository / PYPROJECT, "high")
    with pytest.raises(ConfigurationError, match="two places") as caught:
        found()
    assert str(Path("../..", OWN)) in caught.value.message
    assert f"{Path('../..', PYPROJECT)} [tool.lusid-publish]" in caught.value.message
    write(repository / "services" / OWN, "low")
    assert fail_on() == "low", "they are not looked at where a nearer folder has one"


def test_nothing_above_the_root_of_a_repository_is_read(repository: Path) -> None:
    write(repository.parent / OWN, "high")
    assert found() is None
    os.chdir(repository)
    assert found() is None


@pytest.mark.parametrize("content", ["gitdir: ../../.git/worktrees/prices\n", ""])
def test_a_worktree_and_a_submodule_are_repositories_of_their_own(
    repository: Path, content: str
) -> None:
    write(repository / OWN, "high")
    (repository / "services" / ".git").write_text(content)
    assert found() is None
    write(repository / "services" / OWN, "low")
    assert fail_on() == "low"


def test_without_a_repository_only_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / OWN, "high")
    go_to(tmp_path / "downloads")
    assert found() is None
    write(Path(OWN), "low")
    assert fail_on() == "low"


def test_a_folder_is_where_it_is_and_not_where_a_link_to_it_is(
    repository: Path, tmp_path: Path
) -> None:
    write(repository / OWN, "high")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(repository / "services")
    os.chdir(tmp_path / "elsewhere" / "link" / "prices")
    assert fail_on() == "high"
    (repository / "out").symlink_to(tmp_path / "elsewhere")
    os.chdir(repository / "out")
    assert found() is None


def test_a_working_directory_that_was_removed_has_no_file(repository: Path) -> None:
    write(repository / OWN, "high")
    (repository / "services" / "prices").rmdir()
    assert found() is None


def test_a_folder_that_may_not_be_searched_has_no_file(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository / OWN, "high")
    look = Path.exists

    def refused(path: Path) -> bool:
        if path.name == ".git":
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "exists", refused)
    assert found() is None


def test_a_tab_does_not_look_for_it(repository: Path) -> None:
    write(repository / OWN, "high")
    context = publish.command.make_context("x", [], resilient_parsing=True)
    assert remembered(context) is None


ME, ROOT, OTHER, OWNER_HERE = 1000, 0, 1002, 1001


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a file and the working directory belong to others."""

    def own(*, file: set[int], here: int = ME, user: int = ME) -> None:
        def owners(path: Path) -> set[int]:
            return {here} if path == Path() else file

        monkeypatch.setattr(project_search, "_owners", owners)
        monkeypatch.setattr(project_search, "trusted_users", lambda: {user, ROOT})

    return own


@pytest.mark.parametrize(
    ("file", "here", "user"),
    [
        ({ME}, ME, ME),
        ({ROOT}, ME, ME),
        ({ME, ROOT}, ME, ME),
        # A container of a CI: root, over a workspace that belongs to the runner's user.
        ({OWNER_HERE}, OWNER_HERE, ROOT),
    ],
)
def test_a_file_in_a_parent_folder_is_yours_or_of_the_owner_of_the_working_directory(
    repository: Path,
    owned: Callable[..., None],
    warnings: list[str],
    file: set[int],
    here: int,
    user: int,
) -> None:
    write(repository / OWN, "high")
    owned(file=file, here=here, user=user)
    assert fail_on() == "high"
    assert warnings == []


@pytest.mark.parametrize("name", [OWN, PYPROJECT])
@pytest.mark.parametrize("file", [{OTHER}, {ME, OTHER}])
def test_a_file_of_somebody_else_in_a_parent_folder_is_not_used(
    repository: Path,
    owned: Callable[..., None],
    warnings: list[str],
    name: str,
    file: set[int],
) -> None:
    (repository / name).write_text("this is not read")
    owned(file=file)
    assert fail_on() == "none"
    [warning] = warnings
    path = str(Path("../..", name))
    assert warning.startswith(f"{path} is not used")
    assert f"--config {path}" in warning
    write(repository / name, "high")
    assert fail_on("--config", path) == "high"


def test_the_owner_of_a_file_in_the_working_directory_does_not_matter(
    repository: Path, owned: Callable[..., None], warnings: list[str]
) -> None:
    write(repository / "services" / "prices" / OWN, "high")
    owned(file={OTHER})
    assert fail_on() == "high"
    assert warnings == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
def test_the_owner_of_a_link_counts_as_well_as_that_of_the_file(
    repository: Path, warnings: list[str]
) -> None:
    (repository / "mine.toml").write_text('fail-on = "high"\n')
    (repository / OWN).symlink_to("mine.toml")
    assert fail_on() == "high"
    os.chown(repository / OWN, OTHER, OTHER, follow_symlinks=False)
    assert fail_on() == "none"
    os.chown(Path(), OTHER, OTHER)
    assert fail_on() == "high"
    assert len(warnings) == 1


def test_each_key_with_a_path_is_known() -> None:
    options = [param for param in publish.command.params if isinstance(param, click.Option)]
    with_path = {
        key_of(option)
        for option in options
        if isinstance(option.type, click.Path) or option.metavar in {"PATH", "FILE", "DIRECTORY"}
    }
    assert with_path - {"config"} == PATH_KEYS


def values(*arguments: str) -> dict[str, Any]:
    words = [*arguments, "./Dockerfile", "job:1.0"]
    return publish.command.make_context("lusid-publish", words).params


def test_paths_are_relative_to_the_folder_of_the_file(repository: Path) -> None:
    (repository / "results").mkdir()
    (repository / OWN).write_text(
        'context = "images"\nreport = ["json=results/x.json", "markdown", "sarif=x=y.sarif"]\n'
    )
    given = values()
    assert given["context"] == Path("../../images")
    assert given["reports"] == (
        ("json", Path("../../results/x.json")),
        ("markdown", Path("lusid-publish-report.md")),
        ("sarif", Path("../../x=y.sarif")),
    )
    (repository / OWN).write_text('context = "."\nreport = { json = "results/x.json" }\n')
    assert values()["context"].resolve() == repository
    assert values()["reports"] == (("json", Path("../../results/x.json")),)


def test_paths_of_the_command_line_are_relative_to_the_working_directory(repository: Path) -> None:
    (repository / OWN).write_text('context = "images"\nreport = ["json=x.json"]\n')
    given = values("--context", "here", "--report", "json=y.json")
    assert given["context"] == Path("here")
    assert given["reports"] == (("json", Path("y.json")),)


def test_paths_of_a_named_file_are_relative_to_its_folder_too(tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    path = tmp_path / "elsewhere"
    Path("ci/lusid.toml").write_text(
        f'context = "images"\nsecrets-file = "s.json"\nca-bundle = {str(path)!r}\n'
        'access-token-file = "~/token"\nscan-findings = "f.json"\n'
    )
    given = values("--config", "ci/lusid.toml")
    assert given["context"] == Path("ci/images")
    assert given["secrets_file"] == Path("ci/s.json")
    assert given["ca_bundle"] == str(path)
    assert given["access_token_file"] == "~/token"
    assert given["scan_findings"] == Path("ci/f.json")


@pytest.mark.parametrize(
    "line",
    [
        'context = ".."',
        'context = "../repository2"',
        'report = ["json=../x.json"]',
        'report = ["json=.git/hooks/x"]',
        'report = ["json=-"]',
    ],
)
def test_a_path_of_a_found_file_stays_in_its_folder(repository: Path, line: str) -> None:
    (repository / ".git" / "hooks").mkdir()
    (repository / OWN).write_text(line)
    with pytest.raises(ConfigurationError) as caught:
        found()
    assert caught.value.message.startswith(str(Path("../..", OWN)))
    assert "services" not in caught.value.message


def test_a_file_below_the_root_names_no_path_above_its_own_folder(repository: Path) -> None:
    write(repository / OWN, "low")
    (repository / "services" / OWN).write_text('context = ".."\n')
    with pytest.raises(ConfigurationError, match="outside its directory") as caught:
        found()
    assert f"--config {Path('..', OWN)}" in caught.value.hint
    (repository / "services" / OWN).write_text('context = "prices/.."\n')
    assert values()["context"].resolve() == repository / "services"
