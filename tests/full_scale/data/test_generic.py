"""Anybody's table: every usual name, every form of answer, choices, pictures and experts, in every kind of file."""

import base64
import csv
import json

import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset, DatasetDict
from layouts import parquet, picture, png, write_json, write_jsonl

from full_scale.data import find_schema, load_problems
from full_scale.data.generic import TOLD, USUAL, explain, generic_schema, parse_columns, stated_answer

ROW = {"question": "How long is AB?", "answer": "65", "image": "images/0.png"}


def load(folder, *rows, **arguments):
    picture(folder / "images" / "0.png")
    picture(folder / "images" / "1.png")
    write_jsonl(folder / "train.jsonl", rows)
    return load_problems(str(folder), **arguments)


def one(folder, row, **arguments):
    (problem,) = load(folder, row, **arguments)
    return problem


def writers():
    rows = [ROW, {**ROW, "question": 'And CD, "roughly"?', "answer": "7", "image": "images/1.png"}]

    def as_csv(path, delimiter=",", encoding="utf-8", newline="\n"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as file:
            table = csv.DictWriter(file, list(ROW), delimiter=delimiter, lineterminator=newline)
            table.writeheader()
            table.writerows(rows)

    lines = "\n".join(map(json.dumps, rows))
    yield "train.jsonl", lambda folder: write_jsonl(folder / "train.jsonl", rows)
    yield "my own.jsonl", lambda folder: write_jsonl(folder / "my own.jsonl", rows)
    yield "lines.ndjson", lambda folder: (folder / "lines.ndjson").write_text(lines)
    yield (
        "BOM and CRLF",
        lambda folder: (folder / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + lines.replace("\n", "\r\n\r\n").encode()),
    )
    yield "list.json", lambda folder: write_json(folder / "list.json", rows)
    yield "by id.json", lambda folder: write_json(folder / "by id.json", {"x": rows[0], "y": rows[1]})
    yield "data.json", lambda folder: write_json(folder / "data.json", {"data": rows})
    yield "lines.json", lambda folder: (folder / "lines.json").write_text(lines)
    yield "csv", lambda folder: as_csv(folder / "train.csv")
    yield "Excel's csv", lambda folder: as_csv(folder / "t.csv", ";", "utf-8-sig", "\r\n")
    yield "tsv", lambda folder: as_csv(folder / "t.tsv", "\t")
    yield "parquet", lambda folder: parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
    yield "saved", lambda folder: Dataset.from_list(rows).save_to_disk(folder)
    yield "saved splits", lambda folder: DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(folder)


@pytest.mark.parametrize(("name", "write"), list(writers()), ids=[name for name, _ in writers()])
def test_a_table_is_read_whatever_it_is_kept_in(name, write, tmp_path):
    picture(tmp_path / "images" / "0.png")
    picture(tmp_path / "images" / "1.png")
    write(tmp_path)
    problems = load_problems(str(tmp_path))
    assert [problem.question for problem in problems] == ["How long is AB?", 'And CD, "roughly"?']
    assert [problem.answer for problem in problems] == ["65", "7"]
    assert [len(problem.rgb_images()) for problem in problems] == [1, 1]
    assert {problem.source for problem in problems} == {"generic"}
    assert find_schema(str(tmp_path))[0].name == "generic"
    assert load_problems(f"generic:{tmp_path}") == problems


def test_an_image_folder_names_its_pictures_beside_the_metadata(tmp_path):
    for split, size in (("train", (20, 10)), ("test", (30, 10))):
        (tmp_path / split).mkdir()
        PIL.Image.new("RGB", size).save(tmp_path / split / "0.png")
        (tmp_path / split / "metadata.csv").write_text("file_name,question,answer\n0.png,q,5\n")
    sizes = {split: load_problems(str(tmp_path), split=split)[0].rgb_images()[0].size for split in ("train", "test")}
    assert sizes == {"train": (20, 10), "test": (30, 10)}
    assert load_problems(str(tmp_path / "train" / "metadata.csv"))[0].rgb_images()[0].size == (20, 10)


@pytest.mark.parametrize(
    "name", [name for name in USUAL["question"] if name not in ("conversations", "messages", "conversation")]
)
def test_usual_names_of_the_question(name, tmp_path):
    assert one(tmp_path, {name: "q", "answer": "5"}).question == "q"


@pytest.mark.parametrize("name", [*USUAL["answer"], *TOLD])
def test_usual_names_of_the_answer(name, tmp_path):
    problem = one(tmp_path, {"question": "q", name: {"ground_truth": "5"} if name == "reward_model" else "5"})
    assert (problem.answer, problem.solution) == ("5", None)


@pytest.mark.parametrize("name", [*USUAL["pictures"], "Image Path", "IMAGE", "image-path "])
def test_usual_names_of_the_pictures(name, tmp_path):
    assert len(one(tmp_path, {"question": "q", "answer": "5", name: "images/0.png"}).images) == 1


@pytest.mark.parametrize("name", USUAL["expert"])
def test_usual_names_of_the_expert(name, tmp_path):
    assert one(tmp_path, {"question": "q", "answer": "5", name: "2 + 3"}).solution == "2 + 3"


@pytest.mark.parametrize("name", USUAL["id"])
def test_usual_names_of_the_id(name, tmp_path):
    assert one(tmp_path, {"question": "q", "answer": "5", name: 17}).id == "17"


def test_other_names_are_given(tmp_path):
    row = {
        "q": "<image>How long?",
        "a": 5,
        "photo": "images/0.png",
        "alternatives": ["5", "6"],
        "why": "2 + 3",
        "nr": 4,
    }
    columns = "question=q, answer=a,image=photo,choices=alternatives,expert=why,id=nr"
    problem = one(tmp_path, row, columns=columns)
    assert problem.question == "How long?\nChoices:\n(A) 5\n(B) 6"
    assert (problem.id, problem.answer, problem.answer_letter, problem.solution) == ("4", "5", "A", "2 + 3")
    assert len(problem.images) == 1
    other = one(
        tmp_path, {"question": "rather this", "text": "than this", "answer": "1", "label": "2"}, columns="answer=label"
    )
    assert (other.question, other.answer) == ("rather this", "2")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("question", "expected question=NAME,answer=NAME,.*, got 'question'"),
        ("qestion=q", "got 'qestion=q'; did you mean 'question'"),
        ("question=q,question=p", "each at most once, got 'question=p'"),
        ("question=", "got 'question='"),
        ("question=q,", "got ''"),
    ],
)
def test_columns_that_say_nothing_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        parse_columns(columns)


