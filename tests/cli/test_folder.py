"""An output folder belongs to one run: what is taken, refused, locked, removed; files that are whole or named."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.folder import LOCK, Output, RunFolder, beside, read_json, read_lines, write_json

ROOT = Path(__file__).parents[2]
NAMES = ("metrics.jsonl", "checkpoint-*/*.json", "logs/*/events.*")


def is_ours(content):
    return content.get("program") == "ours"


def folder(path):
    return RunFolder(path, begun="run.json", names=NAMES, is_ours=is_ours)


def begin(path):
    """A run's folder, as a finished run leaves it."""
    with folder(path):
        for name in ("run.json", "metrics.jsonl", "checkpoint-1/state.json", "logs/a/events.0"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text('{"program": "ours"}')
    return path


def content(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*"))


@pytest.mark.parametrize("output", [{}, {"overwrite": True}])
def test_a_new_and_an_empty_folder_are_taken(tmp_path, output):
    folder(tmp_path).check(Output(out=tmp_path, **output))
    folder(tmp_path / "new").check(Output(out=tmp_path, **output))
    assert content(tmp_path) == []


def test_a_folder_with_a_run_needs_a_flag(tmp_path):
    found = folder(begin(tmp_path))
    assert found.holds_run
    with pytest.raises(
        ValueError, match=r"out=.*: it is in use \(run.json\). Fix: --resume, --overwrite, or another --out"
    ):
        found.check(Output(out=tmp_path))
    found.check(Output(out=tmp_path, resume=True))
    found.check(Output(out=tmp_path, overwrite=True))
    once = RunFolder(tmp_path, begun="run.json", names=NAMES, is_ours=is_ours, resumable=False)
    with pytest.raises(ValueError, match=r"Fix: --overwrite, or another --out"):
        once.check(Output(out=tmp_path))
    with pytest.raises(ValueError, match="expected one of them"):
        Output(out=tmp_path, resume=True, overwrite=True)


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"port": 80}', r"out=.*: its run\.json is another program's\. Fix: choose another --out\."),
        ("[1, 2]", r"its run\.json is another program's"),
        ('{"program": "ou', r"run\.json: expected JSON, perhaps it was cut off"),
    ],
)
def test_a_file_with_the_right_name_is_not_ours_by_its_name_alone(tmp_path, flags, text, message):
    for name in ("run.json", "metrics.jsonl"):
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        folder(tmp_path).check(Output(out=tmp_path, **flags))
    with pytest.raises(ValueError, match=message):
        folder(tmp_path).clear()
    assert content(tmp_path) == ["metrics.jsonl", "run.json"]


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"--resume: .* holds no run \(run.json\). Fix: start it without --resume"):
        folder(tmp_path).check(Output(out=tmp_path, resume=True))


@pytest.mark.parametrize("output", [{}, {"overwrite": True}])
def test_a_folder_of_something_else_is_never_touched(tmp_path, output):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    (tmp_path / "other").write_text("")
    with pytest.raises(ValueError, match=r"in use, other \(and 1 more\) is no file of ours. Fix: choose another --out"):
        folder(tmp_path).check(Output(out=tmp_path, **output))
    with pytest.raises(ValueError, match="in use"), folder(tmp_path) as mine:
        mine.clear()
    assert content(tmp_path) == ["other", "thesis", "thesis/chapter.tex"]
    with pytest.raises(ValueError, match="expected a folder, it is a file"):
        folder(tmp_path / "other").check(Output(out=tmp_path, **output))


