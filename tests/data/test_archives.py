"""Archives as their authors publish them, laid out; and those that are damaged or hostile."""

import hashlib
import io
import os
import tarfile
import zipfile

import pytest

from practicals.data import fetch
from practicals.data.fetch import Asset, MissingAsset

pytestmark = pytest.mark.usefixtures("data")
SCENES = fetch.scene15_files()[::30]
PHOTOS = tuple(fetch.lines("bsds500_files.txt")[::25])
PREFIXES = {"suburb": "CAL", "office": "PAR"} | dict.fromkeys(
    "coast forest highway insidecity mountain opencountry street tallbuilding".split(), "MIT"
)


def scene_zip(top="", prefixed=False, names=SCENES, extra=()):
    """Imitate the archive of Illinois: class folders, original numbers, some rubbish."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name in names:
            _, label, image = name.split("/")
            prefix = PREFIXES.get(label, "") if prefixed else ""
            bundle.writestr(f"{top}{prefix}{label}/{image}", name)
        for name in (*extra, f"{top}Thumbs.db", "__MACOSX/bedroom/._image_0001.jpg"):
            bundle.writestr(name, "rubbish")
    return buffer.getvalue()


def photo_tgz(extra=None, names=PHOTOS):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name in [*names, "groundTruth/train/1.mat"]:
            member = tarfile.TarInfo(f"BSR/BSDS500/data/{name}")
            member.size = len(name)
            bundle.addfile(member, io.BytesIO(name.encode()))
        if extra:
            bundle.addfile(extra)
    return buffer.getvalue()


def served(server, archive, files=SCENES, **fields):
    """Serve an archive; return a registry that knows the images in it, each holding its name."""
    server.content["/a"] = archive
    tree = "".join(f"{hashlib.sha256(f.encode()).hexdigest()}  {f}\n" for f in files)
    known = {"md5": "1234", "tree_sha256": hashlib.sha256(tree.encode()).hexdigest()}
    url = f"{server.address}/a"
    return {"set": Asset("set", "set", 1 << 20, url=url, files=files, **(known | fields))}


def right(folder, files):
    return all((folder / name).read_text() == name for name in files)


@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("top", ["", "data/scene_categories/"])
def test_class_folders_are_recognised(server, data, top, prefixed):
    folder = fetch.locate("set", served(server, scene_zip(top, prefixed)))
    images = [p for p in folder.rglob("*") if p.is_file()]
    assert right(folder, SCENES) and len(images) == len(SCENES)
    assert [p.name for p in data.iterdir()] == ["set"]


def test_all_scenes_and_photos_are_laid_out(server, monkeypatch, tmp_path):
    files = fetch.scene15_files()
    folder = fetch.locate("set", served(server, scene_zip("x/", True, files), files))
    assert len(list((folder / "train").rglob("*.jpg"))) == 1500
    assert len(list((folder / "test").rglob("*.jpg"))) == 2985 and right(folder, files[::50])
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "photos"))
    files = tuple(fetch.lines("bsds500_files.txt"))
    folder = fetch.locate("set", served(server, photo_tgz(names=files), files))
    counts = [len(list((folder / "images" / s).iterdir())) for s in ("train", "val", "test")]
    assert counts == [200, 100, 200] and right(folder, files)


@pytest.mark.parametrize("change", ["altered", "absent", "extra", "named pipe"])
def test_altered_folder_is_seen_and_fetched_again(server, change):
    known = served(server, scene_zip())
    image = fetch.locate("set", known) / SCENES[0]
    image.unlink()
    if change == "altered":
        image.write_text("altered")
    elif change == "extra":
        image.write_text(SCENES[0])
        image.with_name("image_9999.jpg").write_text("extra")
    elif change == "named pipe":
        os.mkfifo(image)
    with pytest.warns(UserWarning, match="set in the data folder .* altered"):
        folder = fetch.locate("set", known)
    assert right(folder, SCENES) and not image.with_name("image_9999.jpg").exists()


def test_the_known_archive_is_believed_in_data_and_never_in_a_mirror(server, data, monkeypatch):
    """Its images may be encoded otherwise than those that were measured."""
    archive = scene_zip()
    known = served(server, archive, md5=hashlib.md5(archive).hexdigest(), tree_sha256="0" * 64)
    folder = fetch.locate("set", known)
    assert fetch.available("set", known) and (folder / fetch.RECEIPT).is_file()
    monkeypatch.setenv("DATA_MIRROR", str(data))
    monkeypatch.setenv("PRACTICALS_DATA", str(data.parent / "other"))
    assert fetch.state(known["set"]).startswith("ALTERED in mirror: its sha256 is")
    monkeypatch.setenv("PRACTICALS_DATA", str(data))
    (folder / SCENES[0]).write_text("altered")
    assert not fetch.available("set", known)


def bad_link(kind, place):
    member = tarfile.TarInfo(f"BSR/BSDS500/data/{PHOTOS[-1]}")
    member.type, member.linkname = kind, place
    return photo_tgz(member, PHOTOS[:-1])


def unsafe_tgz():
    link = tarfile.TarInfo("BSR/../../images/train/x.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return photo_tgz(link)


def encrypted(archive):
    """Set the bit that says so in every header of a zip."""
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        pieces = archive.split(mark)
        changed = [p[: at - 4] + bytes([p[at - 4] | 1]) + p[at - 3 :] for p in pieces[1:]]
        archive = mark.join([pieces[0], *changed])
    return archive


def packed_otherwise(archive, method):
    """Say in every header of a zip that it is packed with another method than it is."""
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        pieces = archive.split(mark)
        changed = [p[: at - 4] + bytes([method]) + p[at - 3 :] for p in pieces[1:]]
        archive = mark.join([pieces[0], *changed])
    return archive


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("/".join(SCENES[0].split("/")[1:]), bytes(8 << 20))
    return buffer.getvalue()


ABSENT_PHOTO = f"1 of {len(PHOTOS)} files are absent, first {PHOTOS[-1]}"
REFUSED = {
    "incomplete": (lambda: scene_zip(names=SCENES[:3]), SCENES, "147 of 150 files are absent"),
    "a page": (lambda: b"<html>moved</html>", SCENES, "web page"),
    "no archive": (lambda: b"moved", SCENES, "cannot be unpacked"),
    "cut zip": (lambda: scene_zip()[:3000], SCENES, "cannot be unpacked"),
    "cut tgz": (lambda: photo_tgz()[:200], PHOTOS, "cannot be unpacked"),
    "upwards": (lambda: scene_zip(extra=["../bedroom/image_0003.jpg"]), SCENES, "unsafe name"),
    "absolute": (lambda: scene_zip(extra=["/etc/image_0003.jpg"]), SCENES, "unsafe name"),
    "drive": (lambda: scene_zip(extra=["c:\\x\\image_0003.jpg"]), SCENES, "unsafe name"),
    "upwards in a tar": (unsafe_tgz, PHOTOS, "unsafe name"),
    "soft link": (lambda: bad_link(tarfile.SYMTYPE, "/etc/passwd"), PHOTOS, ABSENT_PHOTO),
    "hard link": (lambda: bad_link(tarfile.LNKTYPE, "/etc/passwd"), PHOTOS, ABSENT_PHOTO),
    "folder": (lambda: bad_link(tarfile.DIRTYPE, ""), PHOTOS, ABSENT_PHOTO),
    "pipe": (lambda: bad_link(tarfile.FIFOTYPE, ""), PHOTOS, ABSENT_PHOTO),
    "bomb": (bomb, SCENES, "unpacks to more than"),
    "encrypted": (lambda: encrypted(scene_zip()), SCENES, "encrypted"),
    "method 97": (lambda: packed_otherwise(scene_zip(), 97), SCENES, "not supported"),
    "broken LZMA": (lambda: packed_otherwise(scene_zip(), 14), SCENES, "damaged|unpacked"),
    "broken bzip2": (lambda: packed_otherwise(scene_zip(), 12), SCENES, "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_archive_is_named_and_leaves_nothing(server, data, name):
    make, files, message = REFUSED[name]
    with pytest.raises(MissingAsset, match=message):
        fetch.locate("set", served(server, make(), files))
    assert list(data.iterdir()) == [] and [p.name for p in data.parent.iterdir()] == ["data"]


def test_other_images_than_those_that_were_measured_are_refused(server, data):
    with pytest.raises(MissingAsset, match=r"its sha256 is .* md5 is [0-9a-f]{32}, expected 1234"):
        fetch.locate("set", served(server, scene_zip(), tree_sha256="0" * 64))
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupt_and_full_disk_while_unpacking_leave_nothing(server, data, failure, monkeypatch):
    def stop(source, out):
        out.write(b"half")
        raise failure

    monkeypatch.setattr(fetch.shutil, "copyfileobj", stop)
    with pytest.raises((KeyboardInterrupt, MissingAsset)) as error:
        fetch.locate("set", served(server, scene_zip()))
    assert list(data.iterdir()) == []
    if isinstance(failure, OSError):
        assert "could not be written (No space left" in str(error.value)
