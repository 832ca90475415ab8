"""The file with the variables of a local Scheduler."""

from pathlib import Path

import pytest

from lusid_image_publish.cli.local_run import _env_file
from lusid_image_publish.errors import ConfigurationError


def test_the_file_has_a_line_for_each_variable_and_goes_at_the_end() -> None:
    path = Path("local.env")
    with _env_file(path) as write:
        assert not path.exists()
        write({"A": "1", "B": "2"})
        assert path.read_bytes() == b"A=1\nB=2\n"
    assert list(Path().iterdir()) == []


def test_a_file_that_cannot_be_written_is_reported_and_leaves_nothing() -> None:
    path = Path("local.env")
    with _env_file(path) as write:
        path.mkdir()
        with pytest.raises(ConfigurationError, match="cannot be written"):
            write({"A": "1"})
    assert [found.name for found in Path().iterdir()] == ["local.env"]
