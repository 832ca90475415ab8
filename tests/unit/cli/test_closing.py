"""The last words of a publication, and the name that the service has with --local."""

import pytest

from lusid_image_publish.cli.closing import closing_sentence, look_command
from lusid_image_publish.cli.console import Console
from lusid_image_publish.errors import ServerError
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import BuildOutput, JobOutput, Note, StepStarted, Warned
from lusid_image_publish.publishing.results import PublishResult

NAME = ImageName.parse("hello-job:1.0.0")


@pytest.mark.parametrize(
    ("outcome", "size", "seconds", "sentence"),
    [
        ("published", 128_000_000, 7.4, "Published hello-job:1.0.0, 128.0 MB in 7.4 s"),
        ("published", None, 125.0, "Published hello-job:1.0.0 in 125 s"),
        (
            *("unchanged", 2_100_000, 0.5),
            "hello-job:1.0.0 was already in LUSID, 2.1 MB, checked in 0.5 s",
        ),
        ("skipped", None, 0.5, "hello-job:1.0.0 exists in LUSID and was left as it is"),
    ],
)
def test_a_publication_ends_with_one_sentence(
    outcome: str, size: int | None, seconds: float, sentence: str
) -> None:
    result = PublishResult(name=NAME, outcome=outcome, digest="sha256:ab", size=size)  # type: ignore[arg-type]
    assert closing_sentence(result, seconds) == sentence
    assert look_command(result).endswith("lusid-images get hello-job:1.0.0 --local")


def test_with_local_the_service_has_its_own_name_and_others_words_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = Console()
    view.is_local = True
    view.listen(StepStarted("Asking LUSID for hello:1"))
    view.listen(Note("LUSID has it. LUSID's list too; LUSID_PUBLISH_NAME stays"))
    view.listen(Note("ask the LUSID Scheduler, the LUSID domain"))
    view.listen(BuildOutput("the builder speaks of LUSID"))
    view.listen(JobOutput("Hello from LUSID"))
    view.listen(Warned("LUSID is slow"))
    view.remark("wrote /home/me/LUSID/job.tar, LUSID-1.tar and C:\\LUSID\\job.tar for LUSID")
    view.show_error(ServerError("LUSID failed.", cause="LUSID hangs.", hint="Ask LUSID again."))
    assert capsys.readouterr().err.splitlines() == [
        "==> Asking the local Scheduler for hello:1",
        "    The local Scheduler has it. The local Scheduler's list too; LUSID_PUBLISH_NAME stays",
        "    ask the local Scheduler, the LUSID domain",
        "    | the builder speaks of LUSID",
        "    | Hello from LUSID",
        "warning: The local Scheduler is slow",
        "wrote /home/me/LUSID/job.tar, LUSID-1.tar and C:\\LUSID\\job.tar for the local Scheduler",
        "Error: The local Scheduler failed.",
        "Likely cause: The local Scheduler hangs.",
        "Next step: Ask the local Scheduler again.",
    ]
