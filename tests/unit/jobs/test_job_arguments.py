"""The arguments of a run are checked, and the secret ones are hidden."""

import json
from typing import Any

import httpx
import pytest

from lusid_image_publish.errors import ConfigurationError, JobRunError
from lusid_image_publish.jobs.job_arguments import require_arguments, secrets_of
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import JobOutput
from lusid_image_publish.redact import redact
from lusid_image_publish.scheduler.job_models import JobDefinition
from tests.unit.jobs.runs import ENDED, run
from tests.unit.jobs.service import Service, is_to


def definition(**arguments: dict[str, Any]) -> JobDefinition:
    document = {"jobId": {"scope": "me", "code": "my-job"}, "argumentDefinitions": arguments}
    return JobDefinition.read(json.dumps(document).encode())


WANTED = definition(
    day={"dataType": "Int", "required": True},
    name={"dataType": "String", "required": True, "defaultValue": ""},
    key={"dataType": "SecureString"},
)


KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----"


@pytest.mark.parametrize(
    "written",
    [KEY, KEY.replace("\n", "\r\n"), KEY.replace("\n", "\nINFO "), KEY.replace("\n", " ")],
    ids=["whole", "CRLF", "logged", "one line"],
)
def test_a_secret_of_several_lines_is_hidden_in_the_output(written: str) -> None:
    require_arguments(WANTED, {"day": "1", "key": KEY})
    service = Service(runs=[ENDED], console=f"the key is\n{written}\n")
    run(service)
    assert "MIIEvQ" not in str(service.events)


def test_a_secret_that_a_job_has_by_default_is_hidden() -> None:
    service = Service()
    secret = '{"K": {"dataType": "securestring", "defaultValue": "a-default-secret"}}'
    service.add(argumentDefinitions=secret)
    with service.target() as target:
        target.get()
    assert "a-default-secret" not in redact("it says a-default-secret")


def test_short_secrets_and_lines_are_hidden_in_what_a_run_says_and_nowhere_else() -> None:
    arguments = {"day": "1", "key": "0397\nhunter2"}
    require_arguments(WANTED, arguments)
    service = Service(runs=[ENDED], console="pin 0397, then hunter2\n")
    run(service, arguments=arguments, secrets=secrets_of(WANTED, arguments))
    (shown,) = [event.line for event in service.events if isinstance(event, JobOutput)]
    assert shown == "pin ***, then ***"
    assert redact("sha256:10397") == "sha256:10397"


def test_what_a_refusal_says_of_a_short_secret_is_hidden() -> None:
    refusal = httpx.Response(403, json={"code": 1, "title": "0397 is wrong"})
    service = Service(instead=lambda request: refusal if is_to(request, "POST", "") else None)
    with pytest.raises(JobRunError) as caught:
        run(service, secrets=("0397",))
    assert "0397" not in caught.value.message


def test_a_secret_that_is_part_of_the_names_does_not_hide_them() -> None:
    require_arguments(WANTED, {"day": "1", "key": "prod-job-eu"}, ImageName("prod-job-eu", "1.0"))
    assert redact("prod-job-eu:1.0") == "prod-job-eu:1.0"


def test_ordinary_words_stay_though_a_secret_has_them() -> None:
    require_arguments(WANTED, {"day": "1", "key": "true"})
    assert redact("unchanged=true") == "unchanged=true"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"day": "1", "Day": "2"}, "no argument 'Day'"),
        ({}, "requires the argument 'day'"),
        ({"day": "x"}, "whole number"),
        ({"day": ""}, "whole number"),
        ({"day": "1", "a\x1b": "2"}, "no argument"),
    ],
)
def test_arguments_that_the_job_cannot_have_are_refused(
    arguments: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_arguments(WANTED, arguments)
    assert words in caught.value.message
    assert caught.value.message.isprintable()


def test_the_value_of_a_secret_argument_is_hidden_from_then_on() -> None:
    require_arguments(WANTED, {"day": "-7", "key": "s3cret-value"})
    assert "s3cret-value" not in redact("the job says s3cret-value")


def test_a_job_without_arguments_says_so() -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_arguments(definition(), {"x": "1"})
    assert caught.value.cause == "It takes no arguments."
