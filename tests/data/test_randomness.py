from tbpsbench.data.randomness import sample_rng


def draw(*key):
    return sample_rng(*key).random(4).tolist()


def test_the_same_key_gives_the_same_numbers():
    assert draw(1, 2, 3, "image") == draw(1, 2, 3, "image")


def test_every_part_of_the_key_matters():
    keys = [(0, 0, 0, "image"), (1, 0, 0, "image"), (0, 1, 0, "image"), (0, 0, 1, "image"), (0, 0, 0, "mask")]
    assert len({tuple(draw(*key)) for key in keys}) == len(keys)


def test_the_numbers_do_not_change_between_versions():
    # A resumed run continues with the numbers of the run before, also after an update of this package.
    assert [round(x, 6) for x in draw(7, 3, 11, "image")] == [0.988464, 0.517728, 0.427444, 0.505254]
