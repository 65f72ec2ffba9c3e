"""Pictures: every form is decoded upright on white, damaged ones are refused, nothing outside the folder is read."""

import contextlib
import io
import zipfile

import numpy as np
import PIL.Image
import pytest

from full_scale.problems import pictures
from full_scale.problems.pictures import EncodedPicture, PackedPicture, find_picture, inside, open_picture, rgb_picture


def png(size=(20, 10), mode="RGB", colour="white"):
    content = io.BytesIO()
    PIL.Image.new(mode, size, colour).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "in.png").write_bytes(png())
    (tmp_path / "data" / "top.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "secret.png").write_bytes(png())
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("images/in.png", "images/in.png"),
        ("in.png", "images/in.png"),
        ("top.png", "top.png"),
        ("top.jpg", "top.png"),
        ("./images/in.jpeg", "images/in.png"),
        ("file://top.png", "top.png"),
        ("gone.png", "gone.png"),
    ],
)
def test_a_path_is_looked_for_in_the_folder_and_its_images(name, place, folder):
    assert find_picture(folder, name) == folder / place
    assert find_picture(folder / "train.jsonl", name) == folder / place


@pytest.mark.parametrize(
    "name", ["../secret.png", "images/../../secret.png", "/etc/passwd", "file:///etc/passwd", ".."]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(name, folder):
    with pytest.raises(ValueError, match=r"lies outside of the data set's folder .*data; copy it into the folder"):
        find_picture(folder, name)


def test_a_picture_beside_the_folder_is_not_found(folder):
    assert find_picture(folder, "secret.png") == folder / "secret.png"
    assert not (folder / "secret.png").exists()
    with zipfile.ZipFile(folder.parent / "images.zip", "w") as archive:
        archive.writestr("packed.png", png())
    assert find_picture(folder, "packed.png") == folder / "packed.png"


@pytest.mark.parametrize("link", ["top_link.png", "images/in_link.png", "below/secret.png"])
def test_a_link_that_leads_out_of_the_folder_is_refused(link, folder):
    target = folder.parent if link.startswith("below") else folder.parent / "secret.png"
    place = folder / (link.split("/")[0] if link.startswith("below") else link)
    place.symlink_to(target)
    with pytest.raises(ValueError, match="lies outside of the data set's folder"):
        find_picture(folder, link)


def test_links_within_the_folder_and_a_folder_that_is_a_link_are_read(folder):
    (folder / "again.png").symlink_to(folder / "top.png")
    assert find_picture(folder, "again.png") == folder / "again.png"
    (folder.parent / "way").symlink_to(folder)
    assert find_picture(folder.parent / "way", "top.png") == folder.parent / "way" / "top.png"


def test_an_archive_that_is_a_link_to_outside_is_refused(folder):
    with zipfile.ZipFile(folder.parent / "other.zip", "w") as archive:
        archive.writestr("packed.png", png())
    (folder / "images.zip").symlink_to(folder.parent / "other.zip")
    with pytest.raises(ValueError, match=r"images\.zip lies outside"):
        find_picture(folder, "packed.png")


def test_a_snapshot_of_the_hub_consists_of_links_to_its_blobs(tmp_path):
    home = tmp_path / "datasets--a--b"
    snapshot = home / "snapshots" / "0123"
    (home / "blobs").mkdir(parents=True)
    (snapshot / "data").mkdir(parents=True)
    (home / "blobs" / "f00").write_bytes(png())
    (home / "other").write_bytes(png())
    (snapshot / "data" / "0.png").symlink_to("../../../blobs/f00")
    assert inside(snapshot / "data" / "0.png", snapshot) == snapshot / "data" / "0.png"
    assert inside(snapshot / "data" / "0.png", snapshot / "data") == snapshot / "data" / "0.png"
    (snapshot / "1.png").symlink_to("../../other")
    with pytest.raises(ValueError, match="lies outside"):
        inside(snapshot / "1.png", snapshot)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "x\0.png", "line\nbreak.png", "/" + "a" * 100_000])
def test_a_name_that_no_file_can_have_is_refused_in_a_short_message(name, folder):
    with pytest.raises(ValueError, match="is no path of a file") as error:
        find_picture(folder, name)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("name", ["", "."])
def test_an_empty_name_is_no_file(name, folder):
    assert not find_picture(folder, name).is_file()


def test_members_of_archives_are_found_by_their_path(folder):
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("images/a/0.png", png((20, 10)))
        archive.writestr("images/b/0.png", png((30, 10)))
        archive.writestr("images/xb/0.png", png((40, 10)))
    found = find_picture(folder, "b/0.png")
    assert found == PackedPicture(folder / "images.zip", "images/b/0.png")
    assert rgb_picture(found).size == (30, 10)
    assert str(found).endswith("images.zip:images/b/0.png")


def test_an_archive_that_is_none_is_named(folder):
    (folder / "images.zip").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"cannot read .*images\.zip as a zip archive.*; download it again"):
        find_picture(folder, "gone.png")


