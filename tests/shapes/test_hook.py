"""``make test-shapes`` runs tests with every annotated shape of the core checked at each call: here, that it does."""

import pytest
import torch

from calibrl_ref import RECIPES


def test_a_matrix_in_the_place_of_a_vector_is_refused_by_its_type():
    rows = torch.zeros(3, dtype=torch.long)
    with pytest.raises(TypeError, match="Type-check error"):
        RECIPES["grpo"]().advantage(torch.ones(3, 2), rows, rows.bool())
