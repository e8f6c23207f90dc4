import math

import pytest

from tbpsbench.layers.ranges import require_not_negative, require_positive, require_share


@pytest.mark.parametrize(
    ("require", "numbers", "message"),
    [
        (require_positive, {"dim": 0}, "^dim must be positive, got 0$"),
        (require_positive, {"eps": 1.0, "temperature": math.nan}, "^temperature must be positive and finite, got nan$"),
        (require_positive, {"temperature": math.inf}, "^temperature must be positive and finite, got inf$"),
        (require_not_negative, {"margin": -1}, "^margin must be 0 or more, got -1$"),
        (require_not_negative, {"margin": math.inf}, "^margin must be 0 or more and finite, got inf$"),
        (require_share, {"dropout": 1.5}, "^dropout must be a share between 0 and 1, got 1.5$"),
        (require_share, {"dropout": math.nan}, "^dropout must be a share between 0 and 1, got nan$"),
    ],
)
def test_a_number_out_of_range_is_named_with_its_value(require, numbers, message):
    with pytest.raises(ValueError, match=message):
        require(**numbers)


def test_ends_of_the_ranges_and_integers_of_any_size_are_taken():
    require_positive(least=5e-324, most=10**400)
    require_not_negative(least=0, most=10**400)
    require_share(least=0, most=1)
