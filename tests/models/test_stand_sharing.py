import threading

import numpy as np
import pytest

from visavis.models.puppet import stand
from visavis.models.puppet.renderer import Puppet
from visavis.stages.animators.puppet import PuppetAnimator
from visavis.stages.avatars import store

pytestmark = pytest.mark.assets


def _idle(performance, count=30):
    return [performance.idle().image for _ in range(count)]


def test_a_second_session_with_the_same_avatar_makes_no_second_puppet(monkeypatch):
    PuppetAnimator(size=256).open(store.load("mei"))

    def refuse(*_, **__):
        raise AssertionError("a puppet was made again")

    monkeypatch.setattr(stand, "Puppet", refuse)
    PuppetAnimator(size=256).open(store.load("mei"))


def test_sessions_that_share_a_puppet_do_not_mix():
    alone = _idle(PuppetAnimator(size=256).open(store.load("mei")))
    performances = [PuppetAnimator(size=256).open(store.load("mei")) for _ in range(3)]
    shown = {}
    threads = [
        threading.Thread(target=lambda k=k, p=p: shown.__setitem__(k, _idle(p)))
        for k, p in enumerate(performances)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 3
    for frames in shown.values():
        np.testing.assert_array_equal(frames, alone)


def test_closing_one_leaves_the_other():
    first, second = (PuppetAnimator(size=256).open(store.load("mei")) for _ in range(2))
    first.close()
    assert second.idle().image.any()


def test_few_puppets_are_kept():
    kept = stand._Prepared()
    made = []

    def make(name):
        def puppet():
            made.append(name)
            return object.__new__(Puppet)

        return puppet

    for name in [b"a", b"b", b"c", b"a", b"d", b"a", b"b"]:
        kept.take(name, make(name))
    assert made == [b"a", b"b", b"c", b"d", b"b"]
