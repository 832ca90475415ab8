"""plan_publication(): plan a publication, changing nothing outside the local engine."""

from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.claim import require_no_image
from lusid_image_publish.publishing.latest import LATEST, judge_latest
from lusid_image_publish.publishing.policy import Policy
from lusid_image_publish.publishing.results import LatestOutcome, Plan, PlannedAction
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.sources.source import Source


def plan_publication(
    source: Source, run: Run, policy: Policy | None = None, *, build: bool = True
) -> Plan:
    """Do the steps of publish() before `upload_image`, and return the plan for the rest.

    `build` says whether to build a Dockerfile. Raises the errors of these steps.
    """
    policy = policy or Policy()
    existing = run.lusid.look_up()
    require_no_image(existing, run.name, policy)
    if existing:
        _warn_if_unlisted(existing, run)
    is_skipped = existing is not None and policy.if_exists == "skip"
    image = None
    if not is_skipped and (build or not source.is_built):
        with source.open_for_platform(run.image_request()) as found:
            found.verify()
            image = found
    if existing is None:
        action: PlannedAction = "push"
    elif is_skipped:
        action = "skip"
    elif image and not image.may_be_index and image.has_digest(existing.digest):
        action = "nothing"
    else:
        action = "compare"
    return Plan(
        name=run.name,
        source=str(source),
        scheduler_url=run.lusid.images.settings.scheduler_url,
        action=action,
        forced=policy.force,
        image_id=image.id if image else None,
        platform=image.platform if image else None,
        size=image.size if image else None,
        existing_digest=existing.digest if existing else None,
        latest=_latest(existing, run) if policy.latest else None,
    )


def _warn_if_unlisted(existing: Image, run: Run) -> None:
    """Warn where `list_images` does not have what `get_image` has: a publication would wait."""
    digest = run.lusid.require_digest(existing).digest
    listed = [image.digest for image in run.lusid.find_in_list()]
    if digest not in listed:
        shown = ", ".join(other or "no digest" for other in listed) or "nothing"
        run.notify(
            Warned(
                f"LUSID's get_image has {run.name} with {digest}, but list_images has {shown} "
                "under the tag. A publication would wait for them to agree (--wait-timeout)."
            )
        )


def _latest(existing: Image | None, run: Run) -> LatestOutcome:
    latest = run.lusid.with_tag(LATEST)
    run.notify(StepStarted(f"Checking LUSID for {latest.name}", "Nothing was changed."))
    found = latest.find()
    run.notify(StepDone("already in LUSID" if found else "not in LUSID yet"))
    return judge_latest(found, existing, run.name.tag)
