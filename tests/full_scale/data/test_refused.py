"""Data that cannot be used are refused or counted, with the record's name and what to do."""

import logging
import struct
import zlib

import pytest
from layouts import broken, parquet, png, virl39k_zip, write_json
from realdata import GEOMETRY3K

from full_scale.data import Quarantine, load_problems


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "geometry4k"}, "unknown data set 'geometry4k'.* rendered, .*geometry3k, .*mathvista"),
        ({"dataset": "geometry3k:/no/such"}, "unknown data set 'geometry3k:/no/such': no such name or path"),
        ({"dataset": str(GEOMETRY3K / "train" / "1091")}, "has none of the known layouts"),
        ({"dataset": str(GEOMETRY3K), "split": "dev"}, "geometry3k has no split 'dev'; it has train, val"),
        ({"dataset": str(GEOMETRY3K), "split": "val"}, "no problems in split 'val'"),
        ({"dataset": "rendered", "split": "val"}, "rendered has no split 'val'; it has train, test"),
        ({"dataset": ""}, "dataset='': expected a path, or a layout and a path. Fix: generic:FOLDER"),
        ({"dataset": "mathvista"}, "dataset='mathvista': expected a path, .* Fix: mathvista:FOLDER"),
        ({"dataset": "mathvista:"}, "dataset='mathvista:': expected a path, .* Fix: mathvista:FOLDER"),
        ({"dataset": "rendered", "limit": 0}, "limit must be at least 1 or None, got 0"),
    ],
)
def test_unknown_names_list_the_valid_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_problems(**arguments)


@pytest.mark.parametrize("options", [{}, {"columns": "question=q"}])
def test_a_folder_without_a_table_is_named(tmp_path, options):
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(ValueError, match=rf"^no table \(\.jsonl, .*\) in {tmp_path}$"):
        load_problems(f"generic:{tmp_path}", **options)


def test_a_folder_that_is_called_like_a_layout_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "mathvista" / "train.json", [{"q": "1 + 1?", "answer": "2"}])
    assert [problem.answer for problem in load_problems("mathvista", columns="question=q")] == ["2"]
    write_json(tmp_path / "mathvista" / "train.json", [{"question": "1 + 1?", "answer": "2"}])
    assert [problem.answer for problem in load_problems("mathvista")] == ["2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(answer=""), "record 'a' of 'mmk12': the answer is empty"),
        (lambda record: record.pop("answer"), "problem a has no column 'answer'; its columns are id, question"),
        (lambda record: record.update(image_path="images/b.png"), r"record 'a'.*b\.png does not exist"),
    ],
)
def test_a_broken_record_is_named_or_left_out_with_a_count(change, message, tmp_path, caplog):
    broken(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        load_problems(f"mmk12:{tmp_path}", split="test")
    with caplog.at_level(logging.WARNING):
        assert [
            problem.id for problem in load_problems(f"mmk12:{tmp_path}", split="test", quarantine=Quarantine(most=1))
        ] == ["b"]
    assert "1 of 2 records (50%) are broken; the first: " in caplog.text


def test_an_embedded_picture_that_is_broken_names_the_record(tmp_path):
    row = {"images": [{"bytes": b"junk", "path": "x"}], "problem": "p", "answer": "65", "id": 7}
    parquet(tmp_path / "train-0.parquet", [row])
    with pytest.raises(
        ValueError, match="record '7' of 'geometry3k': cannot read picture in the table: cannot tell its kind; repair"
    ):
        load_problems(f"geometry3k_hub:{tmp_path}")


def test_a_file_that_is_not_json_is_named(tmp_path):
    (tmp_path / "k12.json").write_text("{")
    with pytest.raises(ValueError, match=r"cannot read .*k12\.json as JSON"):
        load_problems(f"mmk12:{tmp_path}", split="test")
    (tmp_path / "test.jsonl").write_text('{"id": 1}\nnope\n')
    with pytest.raises(ValueError, match=r"line 2 of .*test\.jsonl is not JSON"):
        load_problems(f"mathvision:{tmp_path}", split="test")
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"cannot read .*train\.parquet as parquet.*download it again"):
        load_problems(f"virl39k:{tmp_path}")


def test_a_data_set_that_the_hub_does_not_have_is_an_error_that_says_what_to_do(monkeypatch):
    def download(name, *, repo_type):
        raise OSError("offline")

    monkeypatch.setattr("full_scale.data.loading.snapshot_download", download)
    with pytest.raises(ValueError, match=r"cannot download data set 'no/such'.*check its name and the network"):
        load_problems("hub:no/such")


def test_a_broken_archive_says_so(tmp_path):
    virl39k_zip(tmp_path)
    (tmp_path / "images.zip").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"cannot read .*images\.zip as a zip archive.*download it again"):
        load_problems(str(tmp_path))


def test_a_limit_counts_problems_not_records(tmp_path):
    broken(tmp_path, lambda record: record.update(answer=""))
    assert [
        one.id for one in load_problems(f"mmk12:{tmp_path}", split="test", limit=1, quarantine=Quarantine(most=1))
    ] == ["b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "°"}, "record 'a' of 'mmk12': the verifier cannot parse the answer '°'"),
        ({"answer": [65, 66]}, "MMK12 problem a: the answer must be one text or number, got list"),
        ({"question": None}, "a record of layout mmk12 has a cell of the wrong type"),
        ({"image_path": ""}, "MMK12 problem a: no picture in column image or image_path"),
        ({"image_path": 5}, "MMK12 problem a: a picture must be a path, bytes, base64 or"),
        ({"image_path": {"bytes": None, "path": None}}, "MMK12 problem a: the picture is empty"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_by_name(change, message, tmp_path):
    broken(tmp_path, lambda record: record.update(change))
    with pytest.raises(ValueError, match=message):
        load_problems(f"mmk12:{tmp_path}", split="test")


def test_answers_that_can_only_be_compared_as_text_are_counted(tmp_path, caplog):
    broken(tmp_path, lambda record: record.update(answer="an isosceles triangle"))
    with caplog.at_level(logging.WARNING):
        load_problems(f"mmk12:{tmp_path}", split="test")
    assert "1 of 2 answers are no expression that the verifier can parse; only the same words count" in caplog.text


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    header = png()  # 20 x 10; the header then claims 60000 x 60000
    ihdr = b"IHDR" + struct.pack(">II", 60_000, 60_000) + header[24:29]
    bomb = header[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + header[33:]
    (tmp_path / "images" / "a.png").write_bytes(bomb)
    write_json(tmp_path / "k12.json", [{"id": "a", "question": "q", "answer": "65", "image_path": "images/a.png"}])
    with pytest.raises(ValueError, match=r"record 'a' of 'mmk12': (cannot read picture|picture) .*a\.png"):
        load_problems(f"mmk12:{tmp_path}", split="test")
