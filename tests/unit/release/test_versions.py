"""A tag is a version, or the release stops."""

import pytest
from releasing.stopping import StoppedError
from releasing.versions import version_of


@pytest.mark.parametrize(
    "tag",
    [
        *("", "v", "v1", "v1.2", "1.2.3", "v1.2.3.4", "V1.2.3", "v1.2.3 ", "v1.2.3\n", "v01.2.3"),
        *("v1.2.3-rc1", "v1.2.3rc", "v1.2.3rc01", "v1.2.3.dev1", "v1.2.3.post1", "v1.2.3+x"),
        *("refs/tags/v1.2.3", "v1.2.\u0663", "$(id)", "v1.2.3$(id)"),
        *("v1.2.3`id`", 'v1.2.3"', "v1.2.3/x", "v1.2.3rc1rc2", "v1.9999999999.0"),
    ],
)
def test_a_tag_that_is_not_a_version_is_refused(tag: str) -> None:
    with pytest.raises(StoppedError, match="is not a version; use a tag") as stopped:
        version_of(tag)
    assert stopped.value.step == "tag"


@pytest.mark.parametrize("tag", ["v0.1.0", "v1.2.3", "v10.20.30", "v1.2.3a1", "v1.2.3rc12"])
def test_a_version_has_its_tag(tag: str) -> None:
    version = version_of(tag)
    assert version.tag == tag
    assert f"v{version}" == tag
    assert version.is_final is not any(word in tag for word in ("a", "b", "rc"))


def test_versions_have_an_order() -> None:
    words = "v0.9.0 v1.2.3a2 v1.2.3b1 v1.2.3rc2 v1.2.3rc10 v1.2.3 v1.10.0 v2.0.0"
    tags = words.split()
    assert sorted(map(version_of, reversed(tags))) == [version_of(tag) for tag in tags]


def test_a_version_names_the_tags_that_move() -> None:
    version = version_of("v1.12.3")
    assert version.moving_tag == "v1"
    assert version.moving_image_tags == ("1", "1.12")
