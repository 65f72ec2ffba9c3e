import math

import pytest
from conftest import said

from calibrl_ref import RECIPES, SCHEDULES, Plateau, Schedule, chord_mu, hyper_parameters, read_method

GRPO, SFT, DAPO = RECIPES["grpo"](), RECIPES["sft"](), RECIPES["dapo"]()


def test_a_stage_lasts_for_its_share_of_the_steps():
    schedule = Schedule(((SFT, 0.25), (GRPO, 0.75)))
    chosen = [schedule.objective_at(progress) for progress in (0.0, 0.24, 0.25, 0.5, 1.0)]
    assert chosen == [SFT, SFT, GRPO, GRPO, GRPO]


def test_rounding_does_not_prolong_a_stage():
    tenths = Schedule(((SFT, 0.1), (SFT, 0.2), (GRPO, 0.7)))  # 0.1 + 0.2 > 0.3
    assert tenths.objective_at(0.3) is GRPO


def test_stages_follow_one_another():
    schedule = Schedule(((SFT, 0.5), (GRPO, 0.25), (DAPO, 0.25)))
    chosen = [schedule.objective_at(progress) for progress in (0.0, 0.5, 0.74, 0.75, 0.99, 1.0)]
    assert chosen == [SFT, GRPO, GRPO, DAPO, DAPO, DAPO]


def test_a_recipe_is_a_schedule_of_one_stage_and_takes_options():
    assert Schedule.named("grpo", clip_high=0.3).stages == ((RECIPES["grpo"](clip_high=0.3), 1.0),)


def test_a_stage_takes_the_hyper_parameters_that_it_has():
    stages = Schedule.named("sft_grpo", clip_high=0.3, aggregation="constant_length").stages
    expected = (
        RECIPES["sft"](aggregation="constant_length"),
        RECIPES["grpo"](aggregation="constant_length", clip_high=0.3),
    )
    assert tuple(objective for objective, _ in stages) == expected


def test_a_schedule_has_the_hyper_parameters_of_its_recipes_and_the_later_one_s_default():
    found = {item.name: item for item in hyper_parameters("sft_grpo")}
    assert found.keys() == {item.name for item in hyper_parameters("grpo")} | {
        "warm_up_share",
        "plateau_patience",
        "plateau_fall",
    }
    assert found["aggregation"].default == "sequence_mean_token_mean"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grpo", ("grpo", {})),
        ("calibrl:slope=0.3,gap=token_aligned", ("calibrl", {"slope": 0.3, "gap": "token_aligned"})),
        ("dapo:overlong_buffer=2,max_length=4", ("dapo", {"overlong_buffer": 2, "max_length": 4})),
        ("grpo:clip_high=none,scale_by_std=false", ("grpo", {"clip_high": None, "scale_by_std": False})),
        ("sft_grpo:clip_low=1,", ("sft_grpo", {"clip_low": 1.0})),
    ],
)
def test_a_method_as_it_is_written_on_a_command_line(text, expected):
    assert read_method(text) == expected


def test_a_user_s_recipe_is_a_method(monkeypatch):
    monkeypatch.setitem(RECIPES, "mine", lambda: GRPO)
    assert Schedule.named("mine").stages == ((GRPO, 1.0),)
    with pytest.raises(ValueError, match="did you mean 'mine'"):
        read_method("mines")


def test_a_plateau_is_a_hyper_parameter_of_schedules_alone():
    assert Schedule.named("sft_grpo").plateau is None
    named = Schedule.named(*read_method("sft_grpo:plateau_patience=2,plateau_fall=0.1")[:1], plateau_patience=2)
    assert named.plateau == Plateau(patience=2)
    assert Schedule.named("sft_grpo", plateau_patience=2, plateau_fall=0.1).plateau == Plateau(
        patience=2, least_fall=0.1
    )
    with pytest.raises(ValueError, match="hyper-parameter of grpo='plateau_patience'"):
        Schedule.named("grpo", plateau_patience=2)
    with pytest.raises(ValueError, match=r"plateau=.*None for a single stage"):
        Schedule(((GRPO, 1.0),), plateau=Plateau())


def test_stages_after_a_plateau_fill_the_rest_in_proportion():
    schedule = Schedule(((SFT, 0.5), (GRPO, 0.25), (DAPO, 0.25)), plateau=Plateau())
    chosen = [schedule.objective_at(progress, left_at=0.2) for progress in (0.2, 0.4, 0.59, 0.6, 1.0)]
    assert chosen == [GRPO, GRPO, GRPO, DAPO, DAPO]
    assert schedule.objective_at(0.2) is SFT


def test_the_validation_loss_is_asked_for_until_the_first_stage_is_over():
    schedule = Schedule(((SFT, 0.3), (GRPO, 0.7)), plateau=Plateau())
    assert [schedule.asks_at(progress, left_at=None) for progress in (0.0, 0.29, 0.1 + 0.2, 0.9)] == [
        True,
        True,
        False,
        False,
    ]
    assert not schedule.asks_at(0.1, left_at=0.1)
    assert not Schedule(((SFT, 0.3), (GRPO, 0.7))).asks_at(0.1, left_at=None)


