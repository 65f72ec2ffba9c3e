"""Writers of small data sets in every layout and variant that the loaders know."""

import io
import json
import pickle
import zipfile

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
from datasets import Dataset, DatasetDict, Features, Image, List, Value


def png(size=(20, 10)):
    content = io.BytesIO()
    PIL.Image.new("RGB", size, "white").save(content, "PNG")
    return content.getvalue()


def cell():
    return {"bytes": png(), "path": "x.png"}


def parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png())


def geometry3k_hub(folder):
    row = {"images": [cell()], "problem": "<image>Find x", "answer": "65", "id": 7}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [{**row, "choices": ["60", "65"], "ground_truth": "B"}])


def gllava(folder):
    text = "\nFirst reason.\nQuestion:angle 2 is ()\nChoices:\nA:50°\nB:65°"
    write_jsonl(folder / "test_questions.jsonl", [{"question_id": 0, "image": "test/0.png", "text": text}])
    write_jsonl(folder / "test_answers.jsonl", [{"question_id": 0, "text": "B"}])
    picture(folder / "images" / "test" / "0.png")


def r1v(folder):
    row = {"image": cell(), "problem": "<image>angle 2?", "solution": "<answer> 65° </answer>"}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [row])


def geoqa_hub(folder):
    row = {"id": 3, "subject": "∠2 = ?", "choices": ["50°", "65°"], "label": 1, "answer": "因为", "image": cell()}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [row])


def geoqa_pickle(folder):
    record = {
        "image": np.full((20, 30), 255, np.uint8),
        "token_list": ["angle", "1", "is", "N_0", "find"],
        "numbers": [25.0],
        "choice_nums": [25.0, 65.0, None, 90.0],
        "label": 1,
        "id": 12,
    }
    folder.mkdir(exist_ok=True)
    (folder / "train.pk").write_bytes(pickle.dumps([record]))


def mathvista(folder):
    row = {"pid": "1", "question": "q", "image": "images/1.jpg", "choices": ["50°", "65°"], "answer": "65°"}
    rest = {"question_type": "multi_choice", "answer_type": "text", "precision": None, "metadata": {"task": "geometry"}}
    write_json(folder / "testmini.json", {"1": {**row, **rest}})
    picture(folder / "images" / "1.png")  # the official name ends in .jpg


def mathvision(folder):
    row = {"id": "4", "question": "Which?\n<image1>", "options": ["A", "B"], "answer": "B", "solution": None}
    write_jsonl(folder / "test.jsonl", [{**row, "level": 1, "subject": "logic", "image": "images/4.jpg"}])
    picture(folder / "images" / "4.jpg")


def mathverse(folder):
    row = {"sample_index": "1", "problem_version": "Text Lite", "question": "q\nChoices:\nA:50°\nB:65°", "answer": "B"}
    metadata = {"subject": "Plane Geometry"}
    vision = {**row, "sample_index": "2", "problem_version": "Vision Only", "question": ""}
    rows = [{**record, "image": "v/1.png", "metadata": metadata} for record in (row, vision)]
    write_json(folder / "testmini.json", rows)
    picture(folder / "images" / "v" / "1.png")


def mmk12(folder):
    write_json(folder / "k12.json", [{"id": "a", "question": "q", "answer": "$65$", "image_path": "images/a.png"}])
    picture(folder / "images" / "a.png")


def virl39k(folder):
    row = {"question": "<image>q <image>", "answer": "\\boxed{65}", "category": "c", "source": "s"}
    two = {**row, "qid": "two", "image": ["images/0.jpg", "images/1.jpg"]}
    parquet(folder / "39Krelease.parquet", [two, {**row, "question": "q", "qid": "text", "image": []}])
    picture(folder / "images" / "0.jpg")
    picture(folder / "images" / "1.jpg")


