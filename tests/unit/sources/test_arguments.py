"""SOURCE and NAME:TAG in each other's place."""

from pathlib import Path

import pytest

from lusid_image_publish.errors import InvalidNameError
from lusid_image_publish.sources.arguments import parse_name


@pytest.mark.parametrize("path", ["./Dockerfile", "image.tar", "Dockerfile", ".", "/a b/c", "job"])
def test_a_name_and_a_path_that_are_swapped_are_said_to_be(path: str) -> None:
    Path("job").mkdir()
    with pytest.raises(InvalidNameError, match="SOURCE and NAME:TAG are swapped") as caught:
        parse_name(path, "my-job:1.0.0")
    shown = f"'{path}'" if " " in path else path
    assert f"SOURCE comes first: `lusid-publish {shown} my-job:1.0.0`." in caught.value.hint


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("My-Job:1", "my-job:1.0.0"),
        ("./Dockerfile", "My-Job:1"),
        ("", "my-job:1.0.0"),
        ("gone", "my-job:1.0.0"),
        ("a" * 300, "my-job:1.0.0"),
        ("a\0b", "my-job:1.0.0"),
    ],
)
def test_a_bad_name_that_is_not_swapped_is_refused_by_itself(name: str, source: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        parse_name(name, source)
    assert "swapped" not in caught.value.message


def test_a_good_name_is_one_also_where_a_path_is_called_so() -> None:
    Path("my-job:2").touch()
    assert str(parse_name("my-job:2", "my-job:1")) == "my-job:2"
