"""Reading JSON, JSON lines and CSV, and what messages say about columns."""

import pytest

from full_scale.data import records
from full_scale.data.records import (
    ROW_NUMBER,
    column,
    csv_rows,
    did_you_mean,
    fingerprint,
    jsonl_rows,
    names_of,
    read_json,
    read_jsonl,
    values,
)


def test_json_is_read_with_and_without_a_mark_of_its_bytes(tmp_path):
    place = tmp_path / "a.json"
    for content in (b'{"a": [1]}', b'\xef\xbb\xbf{"a": [1]}'):
        place.write_bytes(content)
        assert read_json(place) == {"a": [1]}
    with pytest.raises(ValueError, match=r"cannot read .*b\.json as JSON"):
        read_json(tmp_path / "b.json")
    place.write_text('{"a": {"b": 1, "c": 2, "b": 3}}')
    with pytest.raises(ValueError, match="key 'b' stands twice in one object"):
        read_json(place)


def test_the_largest_file_and_line_are_read(tmp_path, monkeypatch):
    place = tmp_path / "a.jsonl"
    place.write_bytes(b'{"a": 1}')
    monkeypatch.setattr(records, "MAX_JSON", 8)
    monkeypatch.setattr(records, "MAX_LINE", 8)
    assert read_json(place) == {"a": 1}
    assert list(read_jsonl(place)) == [{"a": 1}]
    monkeypatch.setattr(records, "MAX_JSON", 7)
    monkeypatch.setattr(records, "MAX_LINE", 7)
    with pytest.raises(ValueError, match="larger than 7 bytes"):
        read_json(place)
    with pytest.raises(ValueError, match=r"line 1 of .* is longer than 7 bytes"):
        list(jsonl_rows(place))


def test_a_bad_line_is_an_error_in_its_place(tmp_path):
    place = tmp_path / "a.jsonl"
    place.write_bytes(b'\n{"a": 1}\r\n \nno\n[]\n{"a": 2}')
    first, bad, listed, last = jsonl_rows(place)
    assert (first, last) == ({"a": 1}, {"a": 2})
    assert str(bad).startswith(f"line 4 of {place} is not JSON")
    assert str(listed) == f"line 5 of {place} must be a JSON object, got list"
    with pytest.raises(ValueError, match="line 4 of"):
        list(read_jsonl(place))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_csv_by_its_separator(sign, tmp_path):
    place = tmp_path / "a.csv"
    place.write_bytes(f'\ufeffa{sign} b \r\n1{sign}"x{sign} ""y"""\r\n\r\n2\r\n'.encode())
    good, bad = csv_rows(place)
    assert good == {"a": "1", "b": f'x{sign} "y"'}
    assert str(bad).startswith(f"line 4 of {place} has 1 cells for 2 columns")


@pytest.mark.parametrize("content", [b"", b"a,a\n1,2\n", b"a,\n1,2\n", b'a,b\n"1', b"a,b\n\xff,1\n"])
def test_a_csv_that_is_none_is_named(content, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*a\.csv as CSV: .*; save it as CSV in UTF-8 again"):
        list(csv_rows(tmp_path / "a.csv"))


def test_values_of_a_list_a_list_in_an_object_and_an_object(tmp_path):
    rows = [{"a": 1}, {"a": 2}]
    for content in (rows, {"data": rows}, {"x": rows[0], "y": rows[1]}):
        assert values(content, tmp_path) == rows
    assert values({"x": {"a": 1}}, tmp_path) == [{"a": 1}]
    for content in (5, [1], {"a": [1]}, {"x": {"a": 1}, "y": 2}):
        with pytest.raises(ValueError, match="must be a list of JSON objects"):
            values(content, tmp_path)


def test_messages_about_columns():
    assert column({"a": None}, "a", "r") is None
    with pytest.raises(
        ValueError, match=r"^r has no column 'answr'; its columns are id, answer; did you mean 'answer'\?$"
    ):
        column({"id": 1, "answer": 2, ROW_NUMBER: 3}, "answr", "r")
    assert names_of({}) == "none"
    assert names_of({"b", "a"}) == "a, b"
    assert names_of({str(n): n for n in range(30)}).endswith("28, 29")
    assert names_of({str(n): n for n in range(31)}).endswith("28, 29, ...")
    assert did_you_mean("zzz", {"answer"}) == ""
    assert fingerprint("a") == "ca978112ca1b"
