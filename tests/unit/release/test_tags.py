"""The tags of a release move to a commit with the prebuilt image, together or not at all."""

import re
from pathlib import Path
from typing import Any

import pytest
from releasing import tags
from releasing.stopping import StoppedError

from tests.unit.release.repositories import PINNED, commit_all, copy_file, git

PACKAGE = "lusid_image_publish/__init__.py"


def reference(word: str) -> str:
    return f"ghcr.io/acme/lusid-image-publish@sha256:{word * 64}"


class Origin:
    """A bare repository, and a checkout of it in which releases are made."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "origin.git"
        self.checkout = folder / "checkout"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "clone", "--quiet", str(self.bare), str(self.checkout))
        for name in PINNED:
            copy_file(self.checkout, name)
        (self.checkout / PACKAGE).parent.mkdir()
        (self.checkout / ".gitattributes").write_text("* -text\n")

    def tag(self, version: str, *options: str) -> str:
        """Commit a version on the branch, tag it, and push both; return the commit."""
        git(self.checkout, "switch", "--quiet", "--force-create", "main")
        (self.checkout / PACKAGE).write_text(f'__version__ = "{version}"\n')
        commit = commit_all(self.checkout, f"Version {version}")
        git(self.checkout, "tag", *options, f"v{version}")
        git(self.checkout, "push", "--quiet", "--force", "origin", "main", f"v{version}")
        git(self.checkout, "switch", "--quiet", "--detach", f"v{version}")
        return commit

    def release(self, version: str, word: str = "a") -> list[str]:
        return tags.move_tags(self.checkout, f"v{version}", reference(word))

    def tags(self) -> dict[str, str]:
        """Return the commit of each tag."""
        listed = git(self.bare, "for-each-ref", "--format=%(refname:short)", "refs/tags")
        return {name: git(self.bare, "rev-parse", f"{name}^{{commit}}") for name in listed.split()}

    def image_at(self, tag: str) -> str:
        """Return the image of the action at a tag."""
        return git(self.bare, "show", f"{tag}:action.yml").rpartition("image: ")[2]


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


def test_a_tag_that_moved_meanwhile_stops_the_release(origin: Origin) -> None:
    origin.tag("1.2.3")
    git(origin.checkout, "commit", "--quiet", "--allow-empty", "--message", "other")
    git(origin.checkout, "push", "--quiet", "--force", "origin", "HEAD:refs/tags/v1.2.3")
    git(origin.checkout, "switch", "--quiet", "--detach", "v1.2.3")
    before = origin.tags()
    with pytest.raises(StoppedError, match=r"v1\.2\.3 is [0-9a-f]{40} on origin, not .*moved it"):
        origin.release("1.2.3")
    assert origin.tags() == before


def test_a_tag_that_was_deleted_stops_the_release(origin: Origin) -> None:
    origin.tag("1.2.3")
    git(origin.bare, "tag", "--delete", "v1.2.3")
    with pytest.raises(StoppedError, match=r"v1\.2\.3 is missing on origin"):
        origin.release("1.2.3")
    assert origin.tags() == {}


def test_no_tag_moves_if_one_of_them_is_refused(origin: Origin) -> None:
    origin.tag("1.2.3")
    hook = origin.bare / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/tags/v1 ]\n')
    hook.chmod(0o755)
    before = origin.tags()
    with pytest.raises(StoppedError, match="no tag was moved; `git push` failed"):
        origin.release("1.2.3")
    assert origin.tags() == before


def test_a_push_that_comes_between_stops_the_release(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote is read first; then another release moves v1, before the push."""
    origin.tag("1.2.3")
    origin.release("1.2.3")
    origin.tag("1.2.4")
    push = tags._push

    def push_late(*arguments: Any) -> None:
        git(origin.bare, "update-ref", "refs/tags/v1", "main")
        push(*arguments)

    monkeypatch.setattr(tags, "_push", push_late)
    with pytest.raises(StoppedError, match="no tag was moved"):
        origin.release("1.2.4")
    assert origin.image_at("v1.2.4") == origin.image_at("v1") == "Dockerfile"


@pytest.mark.parametrize("text", ["", '__version__ = "main"\n'])
def test_a_v1_that_is_not_a_release_stops_the_release(origin: Origin, text: str) -> None:
    origin.tag("1.2.3")
    git(origin.checkout, "switch", "--quiet", "--orphan", "other")
    path = origin.checkout / (PACKAGE if text else "other")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    commit_all(origin.checkout)
    git(origin.checkout, "push", "--quiet", "origin", "HEAD:refs/tags/v1")
    git(origin.checkout, "switch", "--quiet", "--detach", "v1.2.3")
    before = origin.tags()
    with pytest.raises(StoppedError, match="v1 on origin is not a release of this project"):
        origin.release("1.2.3")
    assert origin.tags() == before