def test_a_member_that_unpacks_to_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 1000)
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("exact.png", bytes(1000))
        archive.writestr("bomb.png", bytes(1001))
    assert len(find_picture(folder, "exact.png").read()) == 1000
    with pytest.raises(ValueError, match=r"cannot read picture .*bomb\.png: it unpacks to more than 1000 bytes"):
        rgb_picture(find_picture(folder, "bomb.png"))


def rotated(orientation):
    image = PIL.Image.new("RGB", (20, 10), "white")
    image.putpixel((0, 0), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    image.save(content, "PNG", exif=exif)
    return EncodedPicture(content.getvalue())


@pytest.mark.parametrize(
    ("orientation", "size", "corner"),
    [
        (1, (20, 10), (0, 0)),
        (3, (20, 10), (19, 9)),
        (6, (10, 20), (9, 0)),
        (8, (10, 20), (0, 19)),
        (2, (20, 10), (19, 0)),
    ],
)
def test_a_photograph_is_turned_upright(orientation, size, corner):
    picture = rgb_picture(rotated(orientation))
    assert picture.size == size
    assert picture.getpixel(corner) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "CMYK", "I;16", "I", "F", "YCbCr", "HSV", "PA"])
def test_every_mode_becomes_rgb(mode):
    assert rgb_picture(PIL.Image.new(mode, (30, 20))).mode == "RGB"


def test_transparent_parts_become_white_and_solid_ones_stay():
    clear = PIL.Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    clear.putpixel((1, 1), (0, 0, 0, 255))
    shown = rgb_picture(clear)
    assert (shown.getpixel((0, 0)), shown.getpixel((1, 1))) == ((255, 255, 255), (0, 0, 0))
    palette = PIL.Image.new("P", (30, 20), 0)
    palette.info["transparency"] = 0
    assert rgb_picture(palette).getpixel((3, 3)) == (255, 255, 255)


def test_sixteen_bits_become_eight():
    values = np.array([[0, 257, 65535]], np.uint16)
    assert [rgb_picture(PIL.Image.fromarray(values)).getpixel((x, 0))[0] for x in range(3)] == [0, 1, 255]
    small = np.array([[0, 7, 255]], np.int32)  # values of eight bits in a wide file
    assert [rgb_picture(PIL.Image.fromarray(small)).getpixel((x, 0))[0] for x in range(3)] == [0, 7, 255]


def damaged():
    noise = PIL.Image.effect_noise((64, 64), 50)
    yield "nothing", b""
    yield "text", b"no picture"
    yield "EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    for kind, cut in (("PNG", 900), ("JPEG", 900), ("GIF", 2000), ("BMP", 900), ("WEBP", 500), ("TIFF", 4200)):
        content = io.BytesIO()
        noise.save(content, kind)
        yield kind, content.getvalue()[:-cut]


@pytest.mark.parametrize(("kind", "content"), list(damaged()), ids=[kind for kind, _ in damaged()])
def test_a_damaged_picture_is_refused(kind, content):
    with pytest.raises(
        ValueError, match=r"cannot read picture in the table: .*; repair the file or leave the record out"
    ):
        rgb_picture(EncodedPicture(content))


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_give_a_picture_or_a_refusal(seed):
    rng = np.random.default_rng(seed)
    kind = ("PNG", "JPEG", "GIF", "TIFF")[seed % 4]
    content = io.BytesIO()
    PIL.Image.effect_noise((32, 32), 50).save(content, kind)
    raw = np.frombuffer(content.getvalue(), np.uint8).copy()
    raw[rng.integers(8, len(raw), 8)] = rng.integers(0, 256, 8)
    with contextlib.suppress(ValueError):
        assert rgb_picture(EncodedPicture(raw.tobytes())).mode == "RGB"


@pytest.mark.parametrize(
    ("size", "message"),
    [((0, 5), "0 x 5; it is empty"), ((201, 1), "201 x 1; sides may differ 200-fold"), ((1, 201), "1 x 201; sides")],
)
def test_sizes_that_no_processor_takes_are_refused(size, message):
    with pytest.raises(ValueError, match=f"picture in memory is {message}"):
        rgb_picture(PIL.Image.new("RGB", size))


def test_the_largest_sizes_are_taken(monkeypatch):
    assert rgb_picture(PIL.Image.new("RGB", (200, 1))).size == (200, 1)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    assert rgb_picture(PIL.Image.new("RGB", (20, 5))).size == (20, 5)
    with pytest.raises(ValueError, match="is 101 x 1; at most 100 pixels: shrink it"):
        rgb_picture(PIL.Image.new("RGB", (101, 1)))


def test_a_message_calls_a_picture_by_its_format_or_place(folder):
    with (
        open_picture(EncodedPicture(png((300, 1)))) as opened,
        pytest.raises(ValueError, match="picture PNG is 300 x 1"),
    ):
        rgb_picture(opened)
    (folder / "bad.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot read picture .*bad\.png"):
        rgb_picture(folder / "bad.png")
    assert "content" not in repr(EncodedPicture(b"secret"))
