"""Predict, then look: every question stands before its figure, its answer is what the stored outputs show."""

import json
import re

import pytest
import torch
from course import look, predict, predictions_made
from course.build import convert, sources
from course.predictions import ANSWERS, VARIABLE
from test_notebooks import printed

from calibrl_ref import clipped_surrogate, expected_calibration_error


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "predictions.json"))
    return tmp_path / "predictions.json"


def numbers(stem, pattern):
    """The groups of the first match in a notebook's outputs, as numbers."""
    return [float(found) for found in re.search(pattern, printed(stem)).groups()]


def accuracy(stem, label):
    """The accuracy that a notebook prints for a method."""
    return numbers(stem, rf"(?m)^ *{re.escape(label)} +accuracy ([\d.]+)")[0]


def pushed(ratio, advantage):
    leaf = torch.tensor([ratio], requires_grad=True)
    clipped_surrogate(leaf, torch.tensor([advantage])).sum().backward()
    return abs(float(leaf.grad))


def highest(rows):
    """The row with the largest number."""
    return max(rows, key=lambda row: float(row[1]))[0]


def table(name):
    """Entropy half-way, accuracy and coverage of a method of notebook 5."""
    return numbers("05", rf"(?m)^{re.escape(name)} +([\d.]+) +([\d.]+) +([\d.]+) ")


def whether(*cases):
    """The letter of the only case that holds."""
    (letter,) = [letter for letter, case in zip("abc", cases, strict=True) if case]
    return letter


def entropy_falls():
    first, last = numbers("00", r"entropy from ([\d.]+) to ([\d.]+) nats")
    return whether(last > 0.9 * first, last > first, last < 0.05 * first)


def clip_of_a_drifted_answer():
    left = pushed(1.5, -1.0)
    return whether(left == 1.0, 0 < left < 1, left == 0.0)


def rare_sound_answer():
    (share,) = numbers("01", r"sound answer at +1\.0% at the start: it leads at the end in +(\d+)%")
    return whether(share > 80, 30 < share < 70, share < 10)


def best_bonus():
    return {"0.2": "a", "0.03": "b", "0.6": "c"}[
        highest(re.findall(r"bonus ([\d.]+) +entropy [\d.]+, accuracy ([\d.]+)", printed("01")))
    ]


def likelier_than_the_expert():
    found = [float(share) for share in re.findall(r"likelier than the expert: ([\d.]+) at first", printed("02"))]
    return whether(max(found) < 0.6 and min(found) > 0.4, max(found) < 0.3, min(found) > 0.9)


def most_entropy_at_the_end():
    rows = re.findall(r"(?m)^alpha ([\d.]+) +[\d.]+ \[[^]]*\] +([\d.]+) \[", printed("03"))
    assert len(rows) == 6
    return {"0": "a", "0.8": "b", "1": "c"}[highest(rows)]


def division():
    divided, not_divided, faster = (
        accuracy("04", label) for label in ("weight |A|", "not divided by std", "not divided, rate x 2")
    )
    low, high = not_divided < divided - 0.1, faster > divided - 0.01
    return whether(not low, low and high, low and not high)


def ten_times_lambda():
    (_, paper, kept), (_, heavy, more) = (table(name) for name in ("calibrl", "calibrl:exploration_weight=1"))
    return whether(heavy < 0.7, paper - 0.05 < heavy < paper and more > 2 * kept, more < kept)


def no_attenuation():
    slope_one, grpo, calibrl = (table(name)[1] for name in ("calibrl:slope=1", "grpo", "calibrl"))
    return whether(abs(slope_one - grpo) < 0.03, slope_one > calibrl, slope_one < grpo - 0.03)


def imitation_on_the_way():
    lowest = re.findall(r"'([\d.]+)'", re.search(r"SFT, then GRPO +lowest accuracy.*", printed("06"))[0])
    start = re.findall(r"'([\d.]+)'", re.search(r"GRPO +lowest accuracy.*", printed("06"))[0])
    below = float(lowest[2]) < float(start[2]) - 0.05
    return whether(False, below, not below)


def erring_expert():
    rows = re.findall(r"(?m)^(GRPO|CalibRL) +((?:\d\.\d\d *){4})$", printed("06"))
    grpo, calibrl = ([float(value) for value in dict(rows)[name].split()] for name in ("GRPO", "CalibRL"))
    return whether(calibrl[2] > calibrl[0] - 0.02, abs(calibrl[2] - grpo[2]) < 0.02, calibrl[2] < grpo[2] - 0.02)


def control_of_the_released_form():
    released, faster, paper = (
        accuracy("07", label) for label in ("released form", "GRPO, learning rate x 1.10", "paper's form")
    )
    return whether(released > faster + 0.02, abs(released - paper) < 0.02, abs(released - faster) < 0.02)


def hidden_faults():
    (hidden,) = numbers("08", r"end within 0\.02 of the healthy loss: (\d+) of 10")
    return whether(hidden == 0, 2 <= hidden <= 4, 6 <= hidden <= 8)


def first_loss():
    (loss,) = numbers("09", r"sequence_mean_token_mean +loss ([-+][\d.]+)")
    return whether(loss == 0, loss > 0, loss < 0)


def looks_after_grpo():
    (before,), (after,) = (
        numbers("09", r"before: looks in ([\d.]+)"),
        numbers("09", r"grpo +\d seeds: looks in ([\d.]+)"),
    )
    return whether(after > 0.5, before < after <= 0.5, after < before)