def test_the_tags_of_a_release_are_one_commit_with_the_image(origin: Origin) -> None:
    tagged = origin.tag("1.2.3")
    assert origin.release("1.2.3") == ["v1.2.3", "v1"]
    found = origin.tags()
    assert set(found) == {"v1.2.3", "v1"}
    assert len(set(found.values())) == 1
    assert git(origin.bare, "rev-parse", "v1^") == tagged
    assert git(origin.bare, "diff", "--name-only", tagged, "v1").splitlines() == list(PINNED)
    assert origin.image_at("v1.2.3") == f"docker://{reference('a')}"
    assert set(re.findall("^[0-9]+", git(origin.bare, "ls-tree", "-r", "v1"), re.MULTILINE)) == {
        "100644"
    }
    for name in PINNED:
        assert reference("a") in git(origin.bare, "show", f"v1:{name}")


def test_neither_the_branch_nor_the_checkout_changes(origin: Origin) -> None:
    tagged = origin.tag("1.2.3")
    origin.release("1.2.3")
    assert git(origin.bare, "rev-parse", "main") == tagged
    assert git(origin.checkout, "rev-parse", "HEAD") == tagged
    assert git(origin.checkout, "status", "--porcelain") == ""


def test_an_annotated_tag_moves_too(origin: Origin) -> None:
    origin.tag("1.2.3", "--annotate", "--message=of a person")
    assert origin.release("1.2.3") == ["v1.2.3", "v1"]
    assert origin.image_at("v1.2.3") == f"docker://{reference('a')}"


def test_no_other_tag_is_pushed(origin: Origin) -> None:
    origin.tag("1.2.3")
    git(origin.checkout, "tag", "--annotate", "--message", "not ready", "v9.9.9")
    git(origin.checkout, "config", "push.followTags", "true")
    origin.release("1.2.3")
    assert set(origin.tags()) == {"v1.2.3", "v1"}


def test_a_second_run_moves_nothing(origin: Origin) -> None:
    origin.tag("1.2.3")
    origin.release("1.2.3")
    before = origin.tags()
    assert origin.release("1.2.3") == []
    assert origin.tags() == before


def test_a_second_run_with_another_image_stops(origin: Origin) -> None:
    origin.tag("1.2.3")
    origin.release("1.2.3")
    before = origin.tags()
    with pytest.raises(StoppedError, match="somebody moved it"):
        origin.release("1.2.3", "b")
    assert origin.tags() == before


def test_a_run_that_moved_one_tag_is_completed(origin: Origin) -> None:
    origin.tag("1.2.3")
    origin.release("1.2.3")
    git(origin.bare, "tag", "--delete", "v1")
    assert origin.release("1.2.3") == ["v1"]
    assert origin.tags()["v1"] == origin.tags()["v1.2.3"]


def test_a_v1_that_was_made_by_hand_moves_too(origin: Origin) -> None:
    origin.tag("1.2.3")
    git(origin.checkout, "push", "--quiet", "origin", "HEAD:refs/tags/v1")
    assert origin.release("1.2.3") == ["v1.2.3", "v1"]
    assert origin.tags()["v1"] == origin.tags()["v1.2.3"]


def test_v1_moves_forward_and_never_back(origin: Origin) -> None:
    for version, word, moved in (
        ("1.1.0", "a", ["v1.1.0", "v1"]),
        ("1.10.0", "b", ["v1.10.0", "v1"]),
        ("1.2.5", "c", ["v1.2.5"]),
        ("2.0.0", "d", ["v2.0.0", "v2"]),
        ("1.10.1", "e", ["v1.10.1", "v1"]),
    ):
        origin.tag(version)
        assert origin.release(version, word) == moved
    assert origin.image_at("v1") == f"docker://{reference('e')}"
    assert origin.image_at("v2") == f"docker://{reference('d')}"
    assert origin.image_at("v1.2.5") == f"docker://{reference('c')}"


def test_a_pre_release_does_not_move_v1(origin: Origin) -> None:
    origin.tag("1.2.0rc1")
    assert origin.release("1.2.0rc1") == ["v1.2.0rc1"]
    assert set(origin.tags()) == {"v1.2.0rc1"}
    origin.tag("1.2.0")
    origin.release("1.2.0")
    before = origin.tags()["v1"]
    origin.tag("1.3.0rc1")
    assert origin.release("1.3.0rc1") == ["v1.3.0rc1"]
    assert origin.tags()["v1"] == before


def test_a_shallow_checkout_is_enough(origin: Origin, tmp_path: Path) -> None:
    origin.tag("1.2.2")
    origin.release("1.2.2")
    origin.tag("1.2.3")
    origin.checkout = tmp_path / "shallow"
    url = origin.bare.as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=v1.2.3", url, str(origin.checkout))
    assert origin.release("1.2.3") == ["v1.2.3", "v1"]
