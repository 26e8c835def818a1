"""A client of a kernel that does not wait for a reply it has already got."""

from queue import Empty
from typing import Any

EVERY = 2.0
"""Seconds after which the shell channel is looked at again."""


def attentive(client: Any) -> Any:
    """Let nbclient's client look at its shell channel every few seconds; return it.

    The state of a widget is sent on the socket from which replies are read, which may swallow the
    signal that one is there: without a second look the run would wait for ever.
    """

    def begin(notebook: Any) -> None:
        channel = client.kc.shell_channel
        wait = channel.get_msg

        async def get_msg(timeout: float | None = None) -> Any:
            left = float("inf") if timeout is None else timeout
            while True:
                try:
                    return await wait(min(left, EVERY))
                except Empty:
                    left -= EVERY
                    if left <= 0:
                        raise

        channel.get_msg = get_msg

    client.on_notebook_start = begin
    return client
