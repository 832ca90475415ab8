"""The first hour at a terminal of 80 columns: what each command says to do next works."""

import re
import shlex
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from lusid_image_publish.errors import ExitCode
from tests.integration.parts import ROOT, Job, command_environment
from tests.pseudo_terminal import Shown, run_on_terminal

COLUMNS = 80
SCRIPTS = Path(sysconfig.get_path("scripts"))


@dataclass
class Newcomer:
    """Somebody in a folder with a Dockerfile, who has set nothing."""

    folder: Path
    volume: str

    def types(self, line: str, code: ExitCode = ExitCode.DONE) -> Shown:
        program, *arguments = shlex.split(line)
        shown = run_on_terminal(
            [str(SCRIPTS / program), *arguments],
            columns=COLUMNS,
            environ=command_environment(LUSID_LOCAL_VOLUME=self.volume),
            folder=str(self.folder),
        )
        assert shown.code == code, "\n".join(shown.lines)
        ours = [line for line in shown.lines if not line.startswith("    | ")]  # not the builder's
        for written in ours:
            for digest in re.finditer("sha256:[0-9a-f]{64}", written):
                assert digest.end() <= COLUMNS, f"the terminal cuts the digest: {written}"
        return shown


@pytest.fixture
def newcomer(job: Job, own_volume: str, clean_engine: object) -> Newcomer:
    assert clean_engine
    return Newcomer(job.folder, own_volume)


def test_a_newcomer_comes_to_a_published_image_by_what_the_commands_say(
    newcomer: Newcomer, repository: str
) -> None:
    swapped = newcomer.types(f"lusid-publish {repository}:1.0.0 .", ExitCode.USAGE)
    [advice] = re.findall(r"SOURCE comes first: `(.+)`", swapped.text)
    without_lusid = newcomer.types(advice, ExitCode.USAGE)
    assert "use --local" in without_lusid.text
    published = newcomer.types(f"{advice} --local")
    digest, sentence, look = published.lines[-3:]
    assert sentence.startswith(f"Published {repository}:1.0.0, ")
    assert not any("LUSID" in line for line in published.lines), "it is the local Scheduler"
    looked = newcomer.types(look.removeprefix("To look at it: "))
    assert digest in "\n".join(looked.lines)


def test_a_newcomer_sees_the_images_in_80_columns(newcomer: Newcomer, repository: str) -> None:
    for tag in ("1.0.0", "1.1.0"):
        newcomer.types(f"lusid-publish . {repository}:{tag} --local")
    listed = newcomer.types(f"lusid-images --local list {repository}")
    assert "1.0.0" in "\n".join(listed.lines)
    assert max(map(len, listed.lines)) <= COLUMNS


def test_the_readme_s_gate_fails_with_the_example_s_findings(
    newcomer: Newcomer, repository: str
) -> None:
    findings = (ROOT / "examples/scan-findings.json").read_text().replace("my-job", repository)
    (newcomer.folder / "scan-findings.json").write_text(findings)
    command = f"lusid-publish --local . {repository}:1.0.0 --fail-on high"
    failed = newcomer.types(f"{command} --scan-findings scan-findings.json", ExitCode.SCAN_GATE)
    assert "high CVE-2026-1234 in openssl (fixed in 3.0.2)" in failed.text
    passed = newcomer.types(command)
    assert "--local does not scan images" in passed.text, "it says that this proves nothing"


def test_the_doctor_says_that_the_first_publication_would_start(
    newcomer: Newcomer, repository: str
) -> None:
    seen = newcomer.types(f"lusid-images doctor . {repository}:1.0.0 --local")
    assert seen.lines[-1] == "publishing would start"