def test_a_message_about_columns_lists_those_found_and_those_wanted(tmp_path):
    with pytest.raises(
        ValueError, match=r"none of the known layouts: .*train\.jsonl has the columns antwort, frage;"
    ) as error:
        one(tmp_path, {"frage": "q", "antwort": "5"})
    assert "wanted: answer (usual names: answer, ground_truth, gt, gold, gold_answer, final_answer)" in str(error.value)
    assert "and question (usual names: question, problem, prompt, query" in str(error.value)
    assert "--columns question=NAME,answer=NAME,pictures=NAME" in str(error.value)
    assert len(str(error.value)) < 1000
    with pytest.raises(ValueError, match=r"wanted: answer \('antwrt'; did you mean 'antwort'\?\)"):
        one(tmp_path, {"frage": "q", "antwort": "5"}, columns="question=frage,answer=antwrt")
    with pytest.raises(ValueError, match="layout mmk12 has its own; leave out --columns or 'mmk12:'"):
        load_problems(f"mmk12:{tmp_path}", columns="question=frage")
    assert explain(tmp_path / "images", {}).startswith("no table (.jsonl, ")


def test_a_table_with_many_columns_gives_a_short_message(tmp_path):
    with pytest.raises(ValueError, match="none of the known layouts") as error:
        one(tmp_path, {f"column {number} {'x' * 100}": "q" for number in range(500)})
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (120, "120"),
        (120.0, "120"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-3, "-3"),
        (" 5 ", "5"),
        (["5"], "5"),
        ("\\boxed{5}", "5"),
        ("$\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}"),
        ("<answer> 5 </answer>", "5"),
        ("2 + 3 = 5\n#### 5", "5"),
        ("an isosceles triangle", "an isosceles triangle"),
    ],
)
def test_forms_of_an_answer(given, answer, tmp_path):
    assert one(tmp_path, {"question": "q", "answer": given}).answer == answer