def without_pictures():
    after, blank = (
        numbers("09", rf"(?m)^{name} +greedy +([\d.]+)")[0] for name in ("after", "after, pictures blanked")
    )
    return whether(blank > 0.9 * after, 0.35 < blank < 0.45, blank < 0.25)


def adaptive_or_constant():
    worst, best = re.findall(r"constant slope 0\.[31].*minus it: .*\[([-+][\d.]+), ([-+][\d.]+)\]", printed("10"))
    ties, loses = float(worst[0]) < 0 < float(worst[1]), float(best[1]) < 0
    return whether(not loses, ties and loses, False)


def one_seed_each():
    (gap,) = numbers("10", r" 1 seeds: a difference of ([\d.]+)")
    return whether(gap < 0.03, 0.05 < gap < 0.1, gap > 0.15)


def ill_but_rising():
    (risen,) = numbers("11", r"(\d+) of 10 ill runs end above")
    return whether(risen <= 2, 4 <= risen <= 5, risen >= 7)


TRUTH = {
    "0a": entropy_falls,
    "0b": clip_of_a_drifted_answer,
    "1a": rare_sound_answer,
    "1b": best_bonus,
    "2a": likelier_than_the_expert,
    "3a": most_entropy_at_the_end,
    "4a": division,
    "5a": ten_times_lambda,
    "5b": no_attenuation,
    "6a": imitation_on_the_way,
    "6b": erring_expert,
    "7a": control_of_the_released_form,
    "8a": hidden_faults,
    "9a": first_loss,
    "9b": without_pictures,
    "9c": looks_after_grpo,
    "10a": adaptive_or_constant,
    "10b": one_seed_each,
    "11a": ill_but_rising,
}


@pytest.mark.parametrize("number", ANSWERS)
def test_the_answer_is_what_the_stored_outputs_show(number):
    assert ANSWERS[number].choice == TRUTH[number]()


QUESTION = re.compile(r"\*\*Predict, then look\.\*\* .*\?.*\n\n- \(a\) .*\n- \(b\) .*\n- \(c\) ", re.DOTALL)


def test_every_question_has_three_choices_and_stands_before_the_cell_that_answers_it():
    asked = []
    for source in sources():
        cells = convert(source).cells
        for place, cell in enumerate(cells):
            for number in re.findall(r'predict\("(\w+)", choice=\.\.\., confidence=\.\.\.\)', cell.source):
                text = next(
                    before
                    for before in cells[place::-1]
                    if before.cell_type == "markdown" and "Predict, then look" in before.source
                )
                assert QUESTION.match(text.source)
                (looked,) = [later for later, c in enumerate(cells) if f'look("{number}")' in c.source]
                assert any(c.cell_type == "code" for c in cells[place + 1 : looked])
                asked.append(number)
    assert asked == list(ANSWERS)


def test_no_letter_is_a_good_guess():
    letters = [answer.choice for answer in ANSWERS.values()]
    assert max(map(letters.count, "abc")) <= len(letters) / 2
    assert min(map(letters.count, "abc")) >= len(letters) / 6


def test_a_prediction_is_kept_and_counts_once_it_was_looked_at(file, capsys):
    predict("1a", choice="b", confidence=0.5)
    predict("1a", choice="c", confidence=0.75)
    predict("1b", choice="c", confidence=0.9)
    predict("2a", choice="a", confidence=0.4)
    assert len(predictions_made()[0]) == 0
    look("1a")
    look("1b")
    confidence, right = predictions_made()
    assert (confidence.tolist(), right.tolist()) == ([0.75, 0.9], [True, False])
    assert "you said (c), 75% sure" in capsys.readouterr().out
    assert float(expected_calibration_error(confidence, right, bins=6)) == pytest.approx((0.25 + 0.9) / 2)


def test_a_prediction_stays_once_it_was_looked_at(file, capsys):
    predict("1a", choice="b", confidence=0.5)
    look("1a")
    predict("1a", choice="c", confidence=1.0)
    assert "(b) stays your prediction" in capsys.readouterr().out
    assert json.loads(file.read_text())["1a"]["choice"] == "b"


@pytest.mark.parametrize("given", [{"choice": ..., "confidence": 0.5}, {"choice": "a", "confidence": ...}])
def test_three_dots_are_no_prediction_and_write_nothing(file, capsys, given):
    predict("1a", **given)
    assert capsys.readouterr().out.startswith("no prediction")
    assert not file.exists()


def test_who_has_looked_can_no_longer_predict(file, capsys):
    look("1a")
    assert "you said" not in capsys.readouterr().out
    predict("1a", choice="c", confidence=1.0)
    out = capsys.readouterr().out
    assert out == "you have looked: no prediction any more; to begin anew, delete predictions.json\n"
    look("1a")
    assert "you said" not in capsys.readouterr().out
    assert len(predictions_made()[0]) == 0


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"choice": "d", "confidence": 0.5}, r"choice='d': .*Fix"),
        ({"choice": "a", "confidence": 0.2}, r"confidence=0\.2: .*Fix"),
        ({"choice": "a", "confidence": 70}, r"confidence=70: .*Fix"),
    ],
)
def test_what_is_no_prediction_is_refused(file, given, complaint):
    with pytest.raises(ValueError, match=complaint):
        predict("1a", **given)


def test_without_predictions_there_is_nothing_to_judge(file):
    confidence, right = predictions_made()
    assert confidence.shape == right.shape == (0,)
    assert right.dtype == torch.bool
