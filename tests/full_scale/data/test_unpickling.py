"""The reader of pickles, piece by piece; hostile ones are in test_bad_records.py."""

import base64
import io
import json
import pickle
import sys

import numpy as np
import PIL.Image
import pytest

from full_scale.data import unpickling
from full_scale.data.unpickling import ArrayUnpickler, as_json


def plain(value, most=100):
    return as_json(value, iter(range(most)))


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("value", [np.arange(6).reshape(2, 3), np.float64(2.5), np.uint8([[1, 2]])], ids=str)
def test_arrays_of_every_protocol_are_read(value, protocol):
    assert np.array_equal(ArrayUnpickler(io.BytesIO(pickle.dumps(value, protocol))).load(), value)


@pytest.mark.parametrize("value", [np.arange(6).reshape(2, 3), np.float64(2.5)], ids=str)
def test_numpys_old_names_are_read_as_the_new_ones(value):
    old = pickle.dumps(value, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert np.array_equal(ArrayUnpickler(io.BytesIO(old)).load(), value)


@pytest.mark.parametrize(("module", "name"), [("builtins", "eval"), ("numpy", "load"), ("os", "system"), ("numpy", "")])
def test_other_names_are_refused(module, name):
    with pytest.raises(ValueError, match=f"^it asks for {module}.{name}; only NumPy arrays are allowed: do not trust"):
        ArrayUnpickler(io.BytesIO()).find_class(module, name)


@pytest.mark.parametrize("name", ["numpy.core.numeric", "numpy._core.numeric"])
def test_arrays_from_a_buffer_are_allowed_by_both_names(name):
    assert ArrayUnpickler(io.BytesIO()).find_class(name, "_frombuffer").__name__ == "_frombuffer"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (True, True),
        ({"a": [1, 2.5, ("x",)]}, {"a": [1, 2.5, ["x"]]}),
        ({1: None}, {"1": None}),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
    ],
)
def test_plain_values(value, said):
    assert plain(value) == said
    assert type(plain(value)) is type(said)


@pytest.mark.parametrize(
    ("array", "is_picture"),
    [
        (np.full((2, 3), 7, np.uint8), True),
        (np.full((2, 3, 3), 7, np.uint8), True),
        (np.full((1, 1), 7, np.uint8), True),
        (np.full((2, 3, 4), 7, np.uint8), False),
        (np.full((2, 3), 7, np.int16), False),
        (np.full((3,), 7, np.uint8), False),
        (np.zeros((0, 3), np.uint8), False),
        (np.zeros((2, 3, 3, 3), np.uint8), False),
    ],
)
def test_an_array_is_its_type_its_shape_and_its_picture(array, is_picture):
    said = plain(array)
    assert (said["dtype"], said["shape"]) == (str(array.dtype), list(array.shape))
    assert (said["png"] is not None) == is_picture
    if is_picture:
        assert np.array_equal(PIL.Image.open(io.BytesIO(base64.b64decode(said["png"]))), array)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), 1j])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match=f"^it holds a {type(value).__name__}; expected texts, numbers and arrays$"):
        plain(value)


def test_entries_are_counted():
    assert plain([1, [2], {"a": 3}], most=6) == [1, [2], {"a": 3}]
    with pytest.raises(ValueError, match=r"^it holds more entries than any data set of this kind"):
        plain([1, [2], {"a": 3}], most=5)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (pickle.dumps([1]), {"value": [1]}),
        (pickle.dumps({1, 2}), {"error": "it holds a set; expected texts, numbers and arrays"}),
        (b"x", {"error": "UnpicklingError(\"invalid load key, 'x'.\")"}),
    ],
)
def test_the_answer_is_a_value_or_an_error(content, answer, tmp_path, monkeypatch, capsys):
    limits = {}
    monkeypatch.setattr(unpickling.resource, "setrlimit", lambda kind, limit: limits.update({kind: limit}))
    (tmp_path / "x.pk").write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["unpickling.py", str(tmp_path / "x.pk")])
    unpickling.main()
    assert json.loads(capsys.readouterr().out) == answer
    assert limits == {
        unpickling.resource.RLIMIT_AS: (2**30, 2**30),
        unpickling.resource.RLIMIT_CPU: (300, 300),
        unpickling.resource.RLIMIT_CORE: (0, 0),
    }


def test_a_long_reason_is_cut(tmp_path, monkeypatch, capsys):
    class Long(list):
        __slots__ = ()

    Long.__name__ = "L" * 400
    monkeypatch.setattr(unpickling.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(unpickling.ArrayUnpickler, "load", lambda _: {object: Long})
    monkeypatch.setattr(sys, "argv", ["unpickling.py", __file__])
    unpickling.main()
    assert len(json.loads(capsys.readouterr().out)["error"]) <= 200
    assert unpickling.MOST == 5_000_000
