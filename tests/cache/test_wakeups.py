"""Wake-ups: a commit of events reaches a listener, also after the cache server was away."""

import queue

import pytest

from orchestrator import actions
from orchestrator.cache.wakeups import Listener
from tests.polling import wait_until


@pytest.mark.django_db(transaction=True)
def test_a_listener_hears_of_each_commit_of_events(own_cache):
    server, heard = own_cache(), queue.SimpleQueue()
    listener = Listener(lambda: heard.put(None))
    assert not listener.listening
    listener.start()
    wait_until(lambda: listener.listening, what="the first response of the cache server")
    heard.get(timeout=30)  # something may have been committed before
    actions.create_task(title="no event")
    assert heard.empty()
    actions.record_event(type="x", payload={})
    heard.get(timeout=30)
    server.kill()
    wait_until(lambda: not listener.listening, what="the end of the connection")
    server.start()
    wait_until(lambda: listener.listening, what="the second response of the cache server")
    heard.get(timeout=30)
    server.freeze()
    wait_until(lambda: not listener.listening, what="that a ping gets no response")
    server.thaw()
    listener.stop()
