"""The connections of a push over HTTP, which end when that lasts or is silent for too long."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from lusid_image_publish.push.watchdog import Watchdog
from lusid_image_publish.waiting import Deadline

_CONNECTED: Final = (".connect_tcp.complete", ".start_tls.complete")


class Line:
    """All connections that are made with `extensions`; a context manager.

    They are shut down when `deadline` passes, or `idle` seconds after the last `fed()`. `ended`
    says why, empty while they are not.
    """

    def __init__(self, deadline: Deadline, *, idle: float) -> None:
        self._watchdog = Watchdog(self._shut_down, deadline, idle=idle)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._watchdog.__enter__()
        self._watchdog.fed()
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.__exit__()

    @property
    def ended(self) -> str:
        """Why the connections were shut down, empty when they were not."""
        return self._watchdog.bark

    @property
    def extensions(self) -> dict[str, Any]:
        """What a request needs for its connection to be one of these."""
        return {"trace": self._traced}

    def fed(self) -> None:
        """Take note that something was sent or came."""
        self._watchdog.fed()

    def _traced(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(_CONNECTED):
            self._sockets.append(info["return_value"].get_extra_info("socket"))
            if self.ended:
                self._shut_down()

    def _shut_down(self) -> None:
        for found in tuple(self._sockets):
            with suppress(OSError):  # it has ended already
                # Not TLS's own, which would wait for the other side and change what is in use.
                socket.socket.shutdown(found, socket.SHUT_RDWR)
