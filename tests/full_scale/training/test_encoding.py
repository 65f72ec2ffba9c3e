"""The processor reads each prompt once; rows, and what samples, get what belongs to them."""

import torch

from full_scale.training.encoding import encode

WIDTH = 2


def tokenize(asked):
    """A processor of prompts that are lists of their pictures' numbers of patches; it notes what it is asked."""

    def of(prompts):
        (prompt,) = prompts
        asked.append(prompt)
        ids = [[7] * (1 + len(prompt))]
        fields = {"mm_token_type_ids": [[1] * len(prompt) + [0]], "second_per_grid": 1}
        if prompt:
            fields["pixel_values"] = torch.cat([torch.full((n, WIDTH), float(n)) for n in prompt]).numpy()
            fields["image_grid_thw"] = [[1, n, 1] for n in prompt]
        return ids, [prompt or None], fields

    return of


def encoded(*prompts):
    asked = []
    found = encode(tokenize(asked), prompts, torch.device("cpu"))
    assert asked == list(prompts)  # each once
    return found


def test_rows_of_a_prompt_share_its_pictures_and_a_row_without_has_none():
    found = encoded([3, 1], [], [2])
    inputs = found.model_inputs([0, 0, 1, 2], prompt_width=4, response_width=2)
    assert set(inputs) == {"num_images", "pixel_values", "image_grid_thw", "mm_token_type_ids"}
    assert inputs["num_images"] == [2, 2, 0, 1]
    assert inputs["pixel_values"][1] is inputs["pixel_values"][0]
    assert [pixels.shape for pixels in inputs["pixel_values"]] == [(4, 2), (4, 2), (0, 2), (2, 2)]
    assert [grid.tolist() for grid in inputs["image_grid_thw"]] == [[[1, 3, 1], [1, 1, 1]]] * 2 + [[], [[1, 2, 1]]]
    assert inputs["mm_token_type_ids"].tolist() == [
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
    ]


def test_what_samples_gets_all_pictures_one_behind_the_other():
    found = encoded([3], [], [2])
    once, twice = found.generation_inputs(1), found.generation_inputs(2)
    assert once["pixel_values"][:, 0].tolist() == [3, 3, 3, 2, 2]
    assert twice["pixel_values"][:, 0].tolist() == [3, 3, 3, 3, 3, 3, 2, 2, 2, 2]
    assert twice["image_grid_thw"].tolist() == [[1, 3, 1], [1, 3, 1], [1, 2, 1], [1, 2, 1]]
    assert once["mm_token_type_ids"] == [[1, 0], [0], [1, 0]]


def test_text_alone_needs_nothing_beside_its_tokens():
    found = encoded([], [])
    assert (found.generation_inputs(4), found.model_inputs([0, 1], 3, 3)) == ({}, {})


def test_a_picture_cut_into_tiles_is_counted_in_tiles():
    def tiles(prompts):
        return [[7]], [["p"]], {"pixel_values": torch.zeros(prompts[0], 3, 2, 2)}

    cut = encode(tiles, [3, 1], torch.device("cpu")).model_inputs([1, 0], 1, 1)
    whole = encode(tiles, [1, 1], torch.device("cpu")).model_inputs([1, 0], 1, 1)
    assert (cut["num_tiles"], cut["num_images"]) == ([1, 3], [1, 1])
    assert "num_tiles" not in whole
