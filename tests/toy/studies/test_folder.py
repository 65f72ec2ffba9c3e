"""Whose a folder is, what may be removed from it, and that one run at a time uses it."""

import json
from dataclasses import replace

import pytest

from toy.learning.settings import Training
from toy.studies import folder
from toy.studies.arms import Arm
from toy.studies.folder import beside, figure_stem, study_folder, versions
from toy.world import World

ARMS = [Arm("main", name, World(), Training(steps=4, points=3), seeds=2) for name in ("grpo", "calibrl")]
NEITHER = {"resume": False, "overwrite": False}
RESUME = {"resume": True, "overwrite": False}
OVERWRITE = {"resume": False, "overwrite": True}


def use(out, arms=ARMS, **flags):
    """Use the folder as a study does, and leave what one leaves."""
    with study_folder(out, arms, **{**NEITHER, **flags}):
        pass


@pytest.fixture
def finished(tmp_path):
    """A folder with all that a study writes, half of it also half-written."""
    out = tmp_path / "run"
    use(out)
    for name in ("results.json", "report.html", "main.png", "main.svg", "entropy_change.png", "push.svg"):
        (out / name).write_text(name)
    for arm in ARMS:
        (out / "arms" / arm.file_name).write_text(arm.method)
    for name in ("results.json.12.partial", f"arms/{ARMS[0].file_name}.7.partial", "settings.json.9.partial"):
        (out / name).write_text("half")
    return out


def files(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_a_new_folder_gets_its_settings_first(tmp_path):
    out = tmp_path / "a" / "b"
    with study_folder(out, ARMS, **NEITHER):
        assert files(out) == {"settings.json", ".lock"}
        assert (out / "arms").is_dir()
    settings = json.loads((out / "settings.json").read_text())
    assert settings["program"] == "python -m toy"
    assert settings["versions"] == versions()
    assert set(versions()) == {"torch", "numpy", "gymnasium"}
    assert list(settings["arms"]) == ["main__grpo.npz", "main__calibrl.npz"]
    assert settings["arms"]["main__grpo.npz"]["training"]["steps"] == 4


def test_a_study_is_neither_continued_nor_replaced_unless_told(finished):
    before = files(finished)
    with pytest.raises(FileExistsError, match=r"it holds a study\. Fix: another --out, --resume .* or --overwrite"):
        use(finished)
    assert files(finished) == before


def test_both_flags_contradict_each_other(tmp_path):
    with pytest.raises(ValueError, match="--resume --overwrite: expected one"):
        use(tmp_path / "new", resume=True, overwrite=True)
    assert not (tmp_path / "new").exists()


def test_resume_keeps_what_is_whole_and_removes_what_is_not(finished):
    before = files(finished)
    use(finished, **RESUME)
    assert files(finished) == {name for name in before if not name.endswith(".partial")}
    assert (finished / "arms" / "main__grpo.npz").read_text() == "grpo"


def test_overwrite_removes_what_the_study_wrote(finished):
    use(finished, [replace(ARMS[0], seeds=3)], **OVERWRITE)
    assert files(finished) == {"settings.json", ".lock"}
    assert json.loads((finished / "settings.json").read_text())["arms"]["main__grpo.npz"]["seeds"] == 3


@pytest.mark.parametrize("name", ["thesis.txt", "arms/mine.npz", "main.pdf", "notes/main.png", "report.html.partial"])
def test_overwrite_removes_nothing_that_it_did_not_write(finished, name):
    (finished / name).parent.mkdir(exist_ok=True)
    (finished / name).write_text("years of work")
    before = files(finished)
    with pytest.raises(FileExistsError, match=r"this program did not write '(" + name + "|notes)' in it. Fix: move"):
        use(finished, **OVERWRITE)
    assert files(finished) == before
    use(finished, **RESUME)  # but it may lie there
    assert name in files(finished)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
def test_a_folder_of_something_else_is_never_touched(tmp_path, flags):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "zoo").mkdir()
    with pytest.raises(FileExistsError, match=r"it holds no study, but 'thesis.txt'. Fix: another --out"):
        use(tmp_path, **flags)
    assert files(tmp_path) == {"thesis.txt"}
    with pytest.raises(FileExistsError, match=r"it is a file\. Fix: another --out"):
        use(tmp_path / "thesis.txt", **flags)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("text", ['{"window": 3}', "[1, 2]", '{"program": "editor"}'])