@pytest.mark.parametrize(
    ("told", "answer", "expert"),
    [
        ("<think>2 + 3</think><answer>5</answer>", "5", "<think>2 + 3</think><answer>5</answer>"),
        ("2 + 3 = \\boxed{5}.", "5", "2 + 3 = \\boxed{5}."),
        ("2 + 3\n#### 5", "5", "2 + 3"),
        ("\\boxed{5}", "5", None),
        ("$\\boxed{5}$.", "5", None),
        ("<answer>5</answer>", "5", None),
        ("#### 5", "5", None),
        ("5", "5", None),
    ],
)
def test_a_worked_solution_tells_the_answer_and_is_the_expert(told, answer, expert, tmp_path):
    problem = one(tmp_path, {"question": "q", "solution": told})
    assert (problem.answer, problem.solution) == (answer, expert)
    both = one(tmp_path, {"question": "q", "answer": 5, "solution": told})
    assert (both.answer, both.solution) == ("5", told)


def test_what_a_text_states():
    assert stated_answer("so 5") is None
    assert stated_answer("\\boxed{4} then \\boxed{5}") == "5"
    assert stated_answer("1 #### 2 #### 3") == "3"


@pytest.mark.parametrize("told", ["so it is five.\nThat is all", "a" * 101])
def test_a_solution_that_states_no_answer_is_refused(told, tmp_path):
    with pytest.raises(ValueError, match=r"the answer is not stated: end the solution in <answer>"):
        one(tmp_path, {"question": "q", "solution": told})
    assert one(tmp_path, {"question": "q", "solution": "a" * 100}).answer == "a" * 100


@pytest.mark.parametrize(
    "choices",
    [
        ["50", "65"],
        [50, 65.0],
        {"A": "50", "B": "65"},
        {"b": 65, "a": 50},
        ["A. 50", "B. 65"],
        ["(A) 50", "(B) 65"],
        '["50", "65"]',
        "['50', '65']",
        "50\n65",
        "A: 50\nB: 65\n",
    ],
)
@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", "65"])
def test_forms_of_choices(choices, answer, tmp_path):
    problem = one(tmp_path, {"question": "q", "answer": answer, "options": choices})
    assert (problem.choices, problem.answer, problem.answer_letter) == (("50", "65"), "65", "B")
    assert problem.question == "q\nChoices:\n(A) 50\n(B) 65"


@pytest.mark.parametrize("names", ["AB", ["option_a", "option_b"], ["Option A", "Option B"], ["choice_a", "choice_b"]])
def test_a_column_for_each_choice(names, tmp_path):
    row = {"question": "q", "answer": "B", names[0]: "50", names[1]: "65", "C" if names == "AB" else "option_c": ""}
    assert one(tmp_path, row).choices == ("50", "65")


@pytest.mark.parametrize(("label", "letter"), [(0, "A"), (1, "B")])
def test_a_label_is_the_number_of_a_choice(label, letter, tmp_path):
    assert one(tmp_path, {"question": "q", "label": label, "choices": ["50", "65"]}).answer_letter == letter
    with pytest.raises(ValueError, match="the answer is number 2 of 2 choices; the first is number 0"):
        one(tmp_path, {"question": "q", "label": 2, "choices": ["50", "65"]})
    with pytest.raises(ValueError, match="number -1 of 2 choices"):
        one(tmp_path, {"question": "q", "label": -1, "choices": ["50", "65"]})
    assert one(tmp_path, {"question": "q", "answer": 1, "choices": [1, 0]}).answer_letter == "A"  # no label: the text


