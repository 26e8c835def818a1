"""Replies whose signal was lost are found at the next look."""

import asyncio
from queue import Empty
from types import SimpleNamespace

import pytest

from practicals.publish import listening


class Channel:
    """A channel that, like an edge that was swallowed, has its message at a later look only."""

    def __init__(self, looks):
        self.looks, self.waited = looks, []

    async def get_msg(self, timeout=None):
        self.waited.append(timeout)
        if timeout is None or len(self.waited) < self.looks:
            raise Empty
        return "reply"


def listen(looks, timeout=None):
    channel = Channel(looks)
    client = SimpleNamespace(kc=SimpleNamespace(shell_channel=channel))
    assert listening.attentive(client) is client
    client.on_notebook_start(notebook=None)
    return channel, asyncio.run(channel.get_msg(timeout))


def test_without_a_limit_it_looks_until_the_reply_is_there():
    channel, found = listen(looks=5)
    assert found == "reply" and channel.waited == [listening.EVERY] * 5


def test_a_limit_ends_the_waiting():
    with pytest.raises(Empty):
        listen(looks=9, timeout=2.5 * listening.EVERY)