def test_another_programs_settings_are_never_touched(tmp_path, flags, text):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(FileExistsError, match=r"its 'settings.json' is another program's. Fix: another --out"):
        use(tmp_path, **flags)
    assert files(tmp_path) == {"settings.json"}


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_half_written_settings_are_named_with_the_fix(finished, flags, share):
    path = finished / "settings.json"
    path.write_text(path.read_text()[: int(share * len(path.read_text()))])
    before = files(finished)
    with pytest.raises(ValueError, match=r"settings.json: damaged \(.*\). Fix: another --out; or remove the folder"):
        use(finished, **flags)
    assert files(finished) == before


def test_binary_settings_are_named_too(finished):
    (finished / "settings.json").write_bytes(b"\x80\x81")
    with pytest.raises(ValueError, match=r"settings\.json: damaged"):
        use(finished, **RESUME)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("left", [[], [".lock"], [".lock", "settings.json.77.partial"]])
def test_a_run_that_ended_before_it_began_leaves_a_new_folder(tmp_path, flags, left):
    for name in left:
        (tmp_path / name).touch()
    use(tmp_path, **flags)
    assert files(tmp_path) == {".lock", "settings.json"}


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([replace(arm, seeds=3) for arm in ARMS], r"\(seeds: 2 there, 3 here\)"),
        ([replace(arm, training=Training(steps=5, points=3)) for arm in ARMS], r"\(steps: 4 there, 5 here\)"),
        ([replace(arm, world=World(depth=5)) for arm in ARMS], r"\(depth: 4 there, 5 here\)"),
        (ARMS[:1], "method: calibrl there, None here"),
    ],
)
def test_other_settings_are_named_and_refused(finished, arms, message):
    with pytest.raises(FileExistsError, match=f"a study with other settings .*{message}.* Fix: the same settings"):
        use(finished, arms, **RESUME)


def test_at_most_three_differences_are_named(finished):
    training = Training(steps=5, points=4, prompts=8, rollouts=4, updates=2)
    with pytest.raises(FileExistsError) as refused:
        use(finished, [replace(arm, training=training) for arm in ARMS], **RESUME)
    assert str(refused.value).count(" there, ") == 3


def test_other_versions_are_other_settings(finished, monkeypatch):
    found = {**versions(), "torch": "1.0"}
    monkeypatch.setattr(folder, "versions", lambda: found)
    with pytest.raises(FileExistsError, match=r"torch: .* there, 1.0 here"):
        use(finished, **RESUME)


@pytest.mark.parametrize("flags", [RESUME, OVERWRITE])
def test_two_runs_do_not_share_a_folder(tmp_path, flags):
    out = tmp_path / "run"
    with study_folder(out, ARMS, **NEITHER):
        (out / "arms" / "main__grpo.npz").write_text("mine")
        with pytest.raises(FileExistsError, match=r"another run is using it\. Fix: another --out, or wait"):
            use(out, **flags)
        assert (out / "arms" / "main__grpo.npz").read_text() == "mine"
    use(out, **flags)


def test_the_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), study_folder(tmp_path, ARMS, **NEITHER):
        raise RuntimeError
    use(tmp_path, **RESUME)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with beside(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (path.read_text(), files(tmp_path)) == ("old", {"file"})
    with beside(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == tmp_path
        assert partial.name.endswith(".partial")
    assert (path.read_text(), files(tmp_path)) == ("new", {"file"})


def test_a_figures_name_has_no_blanks():
    assert figure_stem("entropy change") == "entropy_change"
