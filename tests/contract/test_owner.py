"""The owner of the project has one name in all that people copy; pyproject.toml has it."""

import re
import tomllib
from pathlib import Path

import yaml
from releasing.owner import PLACEHOLDER, PROJECT, image_of, mentions, others, owner_of, texts

ROOT = Path(__file__).parents[2]
OF_NO_OWNER = re.compile(
    r"(pypi\.org/project|img\.shields\.io/pypi/[a-z]+|registry\.example\.com)/lusid-image-publish"
)


def test_all_files_name_the_owner_that_pyproject_has() -> None:
    assert others(ROOT) == []


def test_each_mention_is_one_that_make_owner_replaces() -> None:
    count = 0
    for path, text in texts(ROOT):
        if path.is_relative_to(ROOT / ".ci/releasing"):
            continue  # the pattern of the mentions
        known = len(list(mentions(text)))
        found = len(re.findall(rf"[\w.-]/{PROJECT}\b", OF_NO_OWNER.sub("", text)))
        assert found == known, path
        count += known
    assert count > 30


def test_no_text_needs_the_name_that_stands_for_the_owner() -> None:
    for path, text in texts(ROOT):
        if path.suffix in {".md", ".yml"}:
            assert not re.search(rf"\b{PLACEHOLDER}\b(?!/{PROJECT})", text), path


def test_the_urls_on_pypi_lead_to_the_owner() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert set(project["urls"]) == names
    home = f"https://github.com/{owner_of(ROOT)}/{PROJECT}"
    assert [url for url in project["urls"].values() if not f"{url}/".startswith(f"{home}/")] == []


def test_the_action_is_built_from_the_dockerfile_and_in_a_release_is_the_owner_s_image() -> None:
    runs = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]
    assert runs == {"using": "docker", "image": runs["image"]}
    released = rf"docker://{re.escape(image_of(ROOT))}@sha256:[0-9a-f]{{64}}"
    assert re.fullmatch(rf"Dockerfile|{released}", runs["image"])
