import io
import pickle

import PIL.Image
import pytest

from full_scale.problems import pictures as pictures_module
from full_scale.problems.problem import Problem


def make(**fields):
    return Problem(**{"id": "7", "source": "s", "question": "q", "answer": "65", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"answer": " "}, "record '7' of 's': the answer is empty"),
        ({"question": ""}, "neither a question nor a picture"),
        ({"choices": ("1", "65"), "answer_letter": "C"}, "answer_letter 'C' is not one of the choices"),
        ({"answer_letter": "A"}, "has no choices"),
        ({"choices": ("1", "65"), "answer_letter": "A"}, "choice A is '1', but the answer is '65'"),
        ({"choices": ("1", "65"), "answer_letter": ""}, "answer_letter '' is not one of the choices"),
        ({"choices": ("1", "65"), "answer_letter": "AB"}, "answer_letter 'AB' is not one of the choices"),
        ({"choices": tuple("0123456789x")}, "11 choices; at most 10 have a letter"),
        ({"question": "\ud83d?"}, r"question has half a character \('\\ud83d'\); write the file as UTF-8 again"),
        ({"answer": "\udfff"}, "answer has half a character"),
        ({"choices": ("a", "\ud800")}, "choices has half a character"),
        ({"solution": "so \udc00"}, "solution has half a character"),
    ],
)
def test_a_contradictory_record_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        make(**fields)


@pytest.mark.parametrize("name", ["id", "source", "question", "answer", "choices", "solution"])
def test_a_field_that_is_no_text_is_refused(name):
    with pytest.raises(TypeError, match=f"{name} must be text, got 65"):
        make(**{name: (65,) if name == "choices" else 65})
    with pytest.raises(TypeError, match="answer must be text") as error:
        make(answer=list(range(10_000)))
    assert len(str(error.value)) < 150


def test_the_most_that_a_record_may_hold_is_accepted():
    problem = make(choices=tuple("ABCDEFGHIJ"), answer_letter="J", answer="J", question="\U0001f600", solution="")
    assert problem.name == "record '7' of 's'"
    assert make(question="", images=(PIL.Image.new("RGB", (2, 2)),)).question == ""


def test_a_missing_picture_is_refused_at_construction(tmp_path):
    with pytest.raises(ValueError, match=r"record '7'.*gone\.png does not exist"):
        make(images=(tmp_path / "gone.png",))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode, tmp_path):
    image = PIL.Image.new(mode, (30, 20))
    assert make(images=(image,)).rgb_images()[0].mode == "RGB"


def test_transparent_parts_become_white_also_in_palettes(tmp_path):
    clear = PIL.Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    assert make(images=(clear,)).rgb_images()[0].getpixel((3, 3)) == (255, 255, 255)
    palette = PIL.Image.new("P", (30, 20), 0)
    palette.save(tmp_path / "palette.png", transparency=0)
    assert make(images=(tmp_path / "palette.png",)).rgb_images()[0].getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_an_unreadable_empty_or_truncated_picture_names_the_record(content, tmp_path):
    whole = io.BytesIO()
    PIL.Image.effect_noise((64, 64), 50).save(whole, "PNG")
    path = tmp_path / "broken.png"
    path.write_bytes(whole.getvalue()[:-900] if content is None else content)
    with pytest.raises(ValueError, match=r"record '7' of 's': cannot read picture .*broken\.png"):
        make(images=(path,)).rgb_images()


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures_module, "MAX_PIXELS", 100)
    with pytest.raises(ValueError, match=r"record '7'.* is 20 x 6; at most 100 pixels"):
        make(images=(PIL.Image.new("RGB", (20, 6)),)).rgb_images()


def test_a_strip_that_the_processor_would_refuse_is_refused():
    with pytest.raises(ValueError, match="201 x 1; sides may differ 200-fold"):
        make(images=(PIL.Image.new("RGB", (201, 1)),)).rgb_images()
    assert make(images=(PIL.Image.new("RGB", (200, 1)),)).rgb_images()[0].size == (200, 1)


def test_a_problem_survives_pickling():
    problem = make(choices=("1", "65"), answer_letter="B", facts={"precision": 1})
    assert pickle.loads(pickle.dumps(problem)) == problem
