"""The server's own rule for names."""

import pytest

from lusid_image_publish.local_scheduler.documents import is_domain, is_repository, split_name


@pytest.mark.parametrize(
    "name",
    [
        "a:1",
        "hello-job:1.0.0",
        "a_b__c.d:latest",
        "a---b:1_._2",
        "a" * 254 + ":1",
        "a:" + "1" * 254,
    ],
)
def test_names_that_the_service_takes(name: str) -> None:
    assert split_name(name) == tuple(name.split(":"))


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "a:", ":1", "A:1", "a:V1", "a:1:2", "a/b:1", "host:5000/a:1", "a:1+2"),
        *("-a:1", "a-:1", "a..b:1", "a.-b:1", "a___b:1", "é:1", "a:\uff11", "a:1\n"),
        *("a:" + "1" * 255, "a" * 255 + ":1"),
    ],
)
def test_names_that_it_or_a_registry_refuses(name: str) -> None:
    assert split_name(name) is None


def test_a_run_of_underscores_is_refused_without_trying_for_ever() -> None:
    assert split_name("a" + "_" * 250 + ":1") is None


def test_repositories_and_domains() -> None:
    assert is_repository("a_b.c-d")
    assert not is_repository("a/b")
    assert is_domain("fbn-prd")
    assert not is_domain("a.b")
