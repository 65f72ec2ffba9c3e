"""The live view: what a frame says, that it fits, and how it ends."""

import io
import math
import re
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cli.interruption import Interruption
from toy.learning.methods import parse_method
from toy.learning.population import Population
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.pages.watch import MARKS, Snapshot, frame, path_tree, watch
from toy.world import Kind, Tree, World, build_paths


def frames(method="calibrl", world=None, *, seed=0, delay=0.0, interruption=None, steps=2, points=3, **console):
    """What is drawn while a method trains, as text."""
    text = io.StringIO()
    watch(
        parse_method(method),
        world or World(),
        Training(steps=steps, points=points),
        seed=seed,
        delay=delay,
        console=Console(file=text, **{"width": 100, "height": 30} | console),
        interruption=interruption or Interruption(),
    )
    return text.getvalue()


def rendered(picture):
    console = Console(file=io.StringIO(), width=100)
    console.print(picture)
    return console.file.getvalue()


def test_plain_frames_show_the_exact_entropy_and_accuracy_of_the_training():
    text = frames("grpo", World(sound_prior=0.01), seed=3, steps=4)
    curves = train(parse_method("grpo"), World(sound_prior=0.01), Training(steps=4, points=3), [3])
    assert re.findall(r"step (\d) of 4", text) == ["0", "2", "4"]
    assert "\x1b" not in text
    assert re.findall(r"(\S+) nats", text) == [f"{value:.3f}" for value in curves["entropy"][:, 0]]
    assert re.findall(r"accuracy .* (\S+)\n", text) == [f"{value:.3f}" for value in curves["accuracy"][:, 0]]
    assert "sound 0.010" in text.split("step 2")[0]


def snapshot(world, seed=0, sharpness=1.0):
    paths, noise = build_paths(world, [seed]), np.random.default_rng(seed).random(world.paths)
    prob = np.exp(sharpness * noise) / np.exp(sharpness * noise).sum()
    shown = np.isin(np.arange(world.paths), paths.demonstration[0])
    return Snapshot(0, 0.5, 0.25, prob, paths.kind[0, 0], paths.success[0, 0], shown)


def test_the_tree_gives_each_option_its_probability_and_each_path_its_kind():
    now = Snapshot(
        step=0,
        entropy=0.0,
        accuracy=0.0,
        path_prob=np.array([0.5, 0.25, 0.125, 0.125]),
        kind=np.array([Kind.SOUND, Kind.SHORTCUT, Kind.FLAWED, Kind.UNSOUND]),
        success=np.array([0.95, 0.6, 0.2, 0.02]),
        shown=np.array([True, False, True, False]),
    )
    lines = [line.rstrip() for line in rendered(path_tree(now, Tree(2, 2), lines=6)).splitlines()]
    assert lines == [
        "prompt of the first family",
        "├── 0  0.750  " + "S" * 16 + "C" * 8,
        "│   ├── 0  0.500  S right 0.95, the expert's  " + "S" * 16,
        "│   └── 1  0.250  C right 0.60  " + "C" * 8,
        "├── 1  0.250  FFFFuuuu",
        "│   ├── 0  0.125  F right 0.20, the expert's  FFFF",
        "│   └── 1  0.125  u right 0.02  uuuu",
        "└── … 0 other paths  0.000",
    ]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(lines=st.integers(1, 60), seed=st.integers(0, 5), sharpness=st.floats(0.0, 20.0))
def test_a_frame_fits_and_shows_the_most_probable_path(lines, seed, sharpness):
    world = World()
    now = snapshot(world, seed, sharpness)
    text = rendered(frame([now], world, title="here", lines=lines))
    assert len(text.splitlines()) <= max(lines, 12)  # the quantities and one whole path are always shown
    assert f"{now.path_prob.max():.3f}  {MARKS[Kind(now.kind[now.path_prob.argmax()])][0]}" in text


