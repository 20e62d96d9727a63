"""Every job belongs to exactly one shard, whatever their number."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ids import new_id
from pipelines.scheduling.shards import MAX_SHARDS, N_BUCKETS, WHOLE, Shard, bucket_of, index_named, shard_index

COUNTS = st.integers(1, MAX_SHARDS)


@given(job_id=st.text(), count=COUNTS)
def test_every_job_belongs_to_exactly_one_shard(job_id, count):
    """One shard owns it, by its id as by its bucket, and it is the one that callers reckon."""
    owners = [index for index in range(count) if Shard(index, count).owns(job_id)]
    by_bucket = [index for index in range(count) if bucket_of(job_id) in Shard(index, count).buckets]
    assert owners == by_bucket == [shard_index(job_id, count)]


@given(count=COUNTS)
def test_the_shards_of_a_number_divide_all_buckets_evenly(count):
    """Their buckets are all there are, without gap or overlap, and no shard has more than one above another."""
    shards = [Shard(index, count) for index in range(count)]
    assert [bucket for shard in shards for bucket in shard.buckets] == list(range(N_BUCKETS))
    sizes = {len(shard.buckets) for shard in shards}
    assert max(sizes) - min(sizes) <= 1
    assert not any(one.overlaps(other) for one in shards for other in shards if one != other)


@given(one=COUNTS, other=COUNTS, data=st.data())
def test_shards_overlap_where_they_share_buckets(one, other, data):
    """Shards of two numbers overlap exactly where a job may belong to both."""
    mine = Shard(data.draw(st.integers(0, one - 1)), one)
    theirs = Shard(data.draw(st.integers(0, other - 1)), other)
    assert mine.overlaps(theirs) == theirs.overlaps(mine) == bool(set(mine.buckets) & set(theirs.buckets))
    assert mine.overlaps(WHOLE)


def test_buckets_are_stable():
    """Ledgers hold buckets: the hash is the same in every version."""
    assert [bucket_of(job_id) for job_id in ("", "j1", "01JB2M3N4P5Q6R7S8T9V0W1X2Y")] == [0, 488, 3208]


def test_ids_spread_over_the_shards():
    """Of many ids every one of eight shards gets about an eighth."""
    found = Counter(shard_index(new_id(), 8) for _ in range(8_000))
    assert set(found) == set(range(8))
    assert all(800 < n < 1_200 for n in found.values())


@given(count=COUNTS, data=st.data())
def test_tokens_name_their_shard(count, data):
    """A token of one of several shards says whose it is; that of an only shard is as it was."""
    shard = Shard(data.draw(st.integers(0, count - 1)), count)
    assert index_named(shard.named("abc")) == (shard.index if count > 1 else None)
    assert WHOLE.named("abc") == "abc"


@pytest.mark.parametrize(("index", "count"), [(1, 1), (-1, 2), (0, 0), (0, MAX_SHARDS + 1)])
def test_shards_that_there_are_not(index, count):
    """Numbers that make no sense are refused."""
    with pytest.raises(ValueError, match="there is no shard"):
        Shard(index, count)


def test_parts_add_up_to_no_less_than_the_whole():
    """What all shards have together is divided and rounded up, so that every shard gets something."""
    assert [Shard(0, 4).divided(n) for n in (1, 4, 5, 64)] == [1, 1, 2, 16]
