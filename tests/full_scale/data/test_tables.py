"""Tables in every form: which are found, which is a split, what their rows are."""

import json
import os

import pyarrow.parquet
import pytest
from datasets import Dataset, DatasetDict
from layouts import parquet, write_json, write_jsonl

from full_scale.data.tables import (
    check_readable,
    columns_of,
    has_columns,
    rows_of,
    splits_of,
    table_rows,
    tables_of,
)

ROW = {"a": 1, "b": "x"}


def found(path, split="train", first="train", columns=("a",)):
    return list(table_rows(path, split, set(columns).__le__, first_split=first))


def names(folder):
    return [table.relative_to(folder).as_posix() for table in tables_of(folder)]


def test_tables_are_files_with_known_endings_in_known_places(tmp_path):
    for name in ("a.json", "b.jsonl", "c.ndjson", "d.csv", "e.tsv", "data/f.json", "notes.txt", "deep/g.json"):
        write_jsonl(tmp_path / name, [ROW])
    write_jsonl(tmp_path / "train" / "metadata.csv", [ROW])
    write_jsonl(tmp_path / "x" / "y" / "metadata.csv", [ROW])
    write_jsonl(tmp_path / "train" / "metadata.txt", [ROW])
    parquet(tmp_path / "x" / "y" / "h.parquet", [ROW])
    write_json(tmp_path / "dataset_info.json", {})
    assert names(tmp_path) == [
        *("a.json", "b.jsonl", "c.ndjson", "d.csv", "data/f.json", "dataset_info.json", "e.tsv"),
        *("train/metadata.csv", "x/y/h.parquet"),
    ]
    assert tables_of(tmp_path / "a.json") == [tmp_path / "a.json"]
    assert tables_of(tmp_path / "x" / "y" / "h.parquet") == [tmp_path / "x" / "y" / "h.parquet"]
    assert tables_of(tmp_path / "notes.txt") == []


def test_a_saved_data_set_is_its_state_and_nothing_beside_it(tmp_path):
    DatasetDict({"train": Dataset.from_list([ROW]), "test": Dataset.from_list([ROW] * 2)}).save_to_disk(tmp_path)
    assert names(tmp_path) == ["test/state.json", "train/state.json"]
    assert splits_of(tmp_path) == ["test", "train"]
    assert found(tmp_path, "test") == [ROW] * 2
    assert found(tmp_path / "train") == [ROW]
    assert names(tmp_path / "train") == ["state.json"]
    assert columns_of(tmp_path / "train" / "state.json") == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("train-00000-of-00001.jsonl", "train"),
        ("train_subset.jsonl", "train"),
        ("validation.jsonl", "val"),
        ("dev.jsonl", "val"),
        ("val.x.jsonl", "val"),
        ("test.jsonl", "test"),
        ("testmini.jsonl", "testmini"),
        ("testmini_text_only.jsonl", "testmini_text_only"),
        ("testing.jsonl", None),
        ("my_train.jsonl", None),
        ("trains.jsonl", None),
    ],
)
def test_the_split_is_told_by_the_name(name, split, tmp_path):
    write_jsonl(tmp_path / name, [ROW])
    assert splits_of(tmp_path) == ([split] if split else [])
    for asked in ("train", "val", "test", "testmini", "testmini_text_only"):
        assert found(tmp_path, asked, first="none") == ([ROW] if asked == split else [])


def test_an_image_folders_split_is_its_folder_and_its_pictures_are_below(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "metadata.csv").write_text("file_name,a\n1.png,2\n")
    assert splits_of(tmp_path) == ["test"]
    assert found(tmp_path, "test") == [{"file_name": "test/1.png", "a": "2"}]
    assert list(rows_of(tmp_path / "test" / "metadata.csv")) == [{"file_name": "./1.png", "a": "2"}]
    (tmp_path / "metadata.csv").write_text("file_name,a\n1.png,2\n")
    assert list(rows_of(tmp_path / "metadata.csv", tmp_path)) == [{"file_name": "./1.png", "a": "2"}]
    write_jsonl(tmp_path / "other.jsonl", [{"file_name": "1.png"}])
    assert list(rows_of(tmp_path / "other.jsonl", tmp_path)) == [{"file_name": "1.png"}]
    write_jsonl(tmp_path / "metadata.jsonl", [{"a": 1}])
    assert list(rows_of(tmp_path / "metadata.jsonl", tmp_path)) == [{"a": 1}]


def test_a_table_without_a_split_in_its_name_is_the_first_split_where_none_is_named(tmp_path):
    write_jsonl(tmp_path / "mine.jsonl", [ROW])
    assert found(tmp_path) == [ROW]
    assert found(tmp_path, "test") == []
    assert found(tmp_path, "test", first="test") == [ROW]
    write_jsonl(tmp_path / "train.jsonl", [{"a": 2}])
    assert found(tmp_path) == [{"a": 2}]


def test_all_tables_of_a_split_are_read_in_the_order_of_their_names(tmp_path):
    for number in (2, 1):
        write_jsonl(tmp_path / f"train-{number}.jsonl", [{"a": number}])
    write_jsonl(tmp_path / "train-3.jsonl", [{"c": 3}])
    assert found(tmp_path) == [{"a": 1}, {"a": 2}]