def test_a_frame_uses_the_lines_that_it_has():
    now = snapshot(World(), sharpness=3.0)
    left = [lines - len(rendered(frame([now], World(), title="", lines=lines)).splitlines()) for lines in range(14, 50)]
    assert min(left) == 0
    assert max(left) < 4  # a further path needs at most four


def test_a_snapshot_is_of_the_first_member_and_family():
    world = World(depth=3, families=2, own_sound=1.0, demonstrations=8, executable=0.5)
    population = Population(world, Training(prompts=4), [5, 6])
    now, paths = Snapshot.of(7, population), build_paths(world, [5])
    exact = population.measure(population.node_log_prob())
    assert now.step == 7
    assert (now.entropy, now.accuracy) == (exact["entropy"][0].item(), exact["accuracy"][0].item())
    assert now.path_prob == pytest.approx(paths.prior[0])
    assert (now.kind == paths.kind[0, 0]).all()
    assert (now.success == paths.success[0, 0]).all()
    assert np.flatnonzero(now.shown).tolist() == sorted(paths.demonstration[0, [0, 2]])  # prompts 0 and 2 of four
    expected = [sum(paths.prior[0][paths.kind[0, 0] == kind]) for kind in Kind]
    assert now.mass() == pytest.approx(expected)


def test_the_history_line_rises_with_the_accuracy_and_falls_with_the_entropy():
    world = World()
    low = snapshot(world)
    high = Snapshot(1, 0.0, 1.0, low.path_prob, low.kind, low.success, low.shown)
    text = rendered(frame([low, high], world, title="here", lines=20))
    assert re.search(r"entropy +█▁ ", text)
    assert re.search(r"accuracy +▃█ ", text)


@pytest.mark.parametrize(("place", "column"), [(0, 0), (15, 15), (16, None), (17, 16), (31, 30), (32, 31)])
def test_a_long_history_is_drawn_at_columns_spread_from_the_first_to_the_last(place, column):
    """Of 33 values in 32 columns the one in the middle is left out: column k shows value 32 k / 31, rounded."""
    world = World()
    low = snapshot(world)
    shots = [Snapshot(n, 0.5, float(n == place), low.path_prob, low.kind, low.success, low.shown) for n in range(33)]
    text = rendered(frame(shots, world, title="here", lines=20))
    (drawn,) = re.findall(r"accuracy  ([▁█]+)", text)
    assert [index for index, block in enumerate(drawn) if block == "█"] == ([] if column is None else [column])
    assert len(drawn) == 32


def test_blocks_have_eight_heights():
    world = World()
    low = snapshot(world)
    shares = (0.0, 0.124, 0.126, 0.374, 0.376, 0.874, 0.876, 1.0)
    shots = [Snapshot(n, 0.5, share, low.path_prob, low.kind, low.success, low.shown) for n, share in enumerate(shares)]
    assert "accuracy  ▁▁▂▃▄▇██ " in rendered(frame(shots, world, title="here", lines=20))


def test_a_terminal_gets_colours_and_one_frame_in_place_of_the_other():
    text = frames(world=World(depth=3), force_terminal=True, height=24)
    assert re.findall(r"step (\d) of 2", text) == ["0", "1", "2", "2"]  # the last one stays
    assert "\x1b[1;32mS sound" in text  # a letter and a colour
    assert "\x1b[1A" in text  # the cursor goes up before the next frame


def test_a_signal_ends_it_between_two_frames(monkeypatch):
    waits = []

    class Signalled(Interruption):
        def wait(self, seconds):
            waits.append(seconds)
            self.signal = signal.SIGINT if len(waits) == 2 else None

    text = frames(delay=0.25, interruption=Signalled())
    assert re.findall(r"step (\d) of 2", text) == ["0", "1"]
    assert waits == [0.25, 0.25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seed": -1}, "--seed -1"), ({"delay": -0.5}, "--delay -0.5"), ({"delay": math.nan}, "--delay nan")],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"{message}: expected 0 or more"):
        frames(**arguments)
