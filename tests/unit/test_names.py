"""What is a name, and what a reference."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lusid_image_publish.errors import InvalidNameError
from lusid_image_publish.names import ImageName, ImageReference, find_unexpanded, suggest_name


@pytest.mark.parametrize(
    "text",
    ["a:1", "hello-job:1.0.0", "a.b_c__d---e:0", "job:2026-11-23", "x:a..b", "x:1_-.2", "9:9"],
)
def test_a_good_name_comes_back_as_it_was(text: str) -> None:
    assert str(ImageName.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("hello-job", "hello-job:1.0.0"),
        ("Hello-Job:V1", "hello-job:v1"),
        ("team/hello:1", "hello:1"),
        ("registry.example.com:5000/team/hello:1", "hello:1"),
        ("a..b:1", "a.b:1"),
        ("a.-b:1", "a-b:1"),
        ("a___b:1", "a_b:1"),
        ("job:1.0+build.5", "job:1.0-build.5"),
        ("-job-:-1-", "job:1"),
        ("my job:1", "my-job:1"),
        ("job:1\n", "job:1"),
        ("jöb:1", "j-b:1"),
        ("job:\u0661", "job:1.0.0"),
        ("job:1:2", "job:1-2"),
        ("a" * 300 + ":1", "a" * 254 + ":1"),
        ("a:" + "1" * 129, "a:" + "1" * 128),
        ("a" * 300 + ":" + "1" * 300, "a" * 127 + ":" + "1" * 128),
        ("my-job:feature/x", "my-job:feature-x"),
        ("my-job:2024/11", "my-job:2024-11"),
        ("my-job:feature/x:y", "my-job:feature-x-y"),
        ("team/my-job:V1.0", "my-job:v1.0"),
        ("host:5000/team/my-job:1.0", "my-job:1.0"),
        ("registry.example.com:5000/team/my-job:feature/x", "my-job:feature-x"),
        ("localhost:5000/a", "a:1.0.0"),
        ("docker://x/y:1", "y:1"),
        ("my-job:1.0@sha256:" + "a" * 64, "my-job:1.0"),
        ("my-job:v1.0+build5", "my-job:v1.0-build5"),
        ("My-Job:1.0..a", "my-job:1.0..a"),
        ("my-job/:1", "my-job:1"),
    ],
)
def test_a_bad_name_is_refused_with_the_rule_and_a_name_that_would_do(
    text: str, suggestion: str
) -> None:
    with pytest.raises(InvalidNameError) as caught:
        ImageName.parse(text)
    assert "lower-case" in caught.value.cause
    assert repr(suggestion) in caught.value.hint
    assert str(ImageName.parse(suggestion)) == suggestion


@pytest.mark.parametrize(
    ("text", "part", "suggestion"),
    [
        ("", "NAME:TAG", "my-job:1.0.0"),
        (" ", "NAME:TAG", "my-job:1.0.0"),
        (":", "name in ':'", "my-job:1.0.0"),
        (":1", "name in ':1'", "my-job:1"),
        ("my-job:", "tag in 'my-job:'", "my-job:1.0.0"),
    ],
)
def test_an_empty_part_is_probably_a_variable_without_a_value(
    text: str, part: str, suggestion: str
) -> None:
    with pytest.raises(InvalidNameError, match=f"{part} is empty") as caught:
        ImageName.parse(text)
    assert "variable that is not set" in caught.value.cause
    assert repr(suggestion) in caught.value.hint


def test_a_missing_tag_is_named() -> None:
    with pytest.raises(InvalidNameError, match="'my-job' has no tag"):
        ImageName.parse("my-job")


@pytest.mark.parametrize(
    ("text", "variable", "cause"),
    [
        ("my-job:$TAG", "$TAG", "single quotes"),
        ("my-job:${CI_COMMIT_SHA}", "${CI_COMMIT_SHA}", "not defined in this job"),
        ("my-job:${TAG", "${TAG", "single quotes"),
        ("my-job:$(git describe)", "$(git describe)", "single quotes"),
        ("my-job:$", "$", "single quotes"),
        ("my-job:%TAG%", "%TAG%", "single quotes"),
        ("my-job:${{ github.sha }}", "${{ github.sha }}", "under `with:`"),
        ("my-job:{{ tag }}", "{{ tag }}", "under `with:`"),
        ("$[[ inputs.name ]]:1", "$[[ inputs.name ]]", "in its own file"),
    ],
)
def test_a_variable_that_was_not_expanded_is_named(text: str, variable: str, cause: str) -> None:
    with pytest.raises(InvalidNameError, match="not expanded") as caught:
        ImageName.parse(text)
    assert caught.value.message.endswith(f": {variable}")
    assert cause in caught.value.cause


@pytest.mark.parametrize("text", ["my-job:1.0", "50%", "a%20b%20c", "{a}", "[[a]]"])
def test_other_text_has_no_variable(text: str) -> None:
    assert find_unexpanded(text) is None


@given(st.text())
@example("_" * 300)
@example("a" + "_" * 200 + ":1")
@example("a" * 254 + "--b:1")
@example("\u0130:\u0130")
def test_what_is_suggested_is_always_a_name(text: str) -> None:
    ImageName.parse(suggest_name(text))


@given(
    st.from_regex(
        r"[a-z0-9]{1,130}((\.|__?|-{1,3})[a-z0-9]{1,9}){0,9}:[a-z0-9]{1,8}([._-]{1,3}[a-z0-9]{1,9}){0,9}",
        fullmatch=True,
    )
)
def test_a_good_name_is_its_own_suggestion(text: str) -> None:
    assert str(ImageName.parse(text)) == suggest_name(text) == text


LUSID = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*:[a-z0-9]+([._-]+[a-z0-9]+)*")
DOCKER = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@given(st.from_regex(r"[a-zA0._-]{1,6}:[a-zA0._-]{1,6}", fullmatch=True))
def test_accepted_is_what_both_lusid_and_docker_accept(text: str) -> None:
    both = bool(LUSID.fullmatch(text) and DOCKER.fullmatch(text))
    try:
        accepted = str(ImageName.parse(text)) == text
    except InvalidNameError:
        accepted = False
    assert accepted == both


@pytest.mark.parametrize(
    ("text", "host", "path", "tag"),
    [
        ("foo.lusid.com/foo/job:1", "foo.lusid.com", "foo/job", "1"),
        ("127.0.0.1:5000/local/job:1", "127.0.0.1:5000", "local/job", "1"),
        ("localhost/local/job:1", "localhost", "local/job", "1"),
    ],
)
def test_a_reference_has_host_path_and_tag(text: str, host: str, path: str, tag: str) -> None:
    reference = ImageReference.parse(text)
    assert (reference.host, reference.path, reference.tag) == (host, path, tag)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    ["job:1", "foo/job:1", "foo.com/job", "foo.com/:1", "foo.com/a b:1", "foo.com/Job:1", "/a:1"],
)
def test_what_docker_would_not_push_to_a_registry_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="not a reference"):
        ImageReference.parse(text)
