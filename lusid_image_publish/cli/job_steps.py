"""Do what the options about jobs declare: imported where a job is named, and nowhere else."""

from lusid_image_publish.jobs.follow_up import FollowUp
from lusid_image_publish.jobs.job_results import JobPolicy
from lusid_image_publish.publishing.lusid_tag import LusidTag


def look_at_jobs(tag: LusidTag, policy: JobPolicy) -> FollowUp:
    """Return the jobs that follow the publication of `tag`, having looked at them."""
    jobs = FollowUp(tag, policy)
    jobs.look()
    return jobs
