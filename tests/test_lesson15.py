"""Lesson 15: the network is the notes' network, and it learns what the notes say it learns."""

import numpy as np
import pytest
from running import assert_whole, run_here


@pytest.fixture(scope="module")
def run(smoke):
    return smoke(15)


def test_a_smoke_run_is_whole(run):
    assert_whole(run)
