"""Pauses before storage is asked again: they grow, and no two replicas keep the same time."""

import random

from deployments.artifacts.storage_retry import StorageRetry

LONGEST_S = 15.0


def test_pauses_grow_up_to_the_longest():
    """Each is drawn below a ceiling that doubles, and never is next to nothing."""
    storage_retry = StorageRetry(0.5, LONGEST_S, random.Random(1))
    for n_failures in (*range(12), 1000):
        ceiling_s = min(0.5 * 2.0**n_failures, LONGEST_S) if n_failures < 12 else LONGEST_S
        for _ in range(50):
            assert 0.1 * ceiling_s <= storage_retry.pause_s(n_failures) <= ceiling_s


def test_replicas_do_not_come_back_in_the_same_instant():
    """A hundred replicas that met the same fault spread their next attempts over the whole pause."""
    pauses = sorted(StorageRetry().pause_s(10) for _ in range(100))
    assert len(set(pauses)) == 100
    assert pauses[-1] - pauses[0] > LONGEST_S / 2
