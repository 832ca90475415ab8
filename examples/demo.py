"""The whole way on this machine: a Scheduler, a build, a publication, the proof of it, and a run.

`make demo` runs it. Each command is shown as a person would type it.
"""

import os
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from json import dumps, loads
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "hello-job:1.0.0"
JOB = "me/hello-job"
TAG_EXISTS = 11  # what lusid-publish exits with when the tag has another image
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without a proxy: everything here is on this machine."""


def show(command: str) -> None:
    """Show a command on stderr, in the order in which things happen."""
    sys.stderr.write(f"\n$ {command}\n")
    sys.stderr.flush()


def main() -> int:
    """Return 0 when the registry has the digest that lusid-publish printed, and the job ran."""
    with tempfile.TemporaryDirectory(prefix="lusid-demo-") as folder:
        env_file = Path(folder, "local.env")
        arguments = ["--env-file", str(env_file), "--job", JOB]
        show(f"lusid-scheduler-local {' '.join(arguments)} &")
        with subprocess.Popen(
            [sys.executable, "-m", "lusid_image_publish.cli.local", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                if not wait_until_ready(server):
                    return 1
                return publish_and_run(env_file)
            finally:
                server.terminate()


def wait_until_ready(server: subprocess.Popen[str]) -> bool:
    """Pass on what the server says until it is ready; return False when it ends before that."""
    for line in server.stderr or ():
        sys.stderr.write(line)
        if line.startswith("ready"):
            return True
    return False


def publish_and_run(env_file: Path) -> int:
    """Publish, look the digest up in the registry itself, and run the job."""
    variables = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    show(f"set -a; . {env_file}; set +a")
    published = publish(variables)
    if published.returncode == TAG_EXISTS:
        sys.stderr.write("\nAn earlier demo published another build under this tag: delete that.\n")
        delete(variables)
        published = publish(variables)
    if published.returncode != 0:
        return published.returncode
    digest = published.stdout.strip()
    found = digest_in_registry(variables)
    if found != digest:
        sys.stderr.write(f"The registry has {found or 'nothing'}, not {digest}.\n")
        return 1
    sys.stderr.write("The registry has the same digest:\n")
    sys.stderr.flush()
    sys.stdout.write(f"{digest}\n")
    sys.stdout.flush()
    return run("lusid-jobs", "jobs", ["run", JOB], variables).returncode


def publish(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build and publish the image, and point the job at it."""
    arguments = ["examples/hello-job/Dockerfile", NAME, "--job", JOB]
    return run("lusid-publish", "publish", arguments, variables, stdout=subprocess.PIPE)


def run(
    program: str,
    module: str,
    arguments: list[str],
    variables: dict[str, str],
    stdout: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would."""
    show(f"{program} {' '.join(arguments)}")
    return subprocess.run(
        [sys.executable, "-m", f"lusid_image_publish.cli.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=stdout,
        text=True,
        check=False,
    )


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


def delete(variables: dict[str, str]) -> None:
    """Delete the image from the Scheduler."""
    show(f"curl -X DELETE $FBN_SCHEDULER_URL/api/images/{NAME}")
    call(variables, "DELETE", f"/api/images/{NAME}")


def digest_in_registry(variables: dict[str, str]) -> str:
    """Return the digest of the manifest that the registry serves for the published tag.

    The Scheduler gives a credential for the repository with the instructions for any tag of it.
    """
    wanted = dumps({"imageName": "hello-job:confirm"}).encode()
    instructions = loads(call(variables, "POST", "/api/images", wanted))
    _, _, _, user, _, password, host = instructions["dockerLoginCommand"].split()
    repository, tag = NAME.split(":")
    url = f"http://{host}/v2/local/{repository}/manifests/{tag}"
    show(f"curl -u {user}:*** {url}")
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
