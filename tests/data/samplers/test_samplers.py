"""What every sampler of the registry keeps to, and what each does by itself."""

import numpy as np
import pytest

from tbpsbench.data.samplers.identity_balanced import IdentityBalanced, most_batches
from tbpsbench.data.samplers.shuffle import Shuffle
from tbpsbench.registry import SAMPLERS

# 20 identities with at least four pairs each, 150 pairs, in no order
PIDS = np.concatenate([np.repeat(np.arange(20), 4), np.random.default_rng(0).integers(0, 20, 70)])
PIDS = np.random.default_rng(1).permutation(PIDS)


def make(name, batch_size=16, seed=0, pids=PIDS, **arguments):
    context = {"pids": pids, "batch_size": batch_size, "seed": seed}
    return SAMPLERS.build({"type": name, **arguments}, context=context)


def epoch(sampler, number=0):
    sampler.set_epoch(number)
    return list(sampler)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_the_order_depends_on_seed_and_epoch_alone(name):
    assert epoch(make(name), 3) == epoch(make(name), 3)
    assert epoch(make(name), 3) != epoch(make(name), 4)
    assert epoch(make(name, seed=1), 3) != epoch(make(name), 3)
    sampler = make(name)
    first = epoch(sampler, 0)
    epoch(sampler, 1)
    assert epoch(sampler, 0) == first


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_length_is_what_it_yields_in_every_epoch(name, world_size):
    for rank in range(world_size):
        sampler = make(name, rank=rank, world_size=world_size)
        for number in range(3):
            assert len(epoch(sampler, number)) == len(sampler)


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_together_see_the_batches_of_one_process(name, world_size):
    whole = epoch(make(name), 2)
    shares = [epoch(make(name, rank=rank, world_size=world_size), 2) for rank in range(world_size)]
    assert len({len(share) for share in shares}) == 1
    piece = 16 // world_size
    for step in range(len(whole) // 16):
        together = [index for share in shares for index in share[step * piece : (step + 1) * piece]]
        assert together == whole[step * 16 : (step + 1) * 16]


@pytest.mark.parametrize("world_size", [2, 4])
def test_shares_are_disjoint_and_cover_all_pairs(world_size):
    pids = np.zeros(160)
    shares = [epoch(Shuffle(pids, 16, 0, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert sorted(index for share in shares for index in share) == list(range(160))


def test_a_last_partial_batch_is_filled_up_so_that_no_process_waits():
    shares = [epoch(Shuffle(np.zeros(13), 8, 0, rank=rank, world_size=4)) for rank in range(4)]
    assert [len(share) for share in shares] == [4, 4, 4, 4]
    seen = [index for share in shares for index in share]
    assert set(seen) == set(range(13))
    assert len(seen) == 16


def test_shuffle_sees_every_pair_once():
    assert sorted(epoch(make("Shuffle"))) == list(range(150))


def test_shuffle_may_drop_the_last_partial_batch():
    seen = epoch(make("Shuffle", drop_last=True))
    assert len(seen) == len(set(seen)) == 144
    with pytest.raises(ValueError, match="drop_last leaves nothing"):
        Shuffle(np.zeros(3), 16, 0, drop_last=True)


@pytest.mark.parametrize("instances", [2, 4])
def test_every_batch_holds_p_identities_with_k_pairs_each(instances):
    sampler = make("IdentityBalanced", instances=instances)
    for number in range(5):
        batches = np.array(epoch(sampler, number)).reshape(-1, 16)
        for batch in batches:
            pids, times = np.unique(PIDS[batch], return_counts=True)
            assert len(pids) == 16 // instances
            assert (times == instances).all()
            assert len(set(batch)) == 16


def test_identities_with_too_few_pairs_are_repeated_not_left_out():
    pids = np.array([0, 1, 1, 2, 2, 2, 2, 2])
    batch = epoch(IdentityBalanced(pids, 12, 0, instances=4))
    assert sorted(pids[batch]) == [0] * 4 + [1] * 4 + [2] * 4
    assert len(set(batch)) == 7


def test_pairs_of_an_identity_are_used_once_per_epoch():
    seen = epoch(make("IdentityBalanced", pids=np.repeat(np.arange(8), 12)))
    assert sorted(seen) == list(range(96))


def test_all_pairs_come_up_over_the_epochs():
    sampler, seen = make("IdentityBalanced"), set()
    for number in range(40):
        seen |= set(epoch(sampler, number))
    assert seen == set(range(150))


def test_each_process_gets_whole_identities():
    for rank in range(2):
        share = np.array(epoch(make("IdentityBalanced", rank=rank, world_size=2))).reshape(-1, 8)
        for piece in share:
            assert (np.unique(PIDS[piece], return_counts=True)[1] == 4).all()


def test_as_many_batches_as_the_groups_allow():
    assert most_batches(np.array([1, 1, 1, 1]), 2) == 2
    assert most_batches(np.array([10, 1, 1]), 2) == 2
    assert most_batches(np.array([3, 3, 3]), 3) == 3
    assert most_batches(np.array([5, 5, 5, 5]), 3) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 15, "instances": 4}, "does not divide"),
        ({"batch_size": 128}, "needs 32 identities, there are 20"),
        ({"batch_size": 16, "world_size": 3}, "cannot be shared equally by 3"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not below"),
    ],
)
def test_settings_that_cannot_work_are_refused(arguments, message):
    with pytest.raises(Exception, match=message):
        make("IdentityBalanced", **arguments)
