"""The live page's engine beside the toy's trainer and `calibrl_ref`; how the page works is in test_live_in_browser.py.

The script runs in QuickJS. Nothing is compared with stored numbers: every vector is made here.
"""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import quickjs
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import toy
from calibrl_ref import Rollouts
from toy.__main__ import parse
from toy.commands import with_flags
from toy.learning.methods import parse_method, with_options
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.pages.live import METHODS, OPTIONAL, PRESETS, SLIDERS, live_page, page_data, write_live
from toy.studies.statistics import share_interval
from toy.world import Kind, World, build_paths

TOLERANCE = 1e-12
DATA = page_data()
METRICS = ("entropy", "accuracy", "sound_mass", "shortcut_mass", "flawed_mass", "coverage")
DRIVER = """
const call = (work) => (text) => JSON.stringify(work(JSON.parse(text)));
const curves = call(({ settings, methods, steps }) => {
  const found = methods.map(() => []), comparison = new Comparison(settings, methods);
  for (let step = 0; step <= steps; step++) {
    comparison.policies.forEach((policy, place) => {
      const { entropy, accuracy, mass, coverage } = policy.measure();
      found[place].push([entropy, accuracy, mass[0], mass[1], mass[2], coverage]);
    });
    if (step < steps) comparison.advance();
  }
  return found;
});
const layout = call(({ settings, seed }) => layOut(settings, seed));
const values = call(({ groups, method, settings }) => groups.map(({ rows, expert }) => {
  const onExpert = valueGroup(rows, expert, method, settings);
  const pushes = (row) => row.logProb.map((_, token) => row.advantage + (row.calibration[token] ?? 0));
  return { onExpert, rows: rows.map(pushes) };
}));
const interval = call(({ found, of }) => wilson(found, of));
"""


def engine_source():
    page = live_page()
    return page[page.index("const KINDS") : page.index("// The live page.")]


class Engine:
    """The page's engine, or one with a fault, as functions from JSON to JSON."""

    def __init__(self, source):
        self.context = quickjs.Context()
        self.context.eval(f'"use strict";{source}\n{DRIVER}globalThis.api = {{ curves, layout, values, interval }};')

    def __call__(self, name, **arguments):
        return json.loads(self.context.eval(f"api.{name}({json.dumps(json.dumps(arguments))})"))


@pytest.fixture(scope="module")
def engine():
    return Engine(engine_source())


def close(found, expected, tolerance=TOLERANCE):
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(expected, dtype=float), rtol=0, atol=tolerance
    )


def as_method(method, chosen):
    """The method on the command line that has a page's settings."""
    read = DATA["reads"][method]
    return with_options(method, ",".join(f"{name}={chosen[name]}" for name in OPTIONAL if name in read))


def check_training(engine, methods, chosen, *, seeds, steps=10):
    """The page's curves, of methods side by side, are those that the toy's trainer records."""
    everything = DATA["defaults"] | chosen
    training = {name: everything[name] for name in ("prompts", "rollouts", "learning_rate")}
    run = Training(steps=steps, points=3, **training)
    found = [engine("curves", settings=everything | {"seed": seed}, methods=methods, steps=steps) for seed in seeds]
    for place, method in enumerate(methods):
        expected = train(
            parse_method(as_method(method, everything)), World(executable=everything["executable"]), run, seeds
        )
        own = np.array([curves[place] for curves in found])[:, run.recorded_steps]
        close(own, np.stack([expected[metric].T for metric in METRICS], -1))


def check_layout(engine, chosen, seed):
    found = engine("layout", settings=DATA["defaults"] | chosen, seed=seed)
    expected = build_paths(World(**chosen), [seed])
    assert found["kind"] == expected.kind[0, 0].tolist()
    assert found["demonstration"] == expected.demonstration[0].tolist()
    close(found["success"], expected.success[0, 0], 0)
    close(found["prior"], expected.prior[0], 1e-15)


def random_groups(count, rng):
    """Groups of two to nine responses of four tokens, with equal verdicts and with ties with the expert among them."""
    for index in range(count):
        size = int(rng.integers(2, 10))
        log_prob, expert = -3.0 * rng.random((size, 4)), -3.0 * rng.random(4)
        correct = rng.random(size) < rng.choice([0.0, 0.3, 0.7, 1.0])
        if index % 3 == 0:  # ties: the whole response is the expert's, or its first tokens are
            tied = rng.choice([2, 4])
            log_prob[0, :tied] = expert[:tied]
        yield {"log_prob": log_prob, "expert": expert, "correct": correct}


