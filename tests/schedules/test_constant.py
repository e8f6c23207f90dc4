from tbpsbench.schedules.constant import Constant


def test_is_one_at_any_time():
    assert [Constant().factor(e) for e in (0, 0.5, 1000)] == [1.0, 1.0, 1.0]
