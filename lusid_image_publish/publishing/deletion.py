"""The deletion of one image, and the look that it is gone."""

from typing import Final

from lusid_image_publish.errors import UnexpectedAnswerError
from lusid_image_publish.publishing.existing import PASSING_FAILURES, find_for_sure
from lusid_image_publish.publishing.run import Watch
from lusid_image_publish.waiting import Deadline, poll

_SETTLING: Final = 10.0
"""Seconds for which LUSID may still show a tag that it has deleted."""


def delete_image(watch: Watch) -> str:
    """Delete the image under the name; return what the service says once the tag is gone.

    Raises `UnexpectedAnswerError` when the tag is still there after a while, and what the Images
    API raises.
    """
    said = watch.images.delete_image(str(watch.name))
    look = _Look(watch)
    gone = poll(
        look,
        deadline=Deadline(_SETTLING, clock=watch.clock),
        pauses=watch.limits.pauses(first=0.15, quick_for=1),
        sleep=watch.sleep,
    )
    if not gone:
        raise UnexpectedAnswerError(
            f"LUSID answered that {watch.name} is deleted, but {look.seen}.",
            cause="LUSID deletes later, or somebody published the tag again at the same time.",
            hint=f"Look again with `lusid-images get {watch.name}`, and delete it again if it is "
            "still there.",
            operation="get_image",
        )
    return said


class _Look:
    """Looks whether the tag is gone, and remembers what it saw last."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.seen = "it was not looked at"

    def __call__(self) -> bool | None:
        """Return True once LUSID has nothing under the name, None until then."""
        try:
            image = find_for_sure(self._watch)
        except PASSING_FAILURES as error:
            self.seen = f"whether it is gone cannot be seen: {error.message.rstrip('.')}"
            return None
        if image is None:
            return True
        self.seen = f"still shows it ({image.digest or 'no digest'})"
        return None