def check_groups(engine, method, chosen, *, count, seed=0):
    """Every push is minus the gradient that autograd gives on the recipe's objective."""
    groups = list(random_groups(count, np.random.default_rng(seed)))
    objective = parse_method(as_method(method, DATA["defaults"] | chosen)).schedule.stages[0][0]
    sizes = [len(group["correct"]) + 1 for group in groups]
    blocks = [np.vstack([group["log_prob"], group["expert"]]) for group in groups]
    log_prob = torch.from_numpy(np.vstack(blocks)).requires_grad_()
    correct = torch.tensor(np.concatenate([[*group["correct"], True] for group in groups]))
    is_expert = torch.tensor(np.concatenate([[*[False] * (size - 1), True] for size in sizes]))
    group = torch.arange(count).repeat_interleave(torch.tensor(sizes))
    rows = {"group": group, "is_expert": is_expert, "correct": correct, "mask": torch.ones_like(log_prob, dtype=bool)}
    advantage = objective.advantage(correct.double(), group, is_expert)
    rollouts = Rollouts(token_log_prob=log_prob, old_token_log_prob=log_prob.detach(), advantage=advantage, **rows)
    objective(rollouts).total.backward()
    expected = -log_prob.grad.numpy() * int((~is_expert).sum())
    sent = [
        {
            "rows": [
                {"logProb": own.tolist(), "correct": bool(right)}
                for own, right in zip(one["log_prob"], one["correct"], strict=True)
            ],
            "expert": one["expert"].tolist() if objective.uses_expert else [],
        }
        for one in groups
    ]
    found = engine("values", groups=sent, method=method, settings=DATA["defaults"] | chosen)
    close(np.vstack([[*one["rows"], one["onExpert"] or [0.0] * 4] for one in found]), expected)


SETTINGS = st.fixed_dictionaries(
    {
        "slope": st.floats(0, 1),
        "exploration_weight": st.floats(0, 2),
        "entropy_weight": st.floats(0, 1),
        "executable": st.integers(0, 32).map(lambda part: part / 32),  # halves of a demonstration among them
        "learning_rate": st.floats(0.1, 8),
        "rollouts": st.integers(2, 12),
    }
)


@settings(derandomize=True, deadline=None, max_examples=6)
@given(chosen=SETTINGS, method=st.sampled_from(list(METHODS)), seed=st.integers(0, 2**32 - 1))
def test_training_is_the_toys_for_any_settings(engine, chosen, method, seed):
    check_training(engine, [method], chosen, seeds=[seed], steps=6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_page_trains_as_in_the_toy(engine, method):
    check_training(engine, [method], {}, seeds=[0, 7, 31])


def test_methods_side_by_side_do_not_disturb_each_other(engine):
    check_training(engine, ["grpo", "calibrl"], {}, seeds=[1], steps=6)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "entropy_bonus"])
def test_a_thousand_random_groups_have_the_gradients_of_calibrl_ref(engine, method):
    check_groups(engine, method, {"slope": 0.3, "exploration_weight": 0.7}, count=1000)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), executable=st.integers(0, 32), sound=st.integers(1, 12))
def test_a_seeds_world_is_the_toys(engine, seed, executable, sound):
    assume(sound + 4 + 16 < 256)
    check_layout(engine, {"executable": executable / 32, "sound": sound}, seed)


def test_the_interval_of_a_share_is_that_of_the_tables(engine):
    for of in (1, 7, 32):
        for found in range(of + 1):
            close(engine("interval", found=found, of=of), share_interval(found, of))


