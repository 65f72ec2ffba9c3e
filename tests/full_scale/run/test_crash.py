"""The report of a crash: what it says, and what it does not."""

import json
import platform
from pathlib import Path

import pytest

from full_scale.run import crash
from full_scale.run.command_line import read_command_line
from full_scale.run.crash import crash_report, without_data

QUESTION = "A triangle has sides of 3 and 4; find the third."


def settings_of(*flags):
    return read_command_line(flags).settings


def crashed(out, error, *flags):
    def fail():
        raise error

    with pytest.raises(type(error)), crash_report(out, settings_of(*flags), {"torch": "2"}, private=[QUESTION, "5"]):
        fail()
    return json.loads((out / "crash.json").read_text())


def test_it_holds_settings_versions_last_metrics_and_the_places(tmp_path, capsys):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "reward": 0.1}\n{"step": 2, "reward": 0.2}\n')
    found = crashed(tmp_path, RuntimeError("shapes [2, 3] and [4]"), "--slope", "0.3")
    assert found["error"] == {"type": "RuntimeError", "message": "shapes [2, 3] and [4]"}
    assert found["settings"]["recipe"] == {"slope": 0.3}
    assert found["versions"] == {"torch": "2"}
    assert found["last_metrics"] == {"step": 2, "reward": 0.2}
    assert found["traceback"][-1].startswith("tests/full_scale/run/test_crash.py:")
    assert found["traceback"][-1].endswith(" in fail")
    assert found["machine"]["gpu"]
    assert f"a report without data, to send with a question: {tmp_path / 'crash.json'}" in capsys.readouterr().err
    assert crashed(tmp_path / "..", KeyError("a"))["error"]["message"] == "'...'"


def test_it_quotes_no_data_and_no_password(tmp_path):
    error = RuntimeError(f"cannot read {QUESTION} or 'its answer' or \"more\" or 5")
    found = crashed(tmp_path, error, "--vllm-url", "http://me:secret@host:8000")
    text = json.dumps(found)
    assert QUESTION not in text
    assert "its answer" not in text
    assert "secret" not in text
    assert found["settings"]["vllm_url"] == "http://...@host:8000"
    assert found["error"]["message"] == "cannot read '...' or '...' or '...' or 5"


def test_a_message_is_cut_and_quotations_of_all_kinds_are_left_out():
    assert len(without_data("x" * 1000)) == 300
    assert without_data("a “b” «c» `d` 'e\\'f' it's") == "a '...' '...' '...' '...' it's"


def test_no_report_without_a_crash_and_none_where_it_cannot_be_written(tmp_path, capsys):
    with crash_report(tmp_path, settings_of(), {}):
        pass
    with pytest.raises(KeyboardInterrupt), crash_report(tmp_path, settings_of(), {}):
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError, match="first"), crash_report(tmp_path / "gone", settings_of(), {}):
        raise RuntimeError("first")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_the_machine_and_the_versions_of_a_report(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = crashed(tmp_path, RuntimeError("x"))
    assert found["machine"] == {"python": platform.python_version(), "system": platform.platform(), "gpu": "none"}
    assert found["last_metrics"] is None
    assert found.keys() == {"error", "traceback", "last_metrics", "settings", "versions", "machine"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    assert crashed(tmp_path, RuntimeError("x"))["machine"]["gpu"] == "a card"


@pytest.mark.parametrize(("text", "is_left_out"), [("abc", False), ("abcd", True)])
def test_texts_of_the_data_from_four_characters_on_are_left_out(text, is_left_out):
    assert without_data(f"an {text}!", [text]) == ("an '...'!" if is_left_out else f"an {text}!")
    assert without_data("abcdef", ["abcd", "abcdef"]) == "'...'"  # the longest first


def test_a_place_is_below_the_checkout_or_the_end_of_a_path():
    root = Path(__file__).parents[3]
    assert crash._place(str(root / "full_scale" / "train.py")) == "full_scale/train.py"
    inside = root / ".venv" / "lib" / "site-packages" / "trl" / "trainer" / "utils.py"
    assert crash._place(str(inside)) == "trl/trainer/utils.py"
    assert crash._place("/usr/lib/python3/json/decoder.py") == "python3/json/decoder.py"


def test_a_setting_shows_neither_a_password_nor_the_home_folder():
    assert crash._safe(f"{Path.home()}/data") == "~/data"
    assert crash._safe("http://a:b@host/x and ftp://c@d") == "http://...@host/x and ftp://...@d"
    assert crash._safe("http://host/a@b") == "http://host/a@b"
    assert crash._safe(3) == 3
