"""Whose a folder is, what may be removed from it, and that one run at a time uses it."""

import json
from dataclasses import replace

import pytest

from cli.folder import Output
from toy.learning.settings import Training
from toy.studies import folder
from toy.studies.arms import Arm
from toy.studies.folder import figure_stem, study_folder, versions
from toy.world import World

ARMS = [Arm("main", name, World(), Training(steps=4, points=3), seeds=2) for name in ("grpo", "calibrl")]
NEITHER: dict[str, bool] = {}
RESUME = {"resume": True}
OVERWRITE = {"overwrite": True}


def use(out, arms=ARMS, **flags):
    """Use the folder as a study does, and leave what one leaves."""
    with study_folder(Output(out=out, **flags), arms):
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
    for name in ("results.json.part", f"arms/{ARMS[0].file_name}.part", "main.svg.part"):
        (out / name).write_text("half")
    return out


def files(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_a_new_folder_gets_its_settings_first(tmp_path):
    out = tmp_path / "a" / "b"
    with study_folder(Output(out=out), ARMS):
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
    with pytest.raises(ValueError, match=r"it is in use \(settings.json\). Fix: --resume, --overwrite, or another"):
        use(finished)
    assert files(finished) == before


def test_resume_keeps_what_is_there(finished):
    before = files(finished)
    use(finished, **RESUME)
    assert files(finished) == before
    assert (finished / "arms" / "main__grpo.npz").read_text() == "grpo"


def test_overwrite_removes_what_the_study_wrote(finished):
    use(finished, [replace(ARMS[0], seeds=3)], **OVERWRITE)
    assert files(finished) == {"settings.json"}
    assert json.loads((finished / "settings.json").read_text())["arms"]["main__grpo.npz"]["seeds"] == 3


@pytest.mark.parametrize("name", ["thesis.txt", "arms/mine.npz", "main.pdf", "notes/main.png", "main.png.partial"])
def test_overwrite_removes_nothing_that_it_did_not_write(finished, name):
    (finished / name).parent.mkdir(exist_ok=True)
    (finished / name).write_text("years of work")
    before = files(finished)
    with pytest.raises(ValueError, match=f"also holds {name}, which this program did not write. Fix: move"):
        use(finished, **OVERWRITE)
    assert files(finished) == before
    use(finished, **RESUME)  # but it may lie there
    assert name in files(finished)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
def test_a_folder_of_something_else_is_never_touched(tmp_path, flags):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "zoo").mkdir()
    with pytest.raises(ValueError, match=r"it is in use, thesis.txt is no file of ours. Fix: choose another --out"):
        use(tmp_path, **flags)
    assert files(tmp_path) == {"thesis.txt"}
    with pytest.raises(ValueError, match=r"it is a file\. Fix: choose another --out"):
        use(tmp_path / "thesis.txt", **flags)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
def test_arms_without_their_settings_are_never_taken_for_ones_own(finished, flags):
    (finished / "settings.json").unlink()
    before = files(finished)
    with pytest.raises(
        ValueError, match=r"arms/main__calibrl.npz \(and \d+ more\) is there without the run's settings"
    ):
        use(finished, **flags)
    assert files(finished) == before


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("text", ['{"window": 3}', "[1, 2]", '{"program": "editor"}'])
def test_another_programs_settings_are_never_touched(tmp_path, flags, text):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(ValueError, match=r"its settings.json is another program's. Fix: choose another --out"):
        use(tmp_path, **flags)
    assert files(tmp_path) == {"settings.json"}


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_half_written_settings_are_named_with_the_fix(finished, flags, share):
    path = finished / "settings.json"
    path.write_text(path.read_text()[: int(share * len(path.read_text()))])
    before = files(finished)
    with pytest.raises(ValueError, match=r"settings.json: expected JSON, perhaps it was cut off \(.*\). Fix: "):
        use(finished, **flags)
    assert files(finished) == before


def test_binary_settings_are_named_too(finished):
    (finished / "settings.json").write_bytes(b"\x80\x81")
    with pytest.raises(ValueError, match=r"settings\.json: expected JSON"):
        use(finished, **RESUME)


@pytest.mark.parametrize("flags", [NEITHER, RESUME, OVERWRITE])
@pytest.mark.parametrize("left", [[], [".lock"], [".lock", "settings.json.part"]])
def test_a_run_that_ended_before_it_began_leaves_a_new_folder(tmp_path, flags, left):
    for name in left:
        (tmp_path / name).touch()
    use(tmp_path, **flags)
    assert files(tmp_path) == {"settings.json"}


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
    with pytest.raises(ValueError, match=f"a study with other settings .*{message}.* Fix: the same settings"):
        use(finished, arms, **RESUME)


def test_at_most_three_differences_are_named(finished):
    training = Training(steps=5, points=4, prompts=8, rollouts=4, updates=2)
    with pytest.raises(ValueError, match="other settings") as refused:
        use(finished, [replace(arm, training=training) for arm in ARMS], **RESUME)
    assert str(refused.value).count(" there, ") == 3


def test_other_versions_are_other_settings(finished, monkeypatch):
    found = {**versions(), "torch": "1.0"}
    monkeypatch.setattr(folder, "versions", lambda: found)
    with pytest.raises(ValueError, match=r"torch: .* there, 1.0 here"):
        use(finished, **RESUME)


@pytest.mark.parametrize("flags", [RESUME, OVERWRITE])
def test_two_runs_do_not_share_a_folder(tmp_path, flags):
    out = tmp_path / "run"
    with study_folder(Output(out=out), ARMS):
        (out / "arms" / "main__grpo.npz").write_text("mine")
        with pytest.raises(ValueError, match="another run is writing there"):
            use(out, **flags)
        assert (out / "arms" / "main__grpo.npz").read_text() == "mine"
    use(out, **flags)


def test_the_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), study_folder(Output(out=tmp_path), ARMS):
        raise RuntimeError
    use(tmp_path, **RESUME)


def test_a_figures_name_has_no_blanks():
    assert figure_stem("entropy change") == "entropy_change"