@pytest.mark.parametrize(
    "name", ["notes.txt", "checkpoint-1/thesis.tex", "deep/checkpoint-1/state.json", "metrics.jsonl/x"]
)
def test_foreign_files_in_a_run_are_refused_by_name_and_nothing_is_removed(tmp_path, name):
    begin(tmp_path)
    if name == "metrics.jsonl/x":
        (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("precious")
    before = content(tmp_path)
    found = folder(tmp_path)
    assert found.foreign() == [name]
    found.check(Output(out=tmp_path, resume=True))
    with pytest.raises(ValueError, match=f"--overwrite: .* also holds {name}, which this program did not write"):
        found.check(Output(out=tmp_path, overwrite=True))
    with pytest.raises(ValueError, match=name), found:
        found.clear()
    assert content(tmp_path) == before


def test_a_link_is_foreign_and_not_followed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.json").write_text("precious")
    begin(tmp_path / "run")
    (tmp_path / "run" / "checkpoint-2").symlink_to(tmp_path / "data")
    with pytest.raises(ValueError, match="checkpoint-2"):
        folder(tmp_path / "run").check(Output(out=tmp_path, overwrite=True))
    assert (tmp_path / "data" / "state.json").read_text() == "precious"


def test_a_link_with_a_name_of_ours_is_foreign(tmp_path):
    (tmp_path / "elsewhere.jsonl").write_text("precious")
    begin(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (tmp_path / "run" / "metrics.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert folder(tmp_path / "run").foreign() == ["metrics.jsonl"]


def test_a_folder_can_be_locked_again(tmp_path):
    found = folder(tmp_path)
    for _ in range(2):
        with found:
            assert (tmp_path / LOCK).is_file()
            with pytest.raises(ValueError, match="another run"), folder(tmp_path):
                pass


def test_clearing_removes_the_run_and_leaves_empty_folders_of_others(tmp_path):
    begin(tmp_path)
    (tmp_path / "mine").mkdir()
    with folder(tmp_path) as found:
        found.clear()
        assert content(tmp_path) == [LOCK, "mine"]
        assert found.foreign() == []
        found.clear()  # nothing to do
    assert not found.holds_run


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path):
    with folder(tmp_path / "a" / "b"):
        assert content(tmp_path) == ["a", "a/b", f"a/b/{LOCK}"]
    assert content(tmp_path) == []
    begin(tmp_path / "c")
    with folder(tmp_path / "c"):
        pass
    assert (tmp_path / "c" / "run.json").is_file()
    assert not (tmp_path / "c" / LOCK).exists()
    (tmp_path / "empty").mkdir()
    with folder(tmp_path / "empty"):
        pass
    assert content(tmp_path / "empty") == []


HOLD = """
import sys, time
from pathlib import Path
from cli.folder import RunFolder
with RunFolder(Path(sys.argv[1]), begun="run.json", names=(), is_ours=bool) as folder:
    (folder.path / "run.json").write_text("{}")
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_lock_holds_against_other_processes_and_ends_with_a_killed_one(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(ValueError, match=r"out=.*: another run is writing there. Fix: wait"),
            folder(tmp_path / "out"),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with folder(tmp_path / "out") as mine:
        assert mine.holds_run


@pytest.mark.parametrize("place", ["/proc/run", "/dev/null/run"])
def test_where_nothing_can_be_written_is_one_line(place):
    with (
        pytest.raises(ValueError, match=f"^out={place}: cannot be written .*Fix: choose another --out.$"),
        folder(Path(place)),
    ):
        pass


def test_json_is_written_whole_and_a_cut_one_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": [1]}
    assert content(tmp_path) == ["a.json"]
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert read_json(tmp_path / "a.json") == {"a": [1]}
    for half in ('{"a": [1', "", "\ufeff{}"):
        (tmp_path / "half.json").write_text(half)
        with pytest.raises(ValueError, match=r"half.json: expected JSON, perhaps it was cut off .*Fix: remove it"):
            read_json(tmp_path / "half.json")
    (tmp_path / "half.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match=r"half.json: expected JSON"):
        read_json(tmp_path / "half.json")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with beside(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (path.read_text(), content(tmp_path)) == ("old", ["file"])
    with beside(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
        assert part.name.endswith(".part")
    assert (path.read_text(), content(tmp_path)) == ("new", ["file"])


@pytest.mark.parametrize("flags", [{}, {"overwrite": True}])
def test_what_a_run_wrote_is_not_taken_without_the_file_that_it_begins_with(tmp_path, flags):
    for name in (LOCK, "run.json.part"):  # a run that was killed before it began
        (tmp_path / name).touch()
    folder(tmp_path).check(Output(out=tmp_path, **flags))
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ValueError, match=r"in use, metrics.jsonl is there without the run's run.json\. Fix: "):
        folder(tmp_path).check(Output(out=tmp_path, **flags))


def test_half_written_files_are_ones_own(tmp_path):
    begin(tmp_path)
    for name in ("metrics.jsonl.part", "checkpoint-1/state.json.part"):
        (tmp_path / name).touch()
    assert folder(tmp_path).foreign() == []
    with folder(tmp_path) as found:
        found.clear()
        assert content(tmp_path) == [LOCK]
    (tmp_path / "notes.part").touch()
    assert folder(tmp_path).foreign() == ["notes.part"]


def test_lines_are_read_but_the_one_that_was_cut_off(tmp_path):
    assert read_lines(tmp_path / "none.jsonl") == []
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert read_lines(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2}]
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a"\n')
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: expected JSON"):
        read_lines(tmp_path / "a.jsonl")
