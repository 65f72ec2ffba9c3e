"""Kinds of bad records and files: each is refused by name in a short message, or left out with its reason."""

import base64
import io
import json
import os
import pickle
import resource
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from layouts import png

from full_scale.data import Quarantine, load_problems

MESSAGES = json.loads((Path(__file__).parent / "messages.json").read_text(encoding="utf-8"))
"""What a user reads, whole, for each kind of RECORDS, LINES and FILES; FOLDER is the data set's."""

GOOD = {"id": "good", "question": "How long?", "answer": "5", "image": "0.png"}


def noise(kind="PNG", size=(64, 64)):
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(256, size=(size[1], size[0]), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def bomb():
    """A small PNG that claims 60000 x 60000 pixels."""
    header = png()
    ihdr = b"IHDR" + struct.pack(">II", 60_000, 60_000) + header[24:29]
    return header[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + header[33:]


def as_base64(content):
    return base64.b64encode(content).decode()


RECORDS = {  # kind: (what differs from a good record, what the message says)
    "no question, no picture": ({"question": "", "image": None}, "neither a question nor a picture"),
    "question of blanks": ({"question": " \n", "image": None}, "neither a question nor a picture"),
    "question is a number": ({"question": 7}, "the question must be text, got int '7'"),
    "question is a list of texts": ({"question": ["a", "b"]}, "the question must be text, got list"),
    "question with half a character": ({"question": "\ud83d?"}, "question has half a character"),
    "no answer": ({"answer": ""}, "the answer is empty"),
    "answer of blanks": ({"answer": "  \t"}, "the answer is empty"),
    "answer null": ({"answer": None}, "the answer is empty"),
    "answer a list": ({"answer": ["5", "6"]}, "the answer must be one text or number, got list"),
    "answer an object": ({"answer": {"value": "5"}}, "the answer is empty"),
    "answer true": ({"answer": True}, "the answer must be one text or number, got bool 'True'"),
    "answer infinite": ({"answer": float("inf")}, "the answer is the number inf"),
    "answer not a number": ({"answer": [float("nan")]}, "the answer is the number nan"),
    "answer of 100 kB": ({"answer": "1+" * 50_000 + "1"}, "the answer has 100001 characters; the verifier reads 1000"),
    "answer of words without end": ({"answer": "ab " * 40_000}, "characters; the verifier reads 1000"),
    "answer a sign": ({"answer": "°"}, "the verifier cannot parse the answer '°'"),
    "answer with half a character": ({"answer": "\udc00"}, "answer has half a character"),
    "answer in an empty box": ({"answer": "\\boxed{}"}, "the answer is empty"),
    "answer after nothing": ({"answer": "so\n####"}, "the answer is empty"),
    "choices without the answer": ({"choices": ["1", "2"]}, "is neither one of its 2 choices nor their letter"),
    "letter beyond the choices": ({"choices": ["1", "2"], "answer": "C"}, "is neither one of its 2 choices"),
    "a number beyond the choices": ({"choices": ["1", "2"], "answer": 7}, "is neither one of its 2 choices"),
    "eleven choices": ({"choices": [str(n) for n in range(11)]}, "11 choices; at most 10 have a letter"),
    "an empty choice": ({"choices": ["5", " "]}, "the choices has an empty one"),
    "choices of lists": ({"choices": [["5", "6"], ["6", "7"]]}, "the choices must be one text or number"),
    "choices a number": ({"choices": 5}, "the choices must be a list of texts"),
    "choices under odd names": ({"choices": {"one": "5", "two": "6"}}, "the choices must be called A, B, C"),
    "letter of one, text of another": ({"choices": ["B", "A"], "answer": "A"}, "the text of another choice"),
    "expert an object": ({"expert": {"a": 1}}, "the solution must be text, got dict"),
    "expert with half a character": ({"expert": "so \ud800"}, "solution has half a character"),
    "picture missing": ({"image": "gone.png"}, r"picture .*gone\.png does not exist"),
    "picture empty": ({"image": "empty.png"}, r"cannot read picture .*empty\.png"),
    "picture is text": ({"image": "text.png"}, r"cannot read picture .*text\.png: cannot tell its kind"),
    "picture cut off": ({"image": "cut.png"}, r"cannot read picture .*cut\.png"),
    "photograph cut off": ({"image": "cut.jpg"}, r"cannot read picture .*cut\.jpg"),
    "picture that claims 60000 x 60000": ({"image": "bomb.png"}, r"bomb\.png"),
    "picture too narrow": ({"image": "strip.png"}, "sides may differ 200-fold"),
    "picture that is a program": ({"image": "page.eps"}, "cannot tell its kind"),
    "picture a folder": ({"image": "images"}, r"picture .*images does not exist"),
    "picture a number": ({"image": 5}, "a picture must be a path, bytes, base64"),
    "picture an empty object": ({"image": {"bytes": None, "path": None}}, "the picture is empty"),
    "picture on the web": ({"image": "https://example.org/0.png"}, "is on the web; download it"),
    "picture above the folder": ({"image": "../secret.png"}, "lies outside of the data set's folder"),
    "picture above, by way of below": ({"image": "images/../../secret.png"}, "lies outside"),
    "picture from the root": ({"image": "/etc/hostname"}, "lies outside"),
    "picture by a file's address": ({"image": "file:///etc/hostname"}, "lies outside"),
    "picture by a link": ({"image": "link.png"}, r"link\.png lies outside"),
    "picture below a linked folder": ({"image": "linked/secret.png"}, "lies outside"),
    "path in an object": ({"image": {"bytes": None, "path": "/etc/hostname"}}, "lies outside"),
    "path of a chat's picture": ({"image": {"image_url": {"url": "/etc/hostname"}}}, "lies outside"),
    "path with a NUL": ({"image": "a\0b.png"}, "is no path of a file"),
    "path of 100 kB": ({"image": "a" * 100_000}, "is no path of a file"),
    "base64 of text": ({"image": "data:image/png;base64," + as_base64(b"no picture")}, "cannot tell its kind"),
    "base64 cut off": ({"image": as_base64(noise())[:-800]}, "cannot read picture in the table"),
    "base64 of one sign": ({"image": "data:image/png;base64,A"}, "base64 is damaged|cannot tell its kind"),
    "a second picture missing": ({"image": ["0.png", "gone.png"]}, r"gone\.png does not exist"),
    "too few pictures": ({"question": "<image><image>q"}, "the question shows 2 pictures, but the record has 1"),
    "a mark without a picture": ({"question": "<image>q", "image": ""}, "shows 1 pictures, but the record has 0"),
    "a chat without a question": (
        {"question": [{"role": "assistant", "content": "5"}]},
        "the conversation has 0 questions and 1 replies",
    ),
    "a chat of two questions": (
        {"question": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
        "the conversation has 2 questions",
    ),
    "a turn that is a number": ({"question": [{"role": "user", "content": 5}]}, "a turn must be text or a list"),
    "an id that is a list": ({"id": [1, 2]}, "the id must be one text or number"),
    "another's id": ({"id": "good", "question": "another?"}, "an earlier record with another question has this id"),
}

LINES = {  # kind: (a whole line of the file, what the message says)
    "half a line": (b'{"id": "bad", "quest', r"line 2 of .*train\.jsonl is not JSON"),
    "a list": (b'["q", "5"]', "line 2 of .* must be a JSON object, got list"),
    "a number": (b"5", "line 2 of .* must be a JSON object, got int"),
    "a key twice": (b'{"id": "bad", "question": "q", "answer": "5", "answer": "6"}', "key 'answer' stands twice"),
    "nested without end": (b'{"a": ' + b"[" * 100_000, "is not JSON: it is nested too deeply"),
    "Latin-1": '{"id": "bad", "question": "caf\xe9?", "answer": "5"}'.encode("latin-1"),
    "zeros": (bytes(50), "line 2 of .* is not JSON"),
    "a number of 10000 digits": (b'{"question": "q", "answer": ' + b"9" * 10_000 + b"}", "is not JSON: Exceeds"),
}
LINES["Latin-1"] = (LINES["Latin-1"], "line 2 of .* is not JSON: 'utf-8' codec")


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "data"
    (home / "images").mkdir(parents=True)
    for name, content in {
        "0.png": png(),
        "empty.png": b"",
        "text.png": b"no picture",
        "cut.png": noise()[:-900],
        "cut.jpg": noise("JPEG")[:-900],
        "bomb.png": bomb(),
        "strip.png": png((201, 1)),
        "page.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
    }.items():
        (home / name).write_bytes(content)
    (tmp_path / "secret.png").write_bytes(png())
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    (home / "linked").symlink_to(tmp_path)
    return home


def check_message(kind, error, folder):
    """It is the whole sentence that a user is to read, without the table of the layouts at its end."""
    text = str(error.value).replace(str(folder.resolve()), "FOLDER").replace(str(folder), "FOLDER")
    assert text.partition("; valid:")[0] == MESSAGES[kind]


def check(kind, folder, message, lines):
    """It is refused in a short message; with a quarantine the other records are read, soon and in little memory."""
    (folder / "train.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(ValueError, match=message) as error:
        load_problems(str(folder))
    assert len(str(error.value)) < 1000
    check_message(kind, error, folder)
    assert "--skip-broken leaves such records out" in str(error.value)
    quarantine = Quarantine(folder / "quarantine.jsonl")
    started = time.process_time()
    assert [problem.id for problem in load_problems(str(folder), quarantine=quarantine)] == ["good", "last"]
    assert time.process_time() - started < 5
    (line,) = map(json.loads, (folder / "quarantine.jsonl").read_text().splitlines())
    assert (line["dataset"], line["split"], line["row"]) == ("generic", "train", 2)
    assert line["reason"] in str(error.value)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_bad_record_is_refused_by_name_or_left_out_with_its_reason(kind, folder):
    change, message = RECORDS[kind]
    rows = [GOOD, {**GOOD, "id": "bad", "question": "q?", **change}, {**GOOD, "id": "last", "question": "r?"}]
    check(kind, folder, message, [json.dumps(row).encode() for row in rows])


@pytest.mark.parametrize("kind", LINES)
def test_a_bad_line_is_refused_by_its_number_or_left_out(kind, folder):
    line, message = LINES[kind]
    last = {**GOOD, "id": "last", "question": "r?"}
    check(kind, folder, message, [json.dumps(GOOD).encode(), line, json.dumps(last).encode()])


def test_there_are_at_least_40_kinds():
    assert len(RECORDS) + len(LINES) >= 40


FILES = {  # kind: (name, content, what the message says)
    "no file of records": ("notes.txt", b"hello", "none of the known layouts: no table"),
    "empty": ("train.jsonl", b"", "none of the known layouts"),
    "cut JSON": ("train.json", b'[{"question": "q", "answer": "5"}, {"que', r"cannot read .*train\.json as JSON"),
    "JSON without end": ("train.json", b"[" * 200_000, r"cannot read .*train\.json as JSON"),
    "a number": ("train.json", b"5", "list of JSON objects"),
    "no parquet": ("train.parquet", b"PAR1junkPAR1", "as parquet"),
    "CSV with a short row": ("train.csv", b"question,answer\nq,5\nq\n", "line 3 of .* has 1 cells for 2 columns"),
    "CSV with a long row": ("train.csv", b"question,answer\nq,5\nq,1,2\n", "line 3 of .* has 3 cells for 2 columns"),
    "CSV with a name twice": ("train.csv", b"question,answer,answer\nq,5,6\n", "must name each column once"),
    "CSV without end of quotes": ("train.csv", b'question,answer\n"q,5\n' * 3, "as CSV"),
    "CSV in UTF-16": ("train.csv", "question,answer\nq,5\n".encode("utf-16"), "as CSV"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_bad_file_is_named_in_a_short_message(kind, tmp_path):
    name, content, message = FILES[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_problems(str(tmp_path))
    assert len(str(error.value)) < 1500
    check_message(f"file: {kind}", error, tmp_path)


def test_a_line_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("full_scale.data.records.MAX_LINE", 1000)
    good = json.dumps({"question": "q", "answer": "5"}).encode()
    (tmp_path / "train.jsonl").write_bytes(good + b"\n" + b"x" * 1001)
    with pytest.raises(ValueError, match=r"line 2 of .* is longer than 1000 bytes"):
        load_problems(f"generic:{tmp_path}")


def test_a_huge_json_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("full_scale.data.records.MAX_JSON", 10)
    (tmp_path / "k12.json").write_text(json.dumps([{"question": "q", "answer": "5"}]))
    with pytest.raises(ValueError, match="it is larger than 10 bytes; write JSON lines or parquet instead"):
        load_problems(f"mmk12:{tmp_path}", split="test")


def test_tables_and_archives_that_are_links_to_outside_are_not_read(tmp_path):
    (tmp_path / "outside.jsonl").write_text(json.dumps({"question": "q", "answer": "5"}) + "\n")
    home = tmp_path / "data"
    home.mkdir()
    (home / "train.jsonl").symlink_to(tmp_path / "outside.jsonl")
    with pytest.raises(ValueError, match=r"train\.jsonl lies outside"):
        load_problems(str(home))
    (home / "train.jsonl").unlink()
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as archive:
        archive.writestr("0.png", png())
    (home / "images.zip").symlink_to(tmp_path / "outside.zip")
    (home / "train.jsonl").write_text(json.dumps({"question": "q", "answer": "5", "image": "0.png"}) + "\n")
    with pytest.raises(ValueError, match=r"images\.zip lies outside"):
        load_problems(str(home))


def laughs():
    """Ten levels of lists, each of which holds the one before ten times: shared in the pickle, endless as text."""
    value = "x" * 1000
    for _ in range(12):
        value = [value] * 10
    return pickle.dumps(value)


class Runs:
    def __reduce__(self):
        return (os.system, ("echo this must not run",))


PICKLES = {
    "runs a program": pickle.dumps([Runs()]),
    "cut off": pickle.dumps([{"id": 1}] * 100)[:-40],
    "no pickle": b"hello",
    "nothing": b"",
    "nested a million deep": b"\x80\x04" + b"]" * 1_000_000 + b"a" * 999_999 + b".",
    "reserves the memory": b"\x80\x04]r\xff\xff\xff\x7f.",
    "shared without end": laughs(),
    "an object array of raw bytes": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x40\x85cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R\x89U\x80" + b"\x41" * 128 + b"tb."
    ),
    "a scalar of raw bytes": (
        b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02O8K\x00K\x01\x87RU\x08" + b"A" * 8 + b"\x86R."
    ),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_a_hostile_pickle_ends_no_more_than_its_reader(kind, tmp_path, capfd):
    (tmp_path / "train.pk").write_bytes(PICKLES[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"cannot read .*train\.pk as a pickle|train\.pk must be a list"):
        load_problems(f"geoqa_pickle:{tmp_path}")
    assert "this must not run" not in capfd.readouterr().out
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB: 1 GiB