FAULTS = {
    "SeedSequence's multiplier": ("0x931e8875", "0x931e8873"),
    "the stream of the layout": ("new Generator([seed, 0])", "new Generator([seed, 1])"),
    "rejection in the shuffle": ("while (other > last)", "while (other > last + 1)"),
    "Python's rounding": ("low + (low % 2)", "low + 1"),
    "the gate's sign": ("-row.sign * gap > 0 ? 1 : slope", "row.sign * gap > 0 ? 1 : slope"),
    "the gate at a tie": ("-row.sign * gap > 0", "-row.sign * gap >= 0"),
    "unbiased deviation": ("/ (rows.length - 1)", "/ rows.length"),
    "no |A|": ("Math.abs(row.advantage)", "row.advantage"),
    "the expert left out": ("onExpert[token] -= push", "onExpert[token] += push"),
    "the divisor": ("const responses = settings.prompts * settings.rollouts", "const responses = settings.prompts"),
    "the softmax's derivative": ("push[edge] - chance * pushes", "push[edge] - pushes / branching"),
    "the entropy's derivative": ("chance * (option[edge] + entropy)", "chance * option[edge]"),
    "the search": ("rising[middle] < wanted", "rising[middle] <= 1.001 * wanted"),
    "the released form's gap": ("byToken ? row.logProb[token] - logProb : whole", "whole"),
    "another prompt's expert": ("prompt % layout.demonstration.length", "(prompt + 1) % layout.demonstration.length"),
    "coverage of one draw too few": ("Math.expm1(draws *", "Math.expm1((draws - 1) *"),
    "verdict and path with one number": ("outcome[draw] < layout", "choice[draw] < layout"),
    "Wilson's centre": ("share + z2 / 2 - half", "share - half"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(fault):
    old, new = FAULTS[fault]
    source = engine_source()
    assert source.count(old) == 1
    faulty = Engine(source.replace(old, new))
    with pytest.raises(AssertionError):
        check_everything(faulty)


def check_everything(engine):
    check_layout(engine, {"executable": 1 / 32}, 3)
    for method in ("calibrl", "calibrl_released", "calibrl:detach_expert=true"):
        check_groups(engine, method, {"slope": 0.3}, count=30)
    for method in ("calibrl", "entropy_bonus"):
        check_training(engine, [method], {"slope": 0.3}, seeds=[3], steps=4)
    test_the_interval_of_a_share_is_that_of_the_tables(engine)


def test_the_faultless_engine_passes_what_the_faulty_ones_fail(engine):
    check_everything(engine)


def test_kinds_have_the_toys_order(engine):
    assert json.loads(engine.context.eval("JSON.stringify(KINDS)")) == [kind.name.lower() for kind in Kind]
    assert json.loads(engine.context.eval("JSON.stringify(Object.keys(METHODS))")) == list(METHODS)


def test_the_page_is_one_small_file_without_addresses(tmp_path):
    path = tmp_path / "a" / "deep" / "live.html"
    assert write_live(path) == write_live(path) == path  # its folders are made, or there
    text = path.read_text(encoding="utf-8")
    assert len(path.read_bytes()) < 60_000
    assert text == live_page()
    assert re.findall(r"https?://[^\"']*", text) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]
    assert "{{" not in text


def test_the_page_in_the_repository_is_the_present_one():
    """`make live` writes it again."""
    assert (Path(toy.__file__).parents[1] / "docs" / "live.html").read_text(encoding="utf-8") == live_page()


def test_sliders_and_questions_stay_within_what_the_toy_takes():
    data = DATA
    for slider in SLIDERS:
        name, low, high = slider["name"], slider["min"], slider["max"]
        assert low <= data["defaults"][name] <= high
        assert math.isclose(((data["defaults"][name] - low) / slider["step"]) % 1, 0, abs_tol=1e-9)
        for changed in [{name: low}, {name: high}, *(preset["changes"] for preset in PRESETS)]:
            everything = data["defaults"] | changed
            assert set(changed) <= set(data["defaults"])
            parse_method(as_method(everything["method"], everything))
            World(executable=everything["executable"])
            Training(learning_rate=everything["learning_rate"], rollouts=everything["rollouts"])
    assert data["defaults"]["slope"] == 0.5
    assert data["defaults"]["exploration_weight"] == 0.1


def test_the_command_of_a_finding_is_one_that_the_toy_takes():
    """As the page's script writes it; that it does is tested in the browser."""
    line = "python -m toy watch --seed 3 --method calibrl:detach_expert=true --slope 1 --executable 0.5 --rollouts 4"
    options, _, rest = parse(line.split()[3:])
    method, unknown = with_flags(options.method[0], rest)
    assert unknown == []
    assert parse_method(method).schedule.stages[0][0].exploration.slope == 1.0
    assert (options.seed, options.executable, options.rollouts) == (3, 0.5, 4)
