"""lusid-publish in this process, from the command line to what the registry has."""

from tests.inprocess.stage import Stage


def test_an_image_of_the_engine_is_published(stage: Stage) -> None:
    image_id = stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0")
    assert ended.code == 0, ended.stderr
    assert ended.stdout.strip() == stage.tags("job")["1.0"]
    assert stage.config_digest("job", "1.0") == image_id
    assert stage.leaks(ended.stdout + ended.stderr) == []


def test_an_archive_is_published_without_an_engine(stage: Stage) -> None:
    image_id = stage.hold("job:ci")
    ended = stage.publish(stage.archive("job:ci"), "job:1.0", **stage.without_engine)
    assert ended.code == 0, ended.stderr
    assert stage.config_digest("job", "1.0") == image_id


def test_a_dockerfile_is_built_and_published(stage: Stage) -> None:
    ended = stage.publish(stage.dockerfile(), "job:1.0", DOCKER_BUILDKIT="0")
    assert ended.code == 0, ended.stderr
    assert stage.tags("job") == {"1.0": ended.stdout.strip()}
