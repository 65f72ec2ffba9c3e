"""What a layout is: its split, its columns, the word in its path."""

import dataclasses

import pytest
from layouts import parquet, write_jsonl

from full_scale.data import DATASETS
from full_scale.data.schema import SYMBOLIC, Request, Scoring, is_called, table_schema
from full_scale.problems.problem import Problem


def problem_of(record, _path):
    return Problem(id=str(record["id"]), source="own", question="q", answer=str(record["a"]))


def schema(*layouts, **options):
    return table_schema("own", ("train", "test"), problem_of, *(layouts or ({"id", "a"},)), **options)


def rows(made, path, split="train"):
    return list(made.read(Request(path=path, split=split)))


@pytest.mark.parametrize(
    ("splits", "scored"),
    [
        (("train", "val", "test"), "test"),
        (("train",), "train"),
        (("train", "validation"), "train"),
        (("testmini", "test"), "testmini"),
        (("val", "train"), "val"),
    ],
)
def test_the_scored_split_is_the_first_that_is_not_for_training(splits, scored):
    assert dataclasses.replace(schema(), splits=splits).scored_split == scored


def test_a_schema_of_a_table_has_what_it_was_given():
    made = schema()
    assert (made.name, made.source, made.splits, made.official) == ("own", "own", ("train", "test"), SYMBOLIC)
    assert made.problem is problem_of
    assert (made.shipped, made.reward_rule) == (None, DATASETS["math"].reward_rule)
    other = Scoring(score=lambda *_: True, rule="all")
    assert schema(official=other, source="theirs").official is other
    assert schema(source="theirs").source == "theirs"
    assert other.warning == ""


def test_rows_are_those_of_the_first_variant_that_has_any(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [{"id": 1, "b": 2}, {"id": 2, "b": 3}])
    made = schema({"id", "a"}, {"id", "b"}, {"id"})
    assert rows(made, tmp_path) == [{"id": 1, "b": 2}, {"id": 2, "b": 3}]
    write_jsonl(tmp_path / "train.jsonl", [{"id": 1, "a": 2}])
    assert rows(made, tmp_path) == [{"id": 1, "a": 2}]  # once, though the third variant fits too
    assert rows(schema({"c"}), tmp_path) == []


def test_a_file_whose_name_tells_no_split_is_the_first_one(tmp_path):
    write_jsonl(tmp_path / "all.jsonl", [{"id": 1, "a": 2}])
    assert len(rows(schema(), tmp_path)) == 1
    assert rows(schema(), tmp_path, "test") == []


def test_a_table_is_recognised_by_its_columns(tmp_path):
    parquet(tmp_path / "t.parquet", [{"id": 1, "a": 2, "more": 3}])
    assert schema().recognise(tmp_path)
    assert schema({"id", "c"}, {"id", "a"}).recognise(tmp_path)
    assert not schema({"id", "c"}).recognise(tmp_path)


def test_columns_that_any_table_may_have_need_a_word_in_the_path_or_further_columns(tmp_path):
    named, other = tmp_path / "My-OWN-data", tmp_path / "some"
    for folder in (named, other):
        parquet(folder / "t.parquet", [{"id": 1, "a": 2, "more": 3}])
    assert schema(called="own").recognise(named)
    assert not schema(called="own").recognise(other)
    assert schema(called="own", distinct={"more"}).recognise(other)
    assert not schema(called="own", distinct={"most"}).recognise(other)
    assert schema(called="own", distinct={"most"}).recognise(named)


def test_the_last_four_folders_of_a_path_may_have_the_word(tmp_path):
    below = tmp_path / "datasets--x--MMK12" / "snapshots" / "abc" / "t.parquet"
    assert is_called(below, "mmk12")
    assert not is_called(below / "deeper", "mmk12")
    assert not is_called(below, "geoqa")
    assert is_called(below, "")


def test_a_request_is_for_all_records_unless_it_says_otherwise(tmp_path):
    request = Request(path=tmp_path, split="train")
    assert (request.seed, request.limit) == (0, None)
