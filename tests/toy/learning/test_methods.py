import pytest

from toy.learning.methods import SCHEDULES, parse_method


def test_options_reach_the_recipe():
    terms = (
        parse_method("calibrl:slope=0.3,exploration_weight=0.2,gap=trajectory_mean,weighted=false")
        .schedule.stages[0][0]
        .terms
    )
    assert (terms[1].slope, terms[1].weight, terms[1].gap, terms[1].weighted) == (0.3, 0.2, "trajectory_mean", False)
    assert parse_method("grpo:clip_high=none").schedule.stages[0][0].terms[0].clip_high is None


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
        ("grop", "recipe='grop': expected one of .*'calibrl'.*'grpo'.*'sft_grpo'"),
        ("calibrl:sloop=1", "option='sloop=1' of calibrl: .*'slope'"),
        ("calibrl:slope", "option='slope'"),
        ("calibrl:slope=high", "calibrl:slope='high': expected a number"),
        ("calibrl:weighted=1", "expected true or false"),
        ("calibrl:slope=1.5", "slope"),
        ("sft_grpo:x=1", "takes no options"),
    ],
)
def test_a_wrong_name_or_value_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_method(text)
