"""Settings and helpers for all tests."""

import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MEMNETS_CFLAGS", "-Og")  # as users have it in tests/kernels/test_fused.py
os.environ["MEMNETS_STATE"] = tempfile.mkdtemp(prefix="memnets-state-")  # marks of trust stay out of the home

import hypothesis
import pytest
import torch

from running import drawing

hypothesis.settings.register_profile(
    "suite", max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("suite")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than 20 s on one core; leave out with -m 'not slow'")


@pytest.fixture(autouse=True)
def _seeded():
    """Each test starts from the same random numbers, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def without_figures():
    """Runs that end have no figures, which take most of the time of a short one."""
    with drawing(False):
        yield
