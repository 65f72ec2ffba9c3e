"""Every public sample loads, its pictures decode, and its own answer passes the verifier."""

import pytest
from realdata import REAL_DATA, needs_real_data

from full_scale.data import Quarantine, load_problems
from full_scale.data.verdicts import official_score
from full_scale.verifier.answer import is_correct

SAMPLES = [  # folder, split, problems, experts
    ("geometry3k", "train", 45, 0),
    ("geometry3k", "val", 15, 0),
    ("geometry3k", "test", 30, 0),
    ("derived/geometry3k_hf", "train", 45, 0),
    ("derived/geometry3k_hf", "validation", 15, 0),
    ("derived/geometry3k_hf", "test", 30, 0),
    ("geoqa", "train", 20, 20),
    ("geoqa", "test", 50, 18),
    ("mathvista", "testmini", 24, 0),
    ("mathvision", "test", 40, 24),
    ("mathverse", "testmini", 54, 0),
    ("mathverse", "testmini_text_only", 788, 0),
    ("mmk12", "test", 15, 0),
    ("derived/virl39k_schema", "train", 15, 0),
]


@needs_real_data
@pytest.mark.parametrize(("folder", "split", "count", "experts"), SAMPLES)
def test_all_samples_load_and_their_answers_verify(folder, split, count, experts):
    problems = load_problems(str(REAL_DATA / folder), split=split)
    assert (len(problems), sum(problem.solution is not None for problem in problems)) == (count, experts)
    for problem in problems:
        assert all(image.mode == "RGB" for image in problem.rgb_images())
        assert is_correct(f"<answer>{problem.answer}</answer>", problem), problem.name
        stated = problem.answer if problem.source == "geometry3k" else problem.answer_letter or problem.answer
        stated = problem.facts.get("answer", stated)  # MathVerse's own wording, such as "(C)"
        assert official_score(f"Answer:{stated}" if "gllava" in folder else f"<answer>{stated}</answer>", problem)


@needs_real_data
def test_the_hub_and_the_folders_hold_the_same_problems():
    folders = load_problems(str(REAL_DATA / "geometry3k"), split="test")
    hub = {problem.id: problem for problem in load_problems(str(REAL_DATA / "derived/geometry3k_hf"), split="test")}
    for problem in folders:
        twin = hub[problem.id]
        assert (twin.question, twin.answer, twin.choices) == (problem.question, problem.answer, problem.choices)
        assert twin.rgb_images()[0].tobytes() == problem.rgb_images()[0].tobytes()


@needs_real_data
def test_questions_without_a_picture_are_refused_or_left_out():
    folder = str(REAL_DATA / "geoqa" / "gllava")
    with pytest.raises(ValueError, match=r"record '0' of 'geoqa_gllava'.*does not exist"):
        load_problems(folder, split="test")
    assert len(load_problems(folder, split="test", quarantine=Quarantine(most=1))) == 50