def test_choices_in_the_question_are_not_repeated(tmp_path):
    text = "q\nChoices:\nA: 50\nB: 65"
    problem = one(tmp_path, {"question": text, "answer": "B"})
    assert (problem.question, problem.choices, problem.answer) == (text, ("50", "65"), "65")
    problem = one(tmp_path, {"question": "is it 50 or 65", "choices": ["50", "65"], "answer": "B"})
    assert problem.question == "is it 50 or 65"
    problem = one(tmp_path, {"question": "see the picture", "answer": "B", "image": "images/0.png"})
    assert (problem.answer, problem.answer_letter, problem.choices) == ("B", None, ())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "70"}, r"the answer str '70' is neither one of its 2 choices nor their letter"),
        ({"answer": "C"}, "the answer str 'C' is neither one of its 2 choices"),
        ({"answer": "A", "choices": ["B", "A"]}, "'A' is a letter and the text of another choice"),
        ({"answer": "B", "choices": {"x": "50", "y": "65"}}, "the choices must be called A, B, C"),
        ({"answer": "B", "choices": ["50", ""]}, "the choices has an empty one"),
        ({"answer": "B", "choices": ["50", {}]}, "the choices must be one text or number, got dict"),
        ({"answer": "B", "choices": 7}, "the choices must be a list of texts, got int '7'"),
    ],
)
def test_choices_that_do_not_fit_are_refused(row, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        one(tmp_path, {"question": "q", "choices": ["50", "65"], **row})


def data_url():
    return "data:image/png;base64," + base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (None, 0),
        ("", 0),
        ([], 0),
        (float("nan"), 0),
        ("images/0.png", 1),
        ("file://images/0.png", 1),
        (["images/0.png", "images/1.png"], 2),
        ('["images/0.png", "images/1.png"]', 2),
        (data_url(), 1),
        ([data_url().partition(",")[2]], 1),
        (data_url().partition(",")[2].rstrip("=").replace("+", "-").replace("/", "_"), 1),
        ({"bytes": None, "path": "images/0.png"}, 1),
        ([{"image": "images/0.png"}, {"type": "image_url", "image_url": {"url": data_url()}}], 2),
    ],
)
def test_forms_of_pictures(cell, count, tmp_path):
    problem = one(tmp_path, {"question": "q", "answer": "5", "images": cell})
    assert [image.size for image in problem.rgb_images()] == [(20, 10)] * count


def test_the_first_column_of_pictures_that_is_not_empty_counts(tmp_path):
    assert len(one(tmp_path, {"question": "q", "answer": "5", "image": None, "image_path": "images/0.png"}).images) == 1


def test_text_only_rows_stand_beside_rows_with_pictures(tmp_path):
    problems = load(tmp_path, {"question": "q", "answer": "5"}, ROW, {"question": "p", "answer": "6", "image": ""})
    assert [len(problem.images) for problem in problems] == [0, 1, 0]


@pytest.mark.parametrize(
    ("marks", "pictures"),
    [("<image>", 1), ("<image1> <image1>", 1), ("<image_1><image_2>", 2), ("", 2), ("<image>", 2)],
)
def test_marks_of_pictures_are_taken_out(marks, pictures, tmp_path):
    row = {
        "question": f"{marks}How long?",
        "answer": "5",
        "images": [f"images/{number}.png" for number in range(pictures)],
    }
    assert one(tmp_path, row).question == "How long?"


@pytest.mark.parametrize(("marks", "pictures"), [("<image>", 0), ("<image><image>", 1), ("<image1><image2>", 1)])
def test_marks_without_a_picture_are_refused(marks, pictures, tmp_path):
    row = {"id": 3, "question": f"{marks}q", "answer": "5", "images": ["images/0.png"] * pictures}
    with pytest.raises(
        ValueError, match=rf"record '3': the question shows {pictures + 1} pictures, but the record has {pictures}"
    ):
        one(tmp_path, row)


