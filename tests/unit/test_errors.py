"""The error tree: what each class promises."""

import re
from collections.abc import Iterator

from lusid_image_publish import errors
from lusid_image_publish.errors import (
    BadRequestError,
    ExitCode,
    LusidPublishError,
)


def descendants(kind: type[LusidPublishError]) -> Iterator[type[LusidPublishError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_exit_codes_are_unique_and_those_promised() -> None:
    codes = [code.value for code in ExitCode]
    assert codes == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 129, 130, 141, 143]
    assert len(ExitCode.__members__) == len(codes), "an alias hides a code that is used twice"


def test_every_class_has_a_slug_of_its_own() -> None:
    slugs = [kind.slug for kind in descendants(LusidPublishError)]
    assert len(slugs) == len(set(slugs))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"── (\w+Error) +(\d+)", errors.__doc__ or ""))
    classes = {kind.__name__: str(int(kind.exit_code)) for kind in descendants(LusidPublishError)}
    assert drawn == classes


def test_diagnostics_leave_out_what_is_empty() -> None:
    assert LusidPublishError("It broke.").diagnostics() == [("Error", "It broke.")]


def test_a_service_error_shows_its_request_id() -> None:
    error = BadRequestError("No.", cause="why", hint="do", request_id="0HN:1")
    assert error.diagnostics()[-1] == ("Request id", "0HN:1")
