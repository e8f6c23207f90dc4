import pytest

from tbpsbench import testing
from tbpsbench.losses.itm import ITM


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, got 0"),
        ({"temperature": float("nan")}, "temperature must be positive and finite, got nan"),
        ({"dim": 0}, "dim must be positive, got 0"),
        ({"heads": 0}, r"heads \(0\) divide the width"),
    ],
)
def test_settings_must_make_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        ITM(testing.toy_dims(), **wrong)
