"""Data sets by their hub names, out of a cache as the hub's client leaves it; there is no network."""

import hashlib

import pytest
from huggingface_hub import constants
from layouts import geometry3k_hub, parquet, virl39k, virl39k_zip

from full_scale.data import load_problems

GSM8K_ROW = {"question": "How many?", "answer": "60+5=<<60+5=65>>65.\n#### 65"}


def gsm8k_hub(folder):
    for config in ("main", "socratic"):
        for split in ("train", "test"):
            row = {**GSM8K_ROW, "question": f"{config}, {split}: how many?"}
            parquet(folder / config / f"{split}-00000-of-00001.parquet", [row])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder for the cache, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def download(cache, name, write):
    """As the hub's client leaves a data set: blobs by their hash, a snapshot of links to them, a reference to it."""
    made, folder = cache / "made", cache / f"datasets--{name.replace('/', '--')}"
    write(made)
    commit = hashlib.sha1(name.encode()).hexdigest()
    for file in [path for path in made.rglob("*") if path.is_file()]:
        blob = folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        link = folder / "snapshots" / commit / file.relative_to(made)
        blob.parent.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        file.replace(blob)
        link.symlink_to(blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)


@pytest.mark.parametrize(
    ("name", "write", "pictures", "answer"),
    [
        ("hiyouga/geometry3k", geometry3k_hub, [1], "65"),
        ("TIGER-Lab/ViRL39K", virl39k, [2, 0], "65"),
        ("TIGER-Lab/ViRL39K", virl39k_zip, [1], "1.2"),
        ("openai/gsm8k", gsm8k_hub, [0], "65"),
    ],
    ids=["geometry3k", "virl39k", "virl39k zipped", "gsm8k"],
)
def test_a_data_set_by_its_hub_name(cache, name, write, pictures, answer):
    download(cache, name, write)
    problems = load_problems(f"hub:{name}", split="train")
    assert [len(problem.images) for problem in problems] == pictures
    assert {problem.answer for problem in problems} == {answer}
    assert all(image.size == (20, 10) for problem in problems for image in problem.rgb_images())


def test_of_gsm8k_the_main_wording_is_read(cache):
    download(cache, "openai/gsm8k", gsm8k_hub)
    (problem,) = load_problems("hub:openai/gsm8k", split="test")
    assert (problem.question, problem.solution) == ("main, test: how many?", "60+5=65.")


def test_a_name_that_is_not_in_the_cache_is_named(cache):
    with pytest.raises(ValueError, match=r"'hiyouga/geometry3k'.*check its name and the network"):
        load_problems("hub:hiyouga/geometry3k")
