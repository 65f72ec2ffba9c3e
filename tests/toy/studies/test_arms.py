from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from toy.learning.settings import Training
from toy.studies.arms import Arm, load_curves, save_curves
from toy.world import World

ARM = Arm("main", "calibrl:slope=0.3,gate=relu", World(), Training(steps=4, points=3), seeds=2)
CELLS = ({"slope": 0.1}, {"slope": 0.2})
GRID = Arm("slope x weight", "calibrl", World(), Training(steps=4, points=3), 2, CELLS, {"slope": 0.3})


def curves(value):
    return {"entropy": np.full((3, 2), value), "accuracy": np.arange(6.0).reshape(3, 2) + value}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "arms").mkdir()
    return tmp_path


def test_an_arm_does_not_change():
    with pytest.raises(FrozenInstanceError):
        ARM.seeds = 3


def test_the_file_name_says_what_it_is_and_is_plain():
    assert ARM.file_name == "main__calibrl_slope=0.3_gate=relu.npz"
    assert GRID.file_name == "slope_x_weight__calibrl__slope=0.3.npz"


def test_curves_are_read_back_as_they_were_saved(folder):
    save_curves([curves(1.0)], folder / "arms" / ARM.file_name)
    (found,) = load_curves(ARM, folder)
    assert set(found) == {"entropy", "accuracy"}
    assert all(np.array_equal(found[name], values) for name, values in curves(1.0).items())


def test_the_cells_of_a_grid_are_kept_apart(folder):
    save_curves([curves(1.0), curves(2.0)], folder / "arms" / GRID.file_name)
    found = load_curves(GRID, folder)
    assert [cell["accuracy"][0, 0] for cell in found] == [1.0, 2.0]


def test_the_same_curves_give_the_same_bytes(folder):
    for name in ("a", "b"):
        save_curves([curves(1.0)], folder / name)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_an_arm_that_is_not_finished_has_no_curves(folder):
    assert load_curves(ARM, folder) is None


def test_a_damaged_file_is_named_with_the_fix(folder):
    path = folder / "arms" / ARM.file_name
    save_curves([curves(1.0)], path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"accuracy.npy") + 40] ^= 0xFF  # in the compressed values
    for damage in (b"", b"text", whole[: len(whole) // 2], whole[:-1], bytes(flipped)):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"relu.npz: damaged \(.*\). Fix: remove this file; --resume trains it"):
            load_curves(ARM, folder)


def test_a_folder_in_a_files_place_is_named_too(folder):
    (folder / "arms" / ARM.file_name).mkdir()
    with pytest.raises(ValueError, match=r"relu.npz: damaged \(.*\). Fix: remove this file"):
        load_curves(ARM, folder)


@pytest.mark.parametrize(
    "cells", [[{"entropy": np.zeros((3, 1))}], [curves(0.0) | {"kl": np.zeros((2, 2))}], [{}], None]
)
def test_another_arms_file_is_named(folder, cells):
    path = folder / "arms" / ARM.file_name
    save_curves([curves(1.0), curves(2.0)] if cells is None else cells, path)
    with pytest.raises(ValueError, match=r"damaged \(curves are not \[1, 3, 2\], for its cells, points and seeds\)"):
        load_curves(ARM, folder)
