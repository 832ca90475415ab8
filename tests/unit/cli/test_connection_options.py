"""How to reach LUSID, as the options say it."""

from collections.abc import Callable

import click
import pytest

from lusid_image_publish.cli import images, publish
from lusid_image_publish.cli.connection import configure
from lusid_image_publish.cli.connection_options import connection_of
from lusid_image_publish.config import Settings
from lusid_image_publish.errors import ConfigurationError

HTTP = "http://foo.lusid.com/scheduler2"


def settings_of_publish(*arguments: str) -> Settings:
    words = [*arguments, "./Dockerfile", "job:1.0"]
    context = publish.command.make_context("lusid-publish", words)
    return configure(connection_of(context, context.params))


def settings_of_images(*arguments: str) -> Settings:
    group = images.command.make_context("lusid-images", ["get", *arguments, "job:1.0"])
    command = images.command.get_command(group, "get")
    assert isinstance(command, click.Command)
    context = command.make_context("get", [*arguments, "job:1.0"], parent=group)
    return configure(connection_of(context, context.params))


@pytest.mark.parametrize("settings_of", [settings_of_publish, settings_of_images])
def test_http_is_refused_unless_the_option_allows_it(
    settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FBN_SCHEDULER_URL", HTTP)
    with pytest.raises(ConfigurationError, match="starts with http://") as caught:
        settings_of()
    assert "FBN_SCHEDULER_URL" in caught.value.cause
    settings = settings_of("--allow-http")
    assert (settings.scheduler_url, settings.allow_http) == (HTTP, True)
    assert settings.origins["allow_http"] == "command line --allow-http"


@pytest.mark.parametrize(("value", "allowed"), [("true", True), ("false", False), ("", False)])
def test_a_variable_allows_it_too(
    monkeypatch: pytest.MonkeyPatch, value: str, *, allowed: bool
) -> None:
    monkeypatch.setenv("LUSID_PUBLISH_ALLOW_HTTP", value)
    settings = settings_of_publish("--scheduler-url", "https://foo.lusid.com/scheduler2")
    assert settings.allow_http is allowed
    if allowed:
        origin = settings.origins["allow_http"]
        assert origin == "environment variable LUSID_PUBLISH_ALLOW_HTTP"
