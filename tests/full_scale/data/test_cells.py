"""What a cell of a foreign table may hold, form by form."""

import base64
from decimal import Decimal

import PIL.Image
import pytest
from layouts import picture, png

from full_scale.data.cells import as_text, choices_of, pictures_of, shown
from full_scale.problems.pictures import EncodedPicture


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (" 5 cm\n", "5 cm"),
        (120, "120"),
        (120.0, "120"),
        (-0.5, "-0.5"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (Decimal("0.10"), "0.10"),
        (Decimal("3.00"), "3"),
        ([7], "7"),
        (("a ",), "a"),
        ([[7]], "7"),
    ],
)
def test_texts_and_numbers(cell, text):
    assert as_text(cell, "it") == text


@pytest.mark.parametrize("cell", [True, [], [1, 2], {}, {"a": 1}, b"5"])
def test_what_is_no_text_is_refused(cell):
    with pytest.raises(ValueError, match=r"^it must be one text or number, got .*; write it as text$"):
        as_text(cell, "it")


@pytest.mark.parametrize("cell", [float("nan"), float("inf"), Decimal("-Infinity")])
def test_numbers_that_are_not_finite_are_refused(cell):
    with pytest.raises(ValueError, match=r"^it is the number .*; write it as text, or leave the record out$"):
        as_text(cell, "it")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a", "str 'a'"),
        ("a" * 40, "str '" + "a" * 40 + "'"),
        ("a" * 41, "str '" + "a" * 40 + "'..."),
        ([1, 2], "list '[1, 2]'"),
        (b"\x00" * 9, "bytes '9 bytes'"),
    ],
)
def test_a_message_shows_the_beginning_of_a_cell(cell, text):
    assert shown(cell) == text


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        (None, ()),
        ("", ()),
        (" \n ", ()),
        ([], ()),
        (("a", 2, 2.5), ("a", "2", "2.5")),
        ({"B": "b", "A": "a"}, ("a", "b")),
        ('{"a": "x", "b": "y"}', ("x", "y")),
        ("('x', 'y')", ("x", "y")),
        ('["x", "y"]', ("x", "y")),
        ("x\n\n y ", ("x", "y")),
        ("A. x\nB) y\n(C) z", ("x", "y", "z")),
        ("A. x\nC. y", ("A. x", "C. y")),  # not the letters in order: they belong to the texts
        ("A.\nB.", ("A.", "B.")),  # nothing behind the letters
        ("A: x\ny", ("A: x", "y")),
        ([f"{letter}. {letter}" for letter in "ABCDEFGHIJ"], tuple("ABCDEFGHIJ")),
        ([f"{letter}. {letter}" for letter in "ABCDEFGHIJK"], tuple(f"{letter}. {letter}" for letter in "ABCDEFGHIJK")),
    ],
)
def test_choices(cell, texts):
    assert choices_of(cell, "the choices") == texts


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (7, "^the choices must be a list of texts, got int '7'"),
        ("[x", "^the choices must be a list of texts, got str '.x'"),
        ("[" + "1," * 5000 + "]", "^the choices must be a list of texts, got str "),
        ({"A": "a", "C": "c"}, r"^the choices must be called A, B, C \.\.\., got list "),
        (["a", ""], "^the choices has an empty one: list "),
    ],
)
def test_choices_that_are_none(cell, message):
    with pytest.raises(ValueError, match=message):
        choices_of(cell, "the choices")


def pictures(cell, root):
    return pictures_of(cell, root, "record 3")


def test_each_form_of_a_picture(tmp_path):
    picture(tmp_path / "images" / "0.png")
    code, place = base64.b64encode(png()).decode(), tmp_path / "images" / "0.png"
    encoded, opened = EncodedPicture(png()), PIL.Image.new("RGB", (2, 2))
    assert pictures("images/0.png", tmp_path) == (place,)
    assert pictures(" 0.jpg ", tmp_path) == (place,)
    assert pictures('["images/0.png", "0.png"]', tmp_path) == (place, place)
    assert pictures(png(), tmp_path) == (encoded,)
    assert pictures(code, tmp_path) == (encoded,)
    assert pictures(f"data:image/png;base64,{code}", tmp_path) == (encoded,)
    assert pictures(f"data:image/svg+xml;base64,{code[:20]}", tmp_path) == (
        EncodedPicture(base64.b64decode(code[:20])),
    )
    assert pictures([png(), "0.png"], tmp_path) == (encoded, place)
    assert pictures(opened, tmp_path) == (opened,)
    assert pictures(None, tmp_path) == pictures("  ", tmp_path) == pictures([], tmp_path) == ()


@pytest.mark.parametrize("name", ["bytes", "image", "image_url", "url", "path"])
def test_the_first_entry_of_an_object_that_is_not_empty_counts(name, tmp_path):
    names = ("bytes", "image", "image_url", "url", "path")
    for empty in (None, "", b""):
        before = dict.fromkeys(names[: names.index(name)], empty)
        after = dict.fromkeys(names[names.index(name) + 1 :], "https://not.this")
        assert pictures({**before, name: png(), **after}, tmp_path) == (EncodedPicture(png()),)


def test_code_of_a_picture_is_told_from_a_name(tmp_path):
    short = base64.b64encode(png()).decode()[:63]
    assert pictures(short, tmp_path) == (tmp_path / short,)  # too short for any picture: a path, refused later
    other = "Q0" + "A" * 100  # no picture begins so
    assert pictures(other, tmp_path) == (tmp_path / other,)
    dotted = "/9j/" + "a" * 80 + ".png"
    with pytest.raises(ValueError, match=r"^record 3: .* lies outside of the data set's folder"):
        pictures(dotted, tmp_path)
    long = base64.b64encode(png()).decode()
    assert pictures(long[:64], tmp_path) == (EncodedPicture(base64.b64decode(long[:64])),)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (5, r"^record 3: a picture must be a path, bytes, base64 or \{'bytes', 'path'\}, got int '5'$"),
        ({"bytes": None, "path": ""}, "^record 3: the picture is empty; the data set must embed its pictures' bytes$"),
        ("https://host/0.png", "^record 3: the picture 'https://host/0.png' is on the web; download it"),
        ("http://host/" + "a" * 99, f"'http://host/{'a' * 48}' is on the web"),
        ("../0.png", "^record 3: ../0.png lies outside of the data set's folder"),
        ("data:image/png;base64,AAAAA", "^record 3: the picture's base64 is damaged"),
    ],
)
def test_pictures_that_are_none(cell, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        pictures(cell, tmp_path)


BEGINNINGS = {
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0",
    "gif": b"GIF89a",
    "webp": b"RIFF",
    "bmp": b"BM",
    "tiff": b"II*\x00",
    "big tiff": b"MM\x00*",
}


@pytest.mark.parametrize("kind", BEGINNINGS)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", [True, False])
def test_code_of_each_kind_of_picture_in_both_alphabets(kind, encode, padding, tmp_path):
    content = BEGINNINGS[kind] + b"\xfb\xef\xbe\xff\xff\xff" * 10
    code = encode(content).decode()
    assert pictures(code if padding else code.rstrip("="), tmp_path) == (EncodedPicture(content),)


def test_code_may_be_cut_into_lines_and_have_an_address_in_front(tmp_path):
    content = BEGINNINGS["png"] + bytes(90)
    code = base64.b64encode(content).decode()
    assert pictures(f"{code[:76]}\n{code[76:]}", tmp_path) == (EncodedPicture(content),)
    address = "data:image/x-ms.bmp+z;base64,"
    assert pictures(address + code, tmp_path) == (EncodedPicture(content),)