def geoeval(folder):
    row = {"diagram_name": "d.png", "text": {"Num_Exp": "Find x"}, "choice_list": None, "answer_value": 65}
    write_json(folder / "dataset_merge.json", {"p1": row, "p2": {**row, "diagram_name": None}})
    picture(folder / "d.png")


def r1v_prompts(folder):
    row = {"image_path": "images/7.png", "question": "angle 2?", "ground_truth": "65°"}
    write_jsonl(folder / "test_prompts.jsonl", [row])
    picture(folder / "images" / "7.png")


def verl(folder):
    chat = [{"role": "system", "content": "think"}, {"role": "user", "content": "<image>Find x"}]
    row = {"prompt": chat, "images": [cell()], "solution": "so \\boxed{65}", "data_source": "virl39k"}
    row |= {"reward_model": {"ground_truth": "\\boxed{65}", "style": "rule"}, "extra_info": {"index": 3}}
    parquet(folder / "train.parquet", [row])


def gsm8k(folder):
    write_jsonl(folder / "train.jsonl", [{"question": "q", "answer": "60+5=<<60+5=65>>65.\n#### 65"}])


def math(folder):
    record = {"problem": "q", "level": "Level 1", "type": "Algebra", "solution": "so \\boxed{65}."}
    write_json(folder / "train" / "algebra" / "1.json", record)


def broken(tmp_path, change):
    record = {"id": "a", "question": "q", "answer": "65", "image_path": "images/a.png"}
    other = {**record, "id": "b"}
    change(record)
    write_json(tmp_path / "k12.json", [record, other])
    picture(tmp_path / "images" / "a.png")


def mathvista_hub(folder):
    row = {"pid": "1", "question": "q", "image": "images/1.jpg", "decoded_image": cell(), "choices": None}
    rest = {"unit": "cm", "precision": 1.0, "answer": "1.2", "question_type": "free_form", "answer_type": "float"}
    parquet(folder / "data" / "testmini-00000-of-00001-abc.parquet", [{**row, **rest, "metadata": {"task": "t"}}])


def mathvision_hub(folder):
    row = {"id": "4", "question": "<image1>?", "options": [], "answer": "1.2", "image": "images/4.jpg", "level": 1}
    row |= {"decoded_image": cell(), "solution": None, "subject": "s"}
    parquet(folder / "data" / "test-00000-of-00001.parquet", [row])


def mathverse_hub(folder):
    row = {"sample_index": "1", "problem_version": "Vision Only", "question": "", "answer": "1.2", "image": cell()}
    parquet(folder / "testmini.parquet", [{**row, "metadata": {"subject": "s"}}])
    only = {**row, "problem_version": "Text Only", "question": "other", "image": None}
    parquet(folder / "testmini_text_only.parquet", [only])


def mmk12_hub(folder):
    row = {"id": "a", "question": "<image>q", "answer": "1.2", "subject": "math", "image": cell()}
    parquet(folder / "data" / "test-00000-of-00001.parquet", [row])


def virl39k_zip(folder):
    row = {"question": "<image>q", "answer": "\\boxed{1.2}", "qid": "1", "image": ["images/a-0.jpg"]}
    parquet(folder / "39Krelease.parquet", [{**row, "category": "c", "source": "s", "PassRate_7BBase": -1.0}])
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("images/a-0.jpg", png())
        archive.writestr("images/ba-0.jpg", b"another picture")


def math500(folder):
    row = {"problem": "q", "solution": "so", "answer": "1.2", "level": 1, "subject": "s", "unique_id": "test/1"}
    write_jsonl(folder / "test.jsonl", [row])


def saved(folder):
    rows = {"problem": ["<image>q"], "images": [[PIL.Image.new("RGB", (20, 10))]], "answer": ["1.2"], "id": [1]}
    features = Features(
        {"problem": Value("string"), "images": List(Image()), "answer": Value("string"), "id": Value("int64")}
    )
    DatasetDict({"test": Dataset.from_dict(rows, features=features)}).save_to_disk(folder)