LLAVA = [{"from": "human", "value": "<image>\nHow long?"}, {"from": "gpt", "value": "2 + 3 = \\boxed{5}"}]
OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image", "image": "images/0.png"}, {"type": "text", "text": "How long?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "2 + 3 = \\boxed{5}"}]},
]


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": LLAVA, "image": "images/0.png"},
        {"messages": OPENAI},
        {"messages": [{"role": "user", "content": "<image>How long?"}, OPENAI[2]], "images": ["images/0.png"]},
        {"prompt": OPENAI[:2], "completion": OPENAI[2:]},
        {"prompt": OPENAI[:2], "solution": "2 + 3 = \\boxed{5}", "ground_truth": "5"},
    ],
)
def test_conversations(row, tmp_path):
    problem = one(tmp_path, row)
    assert (problem.question, problem.answer, problem.solution) == ("How long?", "5", "2 + 3 = \\boxed{5}")
    assert len(problem.images) == 1
    short = one(tmp_path, {"conversations": [LLAVA[0], {"from": "gpt", "value": "5"}], "image": "images/0.png"})
    assert (short.answer, short.solution) == ("5", None)


@pytest.mark.parametrize("turns", [LLAVA + LLAVA, LLAVA[1:], []])
def test_a_conversation_of_several_questions_is_refused(turns, tmp_path):
    with pytest.raises(ValueError, match=r"write a record for each question|the question must be text|columns"):
        one(tmp_path, {"conversations": turns, "image": "images/0.png"})


def test_rows_without_an_id_are_known_by_their_number_and_content(tmp_path):
    first, second, again = load(tmp_path, ROW, {**ROW, "answer": "66"}, ROW)
    assert [problem.id.partition("-")[0] for problem in (first, second, again)] == ["1", "2", "3"]
    assert first.id[2:] == again.id[2:] != second.id[2:]
    with pytest.raises(ValueError, match=r"^row 2: the answer must be one text or number"):
        load(tmp_path, ROW, {**ROW, "answer": [1, 2]})
    with pytest.raises(ValueError, match=r"its columns are question, answer, image; did you mean 'answer'\?"):
        load(tmp_path, ROW, experts="column:answr")


def test_other_columns_do_no_harm(tmp_path):
    problem = one(tmp_path, {**ROW, "category": "angles", "level": {"deep": [1]}, "n": None})
    assert problem.category == "angles"
    assert one(tmp_path, {**ROW, "category": 7}).category is None


def test_a_column_may_come_late(tmp_path):
    problems = load(
        tmp_path, *[{"question": f"q{number}", "answer": "5"} for number in range(30)], {**ROW, "expert": "e"}
    )
    assert [len(problem.images) for problem in problems] == [0] * 30 + [1]
    assert problems[-1].solution == "e"


def test_several_tables_are_named(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"question": "q", "answer": "5"}])
    write_jsonl(tmp_path / "b.jsonl", [{"question": "q", "answer": "5"}])
    with pytest.raises(
        ValueError, match=r"has several tables: a\.jsonl, b\.jsonl; give the path of one, or call one train"
    ):
        load_problems(str(tmp_path))
    assert len(load_problems(str(tmp_path / "b.jsonl"))) == 1


def test_a_missing_split_names_those_there_are(tmp_path):
    load(tmp_path, ROW)
    with pytest.raises(ValueError, match="no problems in split 'test' of layout generic; it has train"):
        load_problems(str(tmp_path), split="test")


def test_a_schema_with_given_names_is_recognised_by_them(tmp_path):
    load(tmp_path, ROW)
    assert generic_schema({}).recognise(tmp_path)
    assert generic_schema({"question": "question"}).recognise(tmp_path)
    assert not generic_schema({"question": "q"}).recognise(tmp_path)
    assert not generic_schema({}).recognise(tmp_path / "images")


def test_binary_cells_of_a_table(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([{"question": "q", "answer": 5, "image": png()}]), tmp_path / "train.parquet"
    )
    (problem,) = load_problems(str(tmp_path))
    assert (problem.answer, problem.rgb_images()[0].size) == ("5", (20, 10))
