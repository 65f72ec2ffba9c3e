import pytest

from calibrl_ref import SCHEDULES, Schedule
from toy.learning.methods import Method, parse_method, with_options


def test_options_reach_the_recipe():
    method = parse_method("calibrl:slope=0.3,exploration_weight=0.2,gap=trajectory_mean,weighted=false")
    term = method.schedule.stages[0][0].exploration
    assert (term.slope, term.weight, term.gap, term.weighted) == (0.3, 0.2, "trajectory_mean", False)
    assert parse_method("grpo:clip_high=none").schedule.stages[0][0].terms[0].clip_high is None
    penalty = parse_method("dapo:overlong_buffer=2,max_length=4").schedule.stages[0][0].overlong_penalty
    assert (penalty.max_length, penalty.buffer) == (4, 2)


def test_all_recipes_share_one_aggregation_unless_told():
    assert parse_method("dapo").schedule.stages[0][0].aggregation.mode == "sequence_mean_token_sum"
    assert parse_method("dapo:aggregation=token_mean").schedule.stages[0][0].aggregation.mode == "token_mean"


def test_a_schedule_changes_its_objective():
    method = parse_method("sft_grpo")
    names = [method.schedule.objective_at(progress).terms[0].name for progress in (0.0, 0.33, 0.34, 1.0)]
    assert names == ["imitation", "imitation", "surrogate", "surrogate"]
    assert all(sum(share for _, share in stages) == pytest.approx(1.0) for stages in SCHEDULES.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grop", "method='grop': expected one of .*'calibrl'.*'grpo'.*'sft_grpo'.*did you mean 'grpo'"),
        ("calibrl:sloop=1", "hyper-parameter of calibrl='sloop': .*did you mean 'slope'"),
        ("calibrl:slope", "Fix: give slope a value"),
        ("calibrl:slope=high", "slope='high': expected a number"),
        ("calibrl:weighted=1", "weighted='1': expected one of .*'true'"),
        ("calibrl:slope=1.5", "slope=1.5"),
        ("sft_grpo:x=1", "hyper-parameter of sft_grpo='x'"),
    ],
)
def test_a_wrong_name_or_value_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_method(text)


def test_a_method_explores_if_it_has_an_exploration_term():
    explores = [parse_method(name).explores for name in ("calibrl", "calibrl_released", "grpo", "sft_grpo", "luffy")]
    assert explores == [True, True, False, False, False]


def test_a_method_explores_if_one_of_its_stages_does():
    (imitation, _), (grpo, _) = parse_method("sft_grpo").schedule.stages
    calibrl = parse_method("calibrl").schedule.stages[0][0]
    assert Method("mixed", Schedule(((imitation, 0.5), (calibrl, 0.5)))).explores
    assert not Method("plain", Schedule(((imitation, 0.5), (grpo, 0.5)))).explores


def test_options_are_added_to_a_name():
    assert with_options("calibrl", "") == "calibrl"
    assert with_options("calibrl", "slope=0.3") == "calibrl:slope=0.3"
    assert with_options("calibrl:slope=0.3", "gate=relu") == "calibrl:slope=0.3,gate=relu"
