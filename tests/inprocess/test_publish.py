"""lusid-publish in this process, from the command line to what the registry has."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults import Answered, Asked
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import REGISTRY, MakeStage, Stage

OTHER = b"another image"


@pytest.mark.parametrize("is_containerd", [False, True], ids=["classic", "containerd"])
def test_an_image_of_the_engine_is_published(make_stage: MakeStage, *, is_containerd: bool) -> None:
    stage = make_stage(is_containerd=is_containerd)
    image_id = stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0").require(0, "listed with the pushed digest")
    assert stage.tags("job") == {"1.0": ended.stdout.strip()}
    assert stage.config_digest("job", "1.0") == stage.image.id
    assert stage.engine.tags == {"job:ci": image_id}, "the registry's tag was a temporary one"
    assert stage.leaks(ended.stdout + ended.stderr) == []


@pytest.mark.parametrize("source", ["archive", "stdin"])
def test_an_archive_is_published_without_an_engine(stage: Stage, source: str) -> None:
    image_id = stage.hold("job:ci")
    file = stage.archive("job:ci")
    piped = (stage.folder / file).read_bytes() if source == "stdin" else b""
    ended = stage.run(
        "publish", "-" if piped else file, "job:1.0", stdin=piped, variables=stage.without_engine
    ).require(0)
    assert stage.tags("job") == {"1.0": ended.stdout.strip()}
    assert stage.config_digest("job", "1.0") == image_id


def test_a_dockerfile_is_built_and_published(stage: Stage) -> None:
    ended = stage.publish(stage.dockerfile(content="x"), "job:1.0", DOCKER_BUILDKIT="0")
    ended.require(
        0,
        "the engine's own builder",
        "built job:1.0 in the engine: image id sha256:",
        "| Successfully built",
    )
    assert stage.tags("job") == {"1.0": ended.stdout.strip()}
    assert "job:1.0" in stage.engine.tags


def test_build_options_reach_the_engine(stage: Stage) -> None:
    options = ("--build-arg", "WHO=me", "--build-arg", "HOME", "--label", "team=quant")
    more = ("--target", "wanted", "--no-cache", "--pull", "--context", "job")
    folder = stage.dockerfile()
    stage.publish(f"{folder}/Dockerfile", "job:1.0", *options, *more, "--build-arg", "ABSENT")
    (build,) = (asked for asked in stage.engine.asked if asked.path == "/build")
    assert json.loads(build.query["buildargs"]) == {"WHO": "me", "HOME": str(stage.folder)}
    assert json.loads(build.query["labels"]) == {"team": "quant"}
    assert (build.query["target"], build.query["nocache"]) == ("wanted", "True")


def test_what_a_build_does_without_is_a_warning(stage: Stage) -> None:
    folder = stage.dockerfile(**{"Dockerfile.dockerignore": "secret"})
    stage.publish(folder, "job:1.0", "--build-arg", "ABSENT").require(
        0, "The build argument ABSENT is not set", "Dockerfile.dockerignore is ignored"
    )


def test_publishing_again_changes_nothing_and_says_so(stage: Stage) -> None:
    stage.hold("job:ci")
    first = stage.publish("job:ci", "job:1.0").require(0)
    changed = stage.registry.changes()
    second = stage.publish("job:ci", "job:1.0").require(0, "unchanged, nothing to do")
    assert second.stdout == first.stdout
    assert stage.registry.changes() == changed


def test_an_engine_and_an_archive_know_each_other_s_image(stage: Stage) -> None:
    stage.hold("job:ci")
    file = stage.archive("job:ci")
    first = stage.publish(file, "job:1.0", **stage.without_engine).require(0)
    again = stage.publish("job:ci", "job:1.0").require(0, "unchanged, nothing to do")
    assert again.stdout == first.stdout


def published_archive(stage: Stage, tag: str, *contents: bytes, options: Sequence[str] = ()) -> Any:
    """Publish an archive of these layers as a new runner would; return the JSON document."""
    stage.hold(f"job:{tag}", *contents)
    file = stage.archive(f"job:{tag}")
    arguments = (file, f"job:{tag}", "--output", "json", *options)
    ended = stage.publish(*arguments, **stage.without_engine).require(0)
    return json.loads(ended.stdout)


def layers_of(stage: Stage, tag: str) -> list[dict[str, Any]]:
    return list(stage.stored.manifest("job", tag)["layers"])


def test_a_new_runner_sends_only_the_layer_that_changed(stage: Stage) -> None:
    kept = random.Random(0).randbytes(2_000_000)  # noqa: S311
    first = published_archive(stage, "1.0", kept, b"first")
    second = published_archive(stage, "1.1", kept, b"second")
    old, new = layers_of(stage, "1.0"), layers_of(stage, "1.1")
    assert old[0] == new[0]
    config = stage.stored.manifest("job", "1.1")["config"]["size"]
    assert first["bytesSent"] > 2_000_000
    assert first["bytesReused"] == 0
    assert second["bytesSent"] == new[1]["size"] + config
    assert second["bytesReused"] == old[0]["size"]


def test_all_layers_are_sent_where_that_is_asked_for(stage: Stage) -> None:
    published_archive(stage, "1.0", b"kept", b"first")
    all_of_it = published_archive(stage, "1.1", b"kept", b"second", options=["--no-reuse"])
    assert all_of_it["bytesReused"] == 0
    assert stage.lusid.count("GET", "sortBy=-pushTime") == 1, "by the first"


def test_what_was_sent_is_in_the_log_and_in_the_summary(stage: Stage) -> None:
    published_archive(stage, "1.0", b"kept", b"first")
    stage.hold("job:1.1", b"kept", b"second")
    file = stage.archive("job:1.1")
    summary = stage.folder / "summary.md"
    ended = stage.publish(
        file, "job:1.1", "--report", f"markdown={summary}", **stage.without_engine
    )
    ended.require(0, ": Reused (", ": Pushed (", " sent)", "    sent 0.0 MB, reused 0.0 MB\n")
    assert " reused from the registry |" in summary.read_text()


def test_a_listed_tag_that_is_none_is_not_asked_for(stage: Stage) -> None:
    published_archive(stage, "1.0", b"kept", b"first")
    tags = ["../../other/manifests/1.0", "a b", "x?y=z", "", None]
    listed = [{"name": "job", "tags": [{"name": tag}]} for tag in tags]
    stage.lusid.instead = scripted("GET", "sortBy=-pushTime", json_answer({"values": listed}))
    stage.registry.asked.clear()
    second = published_archive(stage, "1.1", b"kept", b"second")
    assert second["bytesReused"] == 0
    read = {asked.path for asked in stage.registry.asked if asked.method == "GET"}
    assert read == {"/v2/foo/job/manifests/1.1"}


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_a_list_that_lusid_refuses_costs_the_reuse_alone(stage: Stage, status: int) -> None:
    published_archive(stage, "1.0", b"kept", b"first")
    stage.lusid.instead = scripted("GET", "sortBy=-pushTime", problem(status))
    second = published_archive(stage, "1.1", b"kept", b"second")
    assert second["bytesReused"] == 0
    assert stage.tags("job").keys() == {"1.0", "1.1"}


@pytest.mark.parametrize("kind", ["engine", "archive"])
def test_another_image_is_refused_unless_it_is_forced(stage: Stage, kind: str) -> None:
    stage.hold("job:ci")
    first = stage.publish("job:ci", "job:1.0").require(0)
    other_id = stage.hold("other:ci", OTHER)
    source = stage.archive("other:ci") if kind == "archive" else "other:ci"
    stage.publish(source, "job:1.0").fails(11, "already exists with a different image", "--force")
    assert stage.tags("job") == {"1.0": first.stdout.strip()}
    forced = stage.publish(source, "job:1.0", "--force").require(0)
    assert stage.tags("job") == {"1.0": forced.stdout.strip()}
    assert stage.config_digest("job", "1.0") == other_id
    again = stage.publish(source, "job:1.0", "--force").require(0, "unchanged")
    assert again.stdout == forced.stdout
    assert not any("lusid-publish-" in tag for tag in stage.tags("job")), "none is ever pushed"


@pytest.mark.parametrize(("policy", "code"), [("skip", 0), ("fail", 11)])
def test_what_exists_is_taken_or_refused_without_a_look(
    stage: Stage, policy: str, code: int
) -> None:
    stage.hold("job:ci")
    first = stage.publish("job:ci", "job:1.0", "--if-exists", policy, "--output", "json").require(0)
    assert json.loads(first.stdout)["outcome"] == "published"
    looks = stage.registry.count("GET", "/manifests/")
    second = stage.publish("absent:image", "job:1.0", "--if-exists", policy, "--output", "json")
    second.require(code)
    assert stage.registry.count("GET", "/manifests/") == looks
    if not code:
        shown = json.loads(second.stdout)
        assert (shown["outcome"], shown["digest"]) == ("skipped", stage.tags("job")["1.0"])
        assert (shown["imageId"], shown["reference"]) == (None, None)


def test_the_result_is_a_document_for_programs(stage: Stage) -> None:
    image_id = stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0", "--output", "json", "--latest").require(0)
    shown = json.loads(ended.stdout)
    assert all(datetime.fromisoformat(shown.pop(name)) for name in ("pushTime", "reportTime"))
    scan = shown.pop("scan")
    assert (scan["outcome"], scan["status"], scan["error"]) == ("no-policy", "COMPLETE", None)
    assert shown.pop("size") > 0
    assert shown == {
        "name": "job:1.0",
        "repository": "job",
        "tag": "1.0",
        "outcome": "published",
        "digest": stage.tags("job")["1.0"],
        "imageId": image_id,
        "platform": "linux/amd64",
        "reference": f"{REGISTRY}/foo/job:1.0",
        "bytesSent": None,
        "bytesReused": None,
        "latest": "moved",
        "jobs": [],
    }
    again = json.loads(stage.publish("job:ci", "job:1.0", "--output", "json").stdout)
    assert (again["outcome"], again["reference"], again["latest"]) == ("unchanged", None, None)


def test_only_a_wait_for_the_scan_waits_for_it(make_stage: MakeStage) -> None:
    stage = make_stage(scan_delay=86400)
    stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0", "--wait-for", "visible", "--output", "json")
    assert json.loads(ended.require(0).stdout)["scan"] is None
    assert "scan" not in ended.stderr
    assert stage.clock.pauses == []


def test_an_image_that_lusid_lists_late_is_waited_for(stage: Stage) -> None:
    stage.hold("job:ci")
    missing = scripted("GET", "/repository/job$", problem(404))
    end = stage.clock.monotonic() + 40
    stage.lusid.instead = lambda asked: missing(asked) if stage.clock.monotonic() < end else None
    ended = stage.publish("job:ci", "job:1.0").require(0)
    assert ended.stdout.strip() == stage.tags("job")["1.0"]
    assert max(stage.clock.pauses) == 5.0
    assert 40 <= sum(stage.clock.pauses) < 50


def test_the_former_digest_may_be_shown_for_a_while_after_a_push_over_it(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    former = next(
        answered for asked, answered in reversed(stage.lusid.answered) if asked.path.endswith("1.0")
    )
    stage.hold("other:ci", OTHER)
    pushed_at: list[float] = []
    stage.registry.after = lambda asked: (
        pushed_at.append(stage.clock.monotonic()) if "PUT" in str(asked) else None
    )

    def late(asked: Asked) -> Answered | None:
        is_late = pushed_at and stage.clock.monotonic() < pushed_at[-1] + 100
        return former if is_late and asked.method == "GET" and "%3A1.0" in asked.path else None

    stage.lusid.instead = late
    stage.publish("other:ci", "job:1.0", "--force").require(0)
    assert sum(stage.clock.pauses) > 90


def test_instructions_that_expire_before_the_push_are_renewed(stage: Stage) -> None:
    stage.hold("job:ci")
    withdrawn: list[bool] = []

    def withdraw(asked: Asked) -> None:
        if asked.method == "POST" and not withdrawn:
            withdrawn.append(True)
            stage.stored.withdraw_all()

    stage.lusid.after = withdraw
    stage.publish("job:ci", "job:1.0").require(0, "Requesting a new credential")
    assert stage.lusid.count("POST", "/api/images") == 2


def test_another_publisher_of_the_same_image_may_be_quicker(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    changed = stage.registry.changes()
    stage.lusid.instead = scripted("GET", "%3A1.0$", problem(404), None)
    stage.publish("job:ci", "job:1.0").require(0, "not in LUSID yet", "unchanged")
    assert stage.registry.changes() == changed


def test_quiet_says_nothing_and_verbose_where_values_are_from(stage: Stage) -> None:
    stage.hold("job:ci")
    quiet = stage.publish("job:ci", "job:1.0", "--quiet").require(0)
    assert quiet.stderr == ""
    verbose = stage.publish("job:ci", "job:1.1", "-vv").require(
        0, "access_token = ***  (environment variable FBN_ACCESS_TOKEN)", "DEBUG"
    )
    assert stage.leaks(verbose.stderr) == []


def test_user_name_and_password_sign_in(stage: Stage) -> None:
    stage.hold("job:ci")
    del stage.environ["FBN_ACCESS_TOKEN"]
    ended = stage.publish("job:ci", "job:1.0", "-vv").require(0)
    assert stage.lusid.count("POST", "/oauth2/token") == 1
    assert stage.leaks(ended.stdout + ended.stderr) == []


def test_a_token_file_and_a_secrets_file_are_read(stage: Stage) -> None:
    stage.hold("job:ci")
    token = stage.environ.pop("FBN_ACCESS_TOKEN")
    for name in ("FBN_USERNAME", "FBN_PASSWORD", "FBN_CLIENT_ID", "FBN_CLIENT_SECRET"):
        del stage.environ[name]
    (stage.folder / "token").write_text(f"{token}\n")
    stage.publish("job:ci", "job:1.0", FBN_ACCESS_TOKEN_FILE="token").require(0)
    api = {"schedulerUrl": stage.environ.pop("FBN_SCHEDULER_URL"), "accessToken": token}
    (stage.folder / "mine.json").write_text(json.dumps({"api": api}))
    stage.publish("job:ci", "job:1.1", "--secrets-file", "mine.json").require(0)
    assert set(stage.tags("job")) == {"1.0", "1.1"}


def test_in_github_the_outputs_and_the_summary_are_written(stage: Stage) -> None:
    stage.hold("job:ci")
    files = {
        f"GITHUB_{name}": str(stage.folder / name) for name in ("OUTPUT", "STEP_SUMMARY", "ENV")
    }
    for file in files.values():
        open(file, "w").close()  # noqa: PTH123
    ended = stage.publish("job:ci", "job:1.0", CI="true", GITHUB_ACTIONS="true", **files)
    ended.require(0, "::group::")
    digest = stage.tags("job")["1.0"]
    assert digest in (stage.folder / "OUTPUT").read_text()
    assert digest in (stage.folder / "STEP_SUMMARY").read_text()


def test_the_project_s_file_of_a_parent_folder_is_used_and_shown(stage: Stage) -> None:
    stage.hold("job:ci")
    (stage.folder / ".git").mkdir()
    (stage.folder / ".lusid-publish.toml").write_text('latest = true\nreport = ["json=x.json"]\n')
    (stage.folder / "services").mkdir()
    below = replace(stage, folder=stage.folder / "services")
    line = f"{Path('../.lusid-publish.toml')}: latest = true"
    assert line in below.publish("job:ci", "job:1.0", "-v").require(0).stderr
    assert sorted(stage.tags("job")) == ["1.0", "latest"]
    assert (stage.folder / "x.json").is_file()
    assert line not in below.publish("job:ci", "job:1.1").require(0).stderr
    assert line in below.publish("job:ci", "job:1.2", CI="true").require(0).stderr
