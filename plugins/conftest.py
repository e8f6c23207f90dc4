"""Seeds and one thread per process, as for all other tests."""

import pytest
import suite_seeds

pytest.register_assert_rewrite("golden_files", "golden_losses")


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests below what tests/conftest.py gives to the others."""
    suite_seeds.register(config)