def test_several_tables_that_may_be_meant_are_named_unless_one_is_the_subset(tmp_path):
    for name in ("one", "two"):
        write_jsonl(tmp_path / f"{name}.jsonl", [ROW])
    with pytest.raises(ValueError, match=r"has several tables: one.jsonl, two.jsonl; give the path of one, or call"):
        found(tmp_path)
    write_jsonl(tmp_path / "a_subset.jsonl", [{"a": 3}])
    assert found(tmp_path) == [{"a": 3}]


def test_a_table_that_might_be_meant_and_cannot_be_read_says_why(tmp_path):
    (tmp_path / "mine.jsonl").write_text("nope\n")
    with pytest.raises(ValueError, match=r"line 1 of .*mine.jsonl is not JSON"):
        found(tmp_path)
    write_jsonl(tmp_path / "other.jsonl", [{"c": 1}])
    assert found(tmp_path) == []  # one of two, and neither is called by the split
    (tmp_path / "train.jsonl").write_text("nope\n")
    with pytest.raises(ValueError, match=r"train.jsonl is not JSON"):
        found(tmp_path)
    (tmp_path / "train.jsonl").write_text(json.dumps({"c": 1}) + "\nnope\n" * 2)
    with pytest.raises(ValueError, match="line 2"):
        check_readable(tmp_path / "train.jsonl")


def test_columns_are_those_of_the_first_20_records(tmp_path):
    file = tmp_path / "t.jsonl"
    write_jsonl(file, [{"a": 1}] * 19 + [{"b": 1}, {"c": 1}])
    assert columns_of(file) == {"a", "b"}
    assert has_columns(tmp_path, {"a", "b"})
    assert not has_columns(tmp_path, {"a", "c"})
    write_jsonl(file, [{"d": 1}])
    os.utime(file, ns=(1, 1))
    assert columns_of(file) == {"d"}  # not what was remembered
    parquet(tmp_path / "t.parquet", [ROW])
    assert columns_of(tmp_path / "t.parquet") == {"a", "b"}
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    os.utime(tmp_path / "t.parquet", ns=(2, 2))
    assert columns_of(tmp_path / "t.parquet") == set()
    (tmp_path / "u.jsonl").write_text('nope\n{"e": 1}\n')
    assert columns_of(tmp_path / "u.jsonl") == {"e"}
    assert not has_columns(tmp_path / "none", {"a"})


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('\ufeff{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('{"x": {"a": 1}}\n\n', [{"a": 1}]),
        ('{\n"x": {"a": 1}}', [{"a": 1}]),
        ('[\n{"a": 1}]', [{"a": 1}]),
    ],
)
def test_a_json_file_may_hold_json_or_json_lines(text, rows, tmp_path):
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    assert list(rows_of(tmp_path / "t.json")) == rows


def test_csv_and_tsv(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n")
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx\n")
    for name in ("t.csv", "t.tsv"):
        assert list(rows_of(tmp_path / name)) == [{"a": "1", "b": "x"}]


def test_parquet_is_read_in_order_and_its_damage_is_named(tmp_path):
    rows = [{"a": number} for number in range(150)]
    parquet(tmp_path / "t.parquet", rows)
    assert list(rows_of(tmp_path / "t.parquet")) == rows
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"cannot read .*t.parquet as parquet: .*; download it again"):
        list(rows_of(tmp_path / "t.parquet"))


def test_a_parquet_file_without_rows_has_its_columns(tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW]).slice(0, 0), tmp_path / "t.parquet")
    assert columns_of(tmp_path / "t.parquet") == {"a", "b"}
    assert found(tmp_path) == []


def test_a_saved_data_set_that_names_other_folders_is_refused(tmp_path):
    Dataset.from_list([ROW]).save_to_disk(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    write_json(tmp_path / "state.json", {**state, "_data_files": [{"filename": "../data-00000-of-00001.arrow"}]})
    with pytest.raises(ValueError, match=r"state.json names files outside of its folder: .*; save the data again"):
        list(rows_of(tmp_path / "state.json"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", b"[]"),
        ("state.json", b"5"),
        ("state.json", b"{}"),
        ("state.json", b'{"_data_files": 5}'),
        ("state.json", b'{"_data_files": ["data-00000-of-00001.arrow"]}'),
        ("state.json", b'{"_data_files": [{"filename": 5}]}'),
        ("state.json", b'{"_data_files": [{"filename": "gone.arrow"}]}'),
        ("dataset_info.json", b""),
        ("dataset_info.json", b"5"),
        ("dataset_info.json", b'{"features": {"a": {"dtype": "nothing", "_type": "Value"}}}'),
        ("dataset_info.json", b'{"features": {"a": {"_type": "Nothing"}}}'),
        ("data-00000-of-00001.arrow", b""),
        ("data-00000-of-00001.arrow", b"\0" * 100),
        ("data-00000-of-00001.arrow", b"\0\xff\xff\xff\xff\x80"),  # a byte too many in front
    ],
)
def test_a_damaged_saved_data_set_is_named(tmp_path, name, content):
    Dataset.from_list([ROW]).save_to_disk(tmp_path)
    (tmp_path / name).write_bytes(content)
    wanted = rf"cannot read {tmp_path} as a saved data set: .+; save or copy it again|state\.json names files outside"
    with pytest.raises(ValueError, match=wanted) as error:
        list(rows_of(tmp_path / "state.json"))
    assert len(str(error.value).splitlines()) == 1
    assert columns_of(tmp_path / "state.json") == set()