def test_sft_grpo_is_one_third_imitation():
    ((first, share), (second, rest)) = Schedule.named("sft_grpo").stages
    assert (first, second, share, rest) == (SFT, GRPO, 1 / 3, 2 / 3)


def test_it_reads_experts_if_one_of_its_stages_does():
    assert Schedule.named("sft_grpo").uses_expert
    assert not Schedule.named("grpo").uses_expert


@pytest.mark.parametrize("shares", [(), (1.5,), (1.2, -0.2), (1.0, 0.0)])
def test_bad_shares_are_refused(shares):
    with pytest.raises(ValueError, match="positive shares that add up to 1"):
        Schedule(tuple((GRPO, share) for share in shares))


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"method='sft_gpro'.*did you mean 'sft_grpo'"):
        Schedule.named("sft_gpro")


def test_every_schedule_can_be_built():
    for name in SCHEDULES:
        Schedule.named(name)


def test_mu_rises_falls_and_stays():
    yaml = {"warmup": 200, "decay": 400, "peak": 0.5, "valley": 0.02}
    assert [chord_mu(step, **yaml) for step in (0, 100, 200)] == pytest.approx([0.0, 0.25, 0.5])
    assert [chord_mu(step, **yaml) for step in (400, 600, 9999)] == pytest.approx([0.26, 0.02, 0.02])
    assert chord_mu(0, decay=0, valley=0.1) == 0.1
    for wrong, named in (
        ({"step": -1}, "step"),
        ({"step": 0, "warmup": -1}, "^warmup"),
        ({"step": 0, "decay": -1}, "^decay"),
        ({"step": 0, "peak": 1.5}, "peak"),
        ({"step": 0, "valley": -1.0}, "valley"),
        ({"step": 0, "valley": 1.5}, "valley"),
    ):
        with pytest.raises(ValueError, match=f"{named}="):
            chord_mu(**wrong)


def test_a_plateau_is_reached_after_its_patience():
    state, reached = Plateau(patience=2, least_fall=0.1), []
    for loss in (1.0, 0.95, 0.8, 0.75, 0.74):
        state = state.step(loss)
        reached.append(state.reached)
    assert reached == [False, False, False, False, True]
    assert (state.lowest, state.waited) == (0.8, 2)
    assert Plateau(patience=1).step(1.0).step(1.0).reached  # an equal loss has not fallen


def test_a_plateau_refuses_what_is_no_loss():
    wanted = "validation_loss=nan: expected a number. Fix: look for what makes the loss NaN."
    assert said(Plateau().step, math.nan) == wanted
    with pytest.raises(ValueError, match="patience=0"):
        Plateau(patience=0)
    with pytest.raises(ValueError, match=r"least_fall=-0\.1"):
        Plateau(least_fall=-0.1)


def test_a_single_stage_has_no_plateau():
    message = said(Schedule, ((GRPO, 1.0),), plateau=Plateau())
    assert message.startswith("plateau=Plateau(")
    assert message.endswith(": expected None for a single stage. Fix: give it a stage to switch to.")


@pytest.mark.parametrize("text", ["calibrl:slope=", "calibrl:slope", "calibrl:=0.3"])
def test_a_hyper_parameter_without_its_name_or_its_value_is_refused(text):
    with pytest.raises(ValueError, match="calibrl"):
        read_method(text)
    if "=0.3" not in text:
        with pytest.raises(ValueError, match="Fix: give slope a value"):
            read_method(text)


def test_a_supervised_stage_may_be_longer_and_the_rest_shares_what_is_left():
    schedule = Schedule.named("sft_grpo")
    assert schedule.imitates_first
    longer = schedule.with_warm_up(0.6)
    assert [share for _, share in longer.stages] == pytest.approx([0.6, 0.4])
    assert [objective.terms[0].name for objective, _ in longer.stages] == ["imitation", "surrogate"]
    assert Schedule.named("sft_grpo", warm_up_share=0.6).stages[0][1] == 0.6
    assert schedule.with_warm_up(None) is schedule
    (first, _), (second, _) = schedule.stages
    three = Schedule(((first, 0.5), (second, 0.125), (second, 0.375)))
    assert [share for _, share in three.with_warm_up(0.2).stages] == pytest.approx([0.2, 0.2, 0.6])
    assert Schedule.named("sft_grpo", plateau_patience=2).with_warm_up(0.6).plateau == Plateau(patience=2)


@pytest.mark.parametrize("name", ["grpo", "sft"])
def test_a_schedule_of_one_stage_has_no_share_to_change(name):
    schedule = Schedule.named(name)
    assert not schedule.imitates_first
    assert schedule.with_warm_up(0.6) is schedule


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_warm_up_share_leaves_room_for_both(share):
    with pytest.raises(ValueError, match=r"^warm_up_share=.*: expected a share inside \(0, 1\)"):
        Schedule.named("sft_calibrl", warm_up_share=share)
