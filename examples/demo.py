"""Show the whole process on this machine: start a Scheduler, build, publish, verify and run.

`make demo` runs this. Each command is shown as you would type it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from json import dumps, loads
from pathlib import Path
from urllib.error import HTTPError

from lusid_image_publish.cli.folding import fold

ROOT = Path(__file__).parents[1]
NAME = "hello-job:1.0.0"
JOB = "me/hello-job"
ENV_FILE = "local.env"
BUILD_OUTPUT = "    |"  # the start of each line of the builder
NOT_FOUND = 404
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Uses no proxy, because everything is on this machine."""

NEXT = """
Done. Try next:
  {publish} --local path/to/Dockerfile my-job:1.0.0
      publish your own Dockerfile to a Scheduler on this machine
  {publish} --local hello-job:1.0.0 my-job:1.1.0 \\
      --fail-on high --scan-findings examples/scan-findings.json
      see a scan that breaks your policy
  {images} doctor
      see what is missing to publish to your LUSID
  README.md
      publish to your LUSID, from a shell, GitHub Actions or GitLab CI
"""


def say(text: str) -> None:
    """Write a line to stderr, in the order in which things happen."""
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
    sys.stderr.write("".join(f"{fold(line, columns)}\n" for line in text.splitlines()))
    sys.stderr.flush()


def show(command: str) -> None:
    """Show a command."""
    say(f"$ {command}")


def main() -> int:
    """Return 0 when the registry has the digest that lusid-publish printed, and the job ran."""
    say("This publishes an image to a LUSID Scheduler on this machine and runs it as a job.")
    with tempfile.TemporaryDirectory(prefix="lusid-demo-") as folder:
        env_file = Path(folder, ENV_FILE)
        say("\n1. Start the Scheduler, with a registry and a job")
        show(f"lusid-scheduler-local --env-file {ENV_FILE} --job {JOB} &")
        with subprocess.Popen(
            [*module("local"), "--env-file", str(env_file), "--job", JOB],
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                code = 1 if not wait_until_ready(server) else publish_and_run(env_file)
            finally:
                server.terminate()
    if code == 0:
        say(NEXT.format(publish=typed("lusid-publish"), images=typed("lusid-images")))
    return code


def module(name: str) -> list[str]:
    """Return the arguments that run a command with this Python."""
    return [sys.executable, "-m", f"lusid_image_publish.cli.{name}"]


def typed(program: str) -> str:
    """Return the command to type in this folder to run a program of this Python."""
    script = Path(sys.executable).with_name(program)
    if not script.exists():
        return program
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def wait_until_ready(server: subprocess.Popen[str]) -> bool:
    """Print the server's output until it is ready; return False if it stops before that."""
    for line in server.stderr or ():
        say(line.rstrip("\n"))
        if line.startswith("ready"):
            return True
    return False


def publish_and_run(env_file: Path) -> int:
    """Publish, check the digest in the registry itself, and run the job."""
    variables = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    show(f"set -a; . ./{ENV_FILE}; set +a")
    say("\n2. Build the image, publish it, and let the job use it")
    code, digest = publish(variables)
    if code != 0:
        return code
    say("\n3. Ask the registry itself which image it has")
    found = digest_in_registry(variables)
    if found != digest:
        say(f"The registry has {found or 'nothing'}, not {digest}.")
        return 1
    sys.stdout.write(f"{digest}\n")
    sys.stdout.flush()
    say("This is the digest that lusid-publish printed.")
    say("\n4. Run the job")
    show(f"lusid-jobs run {JOB}")
    return subprocess.run(
        [*module("jobs"), "run", JOB], env=os.environ | variables, check=False
    ).returncode


def publish(variables: dict[str, str]) -> tuple[int, str]:
    """Build and publish the image for the job; return the exit code and the digest.

    The lines of the builder are shown only if it fails.
    """
    arguments = ["examples/hello-job/Dockerfile", NAME, "--job", JOB]
    if exists(variables):
        say(f"An earlier demo published {NAME}; --force replaces it if this build differs.")
        arguments.append("--force")
    show(f"lusid-publish {' '.join(arguments)}")
    with subprocess.Popen(
        [*module("publish"), *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        build = pass_on(process)
        digest = process.stdout.read().strip() if process.stdout else ""
    if process.returncode != 0:
        sys.stderr.writelines(build)
    return process.returncode, digest


def pass_on(process: subprocess.Popen[str]) -> list[str]:
    """Print a command's output, except the lines of the builder; return those."""
    build = []
    for line in process.stderr or ():
        if line.startswith(BUILD_OUTPUT):
            build.append(line)
        else:
            say(line.rstrip("\n"))
    return build


def call(variables: dict[str, str], method: str, path: str, body: bytes | None = None) -> bytes:
    """Send a request to the local Scheduler and return the answer."""
    request = urllib.request.Request(  # noqa: S310  # the URL is the local Scheduler's
        f"{variables['FBN_SCHEDULER_URL']}{path}",
        method=method,
        data=body,
        headers={
            "Authorization": f"Bearer {variables['FBN_ACCESS_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    with DIRECT.open(request) as answer:
        return bytes(answer.read())


def exists(variables: dict[str, str]) -> bool:
    """Return whether the Scheduler has an image under the name."""
    try:
        call(variables, "GET", f"/api/images/{NAME}")
    except HTTPError as error:
        if error.code != NOT_FOUND:
            raise
        return False
    return True


def digest_in_registry(variables: dict[str, str]) -> str:
    """Return the digest of the manifest that the registry serves for the published tag.

    The upload instructions for any tag contain a credential for the whole repository.
    """
    wanted = dumps({"imageName": "hello-job:confirm"}).encode()
    instructions = loads(call(variables, "POST", "/api/images", wanted))
    _, _, _, user, _, password, host = instructions["dockerLoginCommand"].split()
    repository, tag = NAME.split(":")
    url = f"http://{host}/v2/local/{repository}/manifests/{tag}"
    show(f"curl -I -u {user}:*** {url}")
    manifest = urllib.request.Request(
        url,
        headers={
            "Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode(),
            "Accept": "application/vnd.docker.distribution.manifest.v2+json, "
            "application/vnd.oci.image.manifest.v1+json",
        },
    )
    with DIRECT.open(manifest) as answer:
        return str(answer.headers["Docker-Content-Digest"])


if __name__ == "__main__":
    sys.exit(main())
