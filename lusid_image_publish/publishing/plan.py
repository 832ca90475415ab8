"""plan_publication(): what publish() would do, changing nothing outside the local engine."""

from dataclasses import dataclass
from typing import Literal

from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.existing import (
    digest_of,
    find,
    find_in_list,
    is_known_as,
    look_up,
    require_no_image,
)
from lusid_image_publish.publishing.latest import LATEST, LatestOutcome, judge_latest
from lusid_image_publish.publishing.obtain import obtain_image
from lusid_image_publish.publishing.run import Policy, Run
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.sources.source import DockerfileSource, Source

Action = Literal["push", "nothing", "compare", "skip"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a publication would do with `source`, a path or a reference.

    `action` is `push`; `nothing`, when LUSID has this very image; `skip`, when it has one that is
    taken as it is; `compare`, when it has one that can be compared only with a credential, which is
    not asked for here: the same image would be left alone, another one be refused, or be replaced
    if that was `forced`. `image_id`, `platform` and `size` (bytes, as the image is kept here) are
    None when nothing was built. `existing_digest` is None when LUSID has nothing under the name;
    `latest` is what would become of that tag, None when it is not asked for.
    """

    name: ImageName
    source: str
    scheduler_url: str
    action: Action
    forced: bool
    image_id: str | None
    platform: str | None
    size: int | None
    existing_digest: str | None
    latest: LatestOutcome | None


def plan_publication(
    source: Source, run: Run, policy: Policy | None = None, *, build: bool = True
) -> Plan:
    """Do what publish() does up to `upload_image`, and say what it would go on with.

    `build` says whether a Dockerfile is built. Raises what publish() would raise as far as that is
    known by then.
    """
    policy = policy or Policy()
    existing = look_up(run)
    require_no_image(existing, run, policy)
    if existing:
        _say_if_unlisted(existing, run)
    is_skipped = existing is not None and policy.if_exists == "skip"
    image = None
    if not is_skipped and (build or not isinstance(source, DockerfileSource)):
        with obtain_image(source, run) as found:
            image = found
    if existing is None:
        action: Action = "push"
    elif is_skipped:
        action = "skip"
    elif image and not image.may_be_index and is_known_as(image, existing.digest):
        action = "nothing"
    else:
        action = "compare"
    return Plan(
        name=run.name,
        source=str(source),
        scheduler_url=run.settings.scheduler_url,
        action=action,
        forced=policy.force,
        image_id=image.id if image else None,
        platform=image.platform if image else None,
        size=image.size if image else None,
        existing_digest=existing.digest if existing else None,
        latest=_latest(existing, run) if policy.latest else None,
    )


def _say_if_unlisted(existing: Image, run: Run) -> None:
    """Warn where `list_images` does not have what `get_image` has: a publication would wait."""
    digest = digest_of(existing, run)
    listed = [image.digest for image in find_in_list(run)]
    if digest not in listed:
        shown = ", ".join(other or "no digest" for other in listed) or "nothing"
        run.listener(
            Warned(
                f"LUSID's get_image has {run.name} with {digest}, but list_images has {shown} "
                "under the tag. A publication would wait for them to agree (--wait-timeout)."
            )
        )


def _latest(existing: Image | None, run: Run) -> LatestOutcome:
    latest = run.under(LATEST)
    run.listener(StepStarted(f"Looking at LUSID for {latest.name}", "Nothing was changed."))
    there = find(latest)
    run.listener(StepDone("LUSID has it already" if there else "LUSID has none yet"))
    return judge_latest(there, existing, run.name.tag)
