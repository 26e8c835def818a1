"""Downloads against a server on this machine: what goes wrong, and what is left afterwards."""

import errno
import gzip
import hashlib
import io
import os
import re
import tarfile
import threading
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from practicals import paths
from practicals.data import download, layouts
from practicals.data import fetch as assets
from practicals.data import registry as inventory
from practicals.data.registry import Asset, MissingAsset

BODY = b"weights " * 5000


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def an_asset(url, **fields):
    known = {"sha256": sha256(BODY)} if "content_sha256" not in fields else {}
    base = {"name": "net.pth", "path": "weights/net.pth", "bytes": len(BODY), "licence": "MIT"}
    return Asset(**(base | known | {"url": url, "needed_by": "practical 1"} | fields))


def registry(*entries):
    return {entry.name: entry for entry in entries}


class Server(ThreadingHTTPServer):
    """Serves ``content``; closes early on the paths in ``cuts`` as often as they say."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cuts, self.requests = {}, {}, []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.content.get(self.path)
        self.server.requests.append(self.path)
        if body is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cuts.get(self.path, 0) > 0
        if cut:
            self.server.cuts[self.path] -= 1
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """Give each test an empty data folder, no mirror, the network, and short pauses."""
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.delenv("PRACTICALS_OFFLINE", raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0.01)
    return tmp_path / "data"


def left_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_good_file_is_fetched_once(server, data, capsys):
    server.content["/net.pth"] = BODY
    known = registry(an_asset(f"{server.address}/net.pth"))
    assert not assets.available("net.pth", known)
    path = assets.locate("net.pth", known)
    assert path == data / "weights/net.pth" and path.read_bytes() == BODY
    assert "39 kB, licence MIT" in capsys.readouterr().err
    assert assets.locate("net.pth", known) == path and assets.available("net.pth", known)
    assert server.requests == ["/net.pth"] and left_in(data) == ["weights/net.pth"]


def test_torchvision_prefix_is_enough(server):
    server.content["/net.pth"] = BODY
    url = f"{server.address}/net.pth"
    good = an_asset(url, sha256=None, sha256_prefix=sha256(BODY)[:8])
    assert assets.locate("net.pth", registry(good)).read_bytes() == BODY
    bad = an_asset(url, name="b", path="b", sha256=None, sha256_prefix="00000000")
    with pytest.raises(MissingAsset, match=f"{sha256(BODY)[:8]}, expected 00000000"):
        assets.locate("b", registry(bad))


def test_wrong_hash_names_both_and_is_not_tried_again(server, data):
    server.content["/net.pth"] = b"another file"
    with pytest.raises(MissingAsset) as error:
        assets.locate("net.pth", registry(an_asset(f"{server.address}/net.pth")))
    assert f"{sha256(b'another file')}, expected {sha256(BODY)}" in str(error.value)
    assert len(server.requests) == 1 and left_in(data) == []


def test_message_gives_name_size_source_and_both_ways_out(server):
    url = f"{server.address}/gone.pth"
    with pytest.raises(MissingAsset, match="answers 404") as error:
        assets.locate("net.pth", registry(an_asset(url, net="vgg16")))
    for words in ("net.pth", "39 kB", url, "make data NETS=vgg16", "data/weights/net.pth"):
        assert words in str(error.value)
    assert "DATA_MIRROR" in str(error.value) and len(server.requests) == 1


def test_cut_connection_starts_again(server, data):
    server.content["/net.pth"], server.cuts["/net.pth"] = BODY, 1
    path = assets.locate("net.pth", registry(an_asset(f"{server.address}/net.pth")))
    assert path.read_bytes() == BODY and len(server.requests) == 2
    assert left_in(data) == ["weights/net.pth"]


def test_connection_that_is_always_cut_leaves_nothing(server, data):
    server.content["/net.pth"], server.cuts["/net.pth"] = BODY, 99
    with pytest.raises(MissingAsset, match=r"cut after 20,000 of 40,000 bytes|failed"):
        assets.locate("net.pth", registry(an_asset(f"{server.address}/net.pth")))
    assert len(server.requests) == download.ATTEMPTS and left_in(data) == []


def test_spare_address_is_tried_second(server):
    server.content["/spare"] = BODY
    entry = an_asset(f"{server.address}/dead", spare_url=f"{server.address}/spare")
    assert assets.locate("net.pth", registry(entry)).read_bytes() == BODY
    assert server.requests == ["/dead", "/spare"]


def test_no_network(data):
    with pytest.raises(MissingAsset, match=r"connection to 127\.0\.0\.1:9 failed"):
        assets.locate("net.pth", registry(an_asset("http://127.0.0.1:9/net.pth")))
    assert left_in(data) == []


def test_offline_switch_never_asks(server, monkeypatch):
    monkeypatch.setenv("PRACTICALS_OFFLINE", "1")
    server.content["/net.pth"] = BODY
    with pytest.raises(MissingAsset, match="PRACTICALS_OFFLINE"):
        assets.locate("net.pth", registry(an_asset(f"{server.address}/net.pth")))
    assert server.requests == []


def test_no_public_address_says_so_and_names_the_alternative():
    with pytest.raises(MissingAsset, match=r"mobilenet_v2-b0353104\.pth stands in for it"):
        assets.locate("mobilenet_v2-coral.pth")
    assert "converts them" in assets.explain_missing("vgg16-oxford-blocks123.pth")


def a_mirror(tmp_path, monkeypatch, content):
    mirror = tmp_path / "mirror"
    (mirror / "weights").mkdir(parents=True)
    (mirror / "weights/net.pth").write_bytes(content)
    monkeypatch.setenv("DATA_MIRROR", str(mirror))
    return mirror


def test_read_only_mirror_is_used_in_place(tmp_path, monkeypatch, data):
    mirror = a_mirror(tmp_path, monkeypatch, BODY)
    for path in (mirror / "weights/net.pth", mirror / "weights", mirror):
        path.chmod(0o555 if path.is_dir() else 0o444)
    known = registry(an_asset("http://127.0.0.1:9/net.pth"))
    assert assets.locate("net.pth", known) == mirror / "weights/net.pth"
    assert assets.available("net.pth", known) and not data.exists()
    assert left_in(mirror) == ["weights/net.pth"]


def test_altered_file_in_the_mirror_is_named_and_passed_over(server, tmp_path, monkeypatch, data):
    mirror = a_mirror(tmp_path, monkeypatch, BODY[:-1])
    server.content["/net.pth"] = BODY
    with pytest.warns(UserWarning, match=r"weights/net\.pth in the mirror folder .* altered"):
        path = assets.locate("net.pth", registry(an_asset(f"{server.address}/net.pth")))
    assert path == data / "weights/net.pth"
    assert (mirror / "weights/net.pth").read_bytes() == BODY[:-1]


@pytest.mark.parametrize("bad", [BODY[:9], b"X" + BODY[1:], b""], ids=["cut", "one byte", "empty"])
def test_half_written_or_altered_file_in_data_is_fetched_again(server, data, bad):
    server.content["/net.pth"] = BODY
    known = registry(an_asset(f"{server.address}/net.pth"))
    path = assets.locate("net.pth", known)
    path.write_bytes(bad)
    # Some file systems keep coarse times; a same-sized change must still be seen.
    os.utime(path, ns=(1, 1))
    assert not assets.available("net.pth", known)
    with pytest.warns(UserWarning, match="half-written or altered"):
        assert assets.locate("net.pth", known).read_bytes() == BODY


class FailingDownloader:
    """Stands for pooch's downloader: writes half, then fails."""

    failure: BaseException

    def __init__(self, **_):
        pass

    def __call__(self, url, output_file, _):
        with open(output_file, "wb") as part:
            part.write(BODY[:100])
            raise self.failure


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), MissingAsset),
    ],
)
def test_interrupt_and_full_disk_leave_nothing(monkeypatch, data, failure, seen):
    monkeypatch.setattr(download.pooch, "HTTPDownloader", FailingDownloader)
    monkeypatch.setattr(FailingDownloader, "failure", failure, raising=False)
    with pytest.raises(seen) as error:
        assets.locate("net.pth", registry(an_asset("http://127.0.0.1:9/net.pth")))
    assert left_in(data) == []
    assert seen is KeyboardInterrupt or "No space left" in str(error.value)


def test_content_hash_accepts_another_wrapper_and_refuses_a_cut_one(server):
    server.content["/d.gz"] = gzip.compress(BODY, 1, mtime=7)
    server.content["/cut.gz"] = gzip.compress(BODY, 9)[:-20]
    good = an_asset(f"{server.address}/d.gz", content_sha256=sha256(BODY))
    assert gzip.decompress(assets.locate("net.pth", registry(good)).read_bytes()) == BODY
    cut = an_asset(f"{server.address}/cut.gz", name="c", path="c", content_sha256=sha256(BODY))
    with pytest.raises(MissingAsset, match="not a complete gzip file"):
        assets.locate("c", registry(cut))


def a_folder(server):
    files = {f"n{i}_x.JPEG": bytes([i]) * 50 for i in range(4)}
    server.content |= {f"/{name}": body for name, body in files.items()}
    members = tuple(
        Asset(name, f"samples/{name}", 50, url=f"{server.address}/{name}", sha256=sha256(body))
        for name, body in files.items()
    )
    return Asset("samples", "samples", 200, url=server.address, members=members)


def test_folder_of_files_fetches_only_what_is_not_right(server, data):
    known = registry(a_folder(server))
    folder = assets.locate("samples", known)
    assert folder == data / "samples" and len(left_in(folder)) == 4
    (folder / "n2_x.JPEG").write_bytes(b"half")
    server.requests.clear()
    with pytest.warns(UserWarning, match=r"1 of 4 files are absent or altered, first n2_x"):
        assets.locate("samples", known)
    assert server.requests == ["/n2_x.JPEG"] and assets.available("samples", known)


PREFIXES = {"suburb": "CAL", "office": "PAR"} | dict.fromkeys(
    "coast forest highway insidecity mountain opencountry street tallbuilding".split(), "MIT"
)


def scene_zip(top="", prefixed=False, count=4485, extra=()):
    """Imitate the archive of Illinois: class folders, original numbers, some rubbish."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name in inventory.scene15_files()[:count]:
            _, label, image = name.split("/")
            prefix = PREFIXES.get(label, "") if prefixed else ""
            bundle.writestr(f"{top}{prefix}{label}/{image}", name)
        for name in (*extra, f"{top}Thumbs.db", "__MACOSX/bedroom/._image_0001.jpg"):
            bundle.writestr(name, "rubbish")
    return buffer.getvalue()


def scene_asset(server, archive, md5=None):
    server.content["/scenes.zip"] = archive
    md5 = md5 or hashlib.md5(archive).hexdigest()
    return Asset(
        "15-Scene",
        "15-Scene",
        len(archive),
        url=f"{server.address}/scenes.zip",
        md5=md5,
        layout="scene15",
        files=inventory.scene15_files(),
        tree_sha256="0" * 64,
    )


@pytest.fixture
def few(monkeypatch):
    """Keep one name in thirty of the 15-Scene list, which is enough for all but one test."""
    names = inventory.scene15_files()[::30]
    monkeypatch.setattr(inventory, "scene15_files", lambda: names)
    return names


@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("top", ["", "data/scene_categories/"])
def test_class_folders_are_recognised(server, few, top, prefixed):
    known = registry(scene_asset(server, scene_zip(top, prefixed)))
    folder = assets.locate("15-Scene", known)
    assert all((folder / name).read_text() == name for name in few)
    assert [f for f in left_in(folder) if f.endswith(".jpg")] == list(few)


def test_scenes_are_laid_out_by_number(server, data):
    known = registry(scene_asset(server, scene_zip("scene_categories/", prefixed=True)))
    folder = assets.locate("15-Scene", known)
    assert len(list((folder / "train").rglob("*.jpg"))) == 1500
    assert len(list((folder / "test").rglob("*.jpg"))) == 2985
    assert all((folder / n).read_text() == n for n in inventory.scene15_files()[::50])
    assert [p.name for p in data.iterdir()] == ["15-Scene"]
    (folder / "train/suburb/image_0002.jpg").unlink()
    assert "1 of 4485 files are absent" in inventory.problem(known["15-Scene"], data)


def test_altered_scene_is_seen_and_fetched_again(server, few):
    known = registry(scene_asset(server, scene_zip()))
    image = assets.locate("15-Scene", known) / few[0]
    image.write_text("altered")
    with pytest.warns(UserWarning, match="15-Scene in the data folder .* altered"):
        assets.locate("15-Scene", known)
    assert image.read_text() == few[0]


def test_incomplete_archive_is_refused(server, data):
    archive = scene_zip(count=3)
    with pytest.raises(MissingAsset, match=r"lacks 4482 of 4485 .* test/bedroom/image_0007\.jpg"):
        assets.locate("15-Scene", registry(scene_asset(server, archive)))
    assert list(data.iterdir()) == []


def test_archive_with_another_md5_and_other_images_is_refused(server, data, few):
    with pytest.raises(MissingAsset, match=r"its md5 is [0-9a-f]{32}, expected 1234"):
        assets.locate("15-Scene", registry(scene_asset(server, scene_zip(), md5="1234")))
    assert list(data.iterdir()) == []


def test_page_instead_of_an_archive_is_refused(server, data):
    with pytest.raises(MissingAsset, match="no archive"):
        assets.locate("15-Scene", registry(scene_asset(server, b"<html>moved</html>")))
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("name", ["../bedroom/image_0003.jpg", "/etc/image_0003.jpg"])
def test_member_that_leaves_the_folder_is_refused(server, tmp_path, data, name):
    before = left_in(tmp_path)
    with pytest.raises(MissingAsset, match="unsafe name"):
        assets.locate("15-Scene", registry(scene_asset(server, scene_zip(count=3, extra=(name,)))))
    assert list(data.iterdir()) == [] and left_in(tmp_path) == before


def test_interrupt_while_unpacking_leaves_nothing(server, data, few, monkeypatch):
    def stop(archive, folder):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setitem(layouts.LAYOUTS, "scene15", stop)
    with pytest.raises(KeyboardInterrupt):
        assets.locate("15-Scene", registry(scene_asset(server, scene_zip())))
    assert list(data.iterdir()) == []


def bsds_tgz(extra=None, names=None):
    buffer = io.BytesIO()
    names = inventory.lines("bsds500_files.txt") if names is None else names
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name in [*names, "groundTruth/train/1.mat"]:
            member = tarfile.TarInfo(f"BSR/BSDS500/data/{name}")
            member.size = len(name)
            bundle.addfile(member, io.BytesIO(name.encode()))
        if extra:
            bundle.addfile(extra)
    return buffer.getvalue()


def bsds_asset(server, archive):
    server.content["/b.tgz"] = archive
    files = tuple(inventory.lines("bsds500_files.txt"))
    tree = hashlib.sha256("".join(f"{sha256(f.encode())}  {f}\n" for f in files).encode())
    return Asset(
        "BSDS500",
        "BSDS500",
        len(archive),
        url=f"{server.address}/b.tgz",
        layout="bsds500",
        files=files,
        tree_sha256=tree.hexdigest(),
    )


def test_photos_are_laid_out_and_believed_by_their_own_hash(server, data):
    folder = assets.locate("BSDS500", registry(bsds_asset(server, bsds_tgz())))
    counts = [len(list((folder / "images" / s).iterdir())) for s in ("train", "val", "test")]
    assert counts == [200, 100, 200] and len(left_in(data)) == 500


def test_links_and_escapes_in_a_tar_are_refused(server, data):
    link = tarfile.TarInfo("BSR/../../images/train/x.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(MissingAsset, match="unsafe name"):
        assets.locate("BSDS500", registry(bsds_asset(server, bsds_tgz(link))))
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
@pytest.mark.parametrize("place", ["/etc/passwd", "BSR/BSDS500/data/images/train/12003.jpg"])
def test_what_is_no_plain_file_in_a_tar_is_left_out(tmp_path, kind, place):
    """A link with a name that is expected: nothing but its kind tells it from a photo."""
    names = inventory.lines("bsds500_files.txt")
    member = tarfile.TarInfo(f"BSR/BSDS500/data/{names[-1]}")
    member.type, member.linkname = kind, place
    (tmp_path / "b.tgz").write_bytes(bsds_tgz(member, names[:-1]))
    with pytest.raises(layouts.LayoutError, match=f"lacks 1 of 500 .* first {names[-1]}"):
        layouts.bsds500(tmp_path / "b.tgz", tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out" / names[-1])


def test_cut_tgz_is_an_error_not_a_crash(tmp_path):
    (tmp_path / "cut.tgz").write_bytes(bsds_tgz()[:3000])
    with pytest.raises(layouts.LayoutError):
        layouts.bsds500(tmp_path / "cut.tgz", tmp_path / "out")


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


ODD_ZIPS = {
    "encrypted": (encrypted, "encrypted"),
    "method 97": (lambda z: packed_otherwise(z, 97), "not supported"),
    "broken LZMA": (lambda z: packed_otherwise(z, zipfile.ZIP_LZMA), "damaged|unpacked"),
    "broken bzip2": (lambda z: packed_otherwise(z, zipfile.ZIP_BZIP2), "damaged"),
}


@pytest.mark.parametrize("name", ODD_ZIPS)
def test_an_archive_that_cannot_be_unpacked_is_named(server, data, few, name):
    change, message = ODD_ZIPS[name]
    with pytest.raises(MissingAsset, match=f"the archive .*({message})") as error:
        assets.locate("15-Scene", registry(scene_asset(server, change(scene_zip()))))
    assert "15-Scene" in str(error.value) and list(data.iterdir()) == []


def test_a_full_disk_while_unpacking_is_not_blamed_on_the_archive(server, data, few, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layouts, "_write", full)
    with pytest.raises(MissingAsset, match=r"could not be written \(No space left"):
        assets.locate("15-Scene", registry(scene_asset(server, scene_zip())))


def test_what_a_killed_download_left_goes_with_the_next(server, data, few):
    old, fresh = data / ".unpack-old", data / ".unpack-fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "archive").write_bytes(b"half")
    os.utime(old, (1, 1))
    assets.locate("15-Scene", registry(scene_asset(server, scene_zip())))
    assert not old.exists() and fresh.exists()


def test_the_first_of_several_files_at_hand_is_taken_and_damaged_ones_are_named(data):
    known = registry(*(an_asset(None, name=n, path=n) for n in ("whole.pth", "packed.net")))
    data.mkdir()
    (data / "packed.net").write_bytes(BODY)
    assert assets.locate_first(list(known), known) == data / "packed.net"
    (data / "whole.pth").write_bytes(BODY)
    assert assets.locate_first(list(known), known) == data / "whole.pth"
    (data / "whole.pth").unlink()
    (data / "packed.net").write_bytes(BODY[:-1])
    with (
        pytest.warns(UserWarning, match=r"packed\.net in the data folder .* altered"),
        pytest.raises(MissingAsset, match=r"whole\.pth"),
    ):
        assets.locate_first(list(known), known)


def test_unknown_name_suggests_the_nearest():
    for wrong, right in {"vgg61": "vgg16-397923af.pth", "15-scenes": "15-Scene"}.items():
        with pytest.raises(ValueError, match=re.escape(right)):
            assets.locate(wrong)


def test_command_line(server, capsys, monkeypatch):
    server.content["/net.pth"] = BODY
    entry = an_asset(f"{server.address}/net.pth")
    big = an_asset(f"{server.address}/big", name="big.pth", path="big.pth", net="big")
    only_mirror = an_asset(None, name="only.pth", path="only.pth")
    known = registry(entry, big, only_mirror)
    assert assets.main(["fetch"], known) == 0 and server.requests == ["/net.pth"]
    assert assets.main(["fetch", "--nets", "big"], known) == 1
    assert "answers 404" in capsys.readouterr().err
    assert assets.main(["fetch", "only.pth"], known) == 1
    assert assets.main(["list"], known) == 0
    assert re.search(r"net\.pth\s+39 kB\s+data ", capsys.readouterr().out)
    assert assets.main(["verify"], known) == 0
    (paths.data_dir() / "weights/net.pth").write_bytes(b"half")
    assert assets.main(["verify"], known) == 1
    assert "ALTERED in data" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        assets.main(["fetch", "nett.pth"], known)
    assert stop.value.code == 2 and "'net.pth'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        assets.main(["fetch", "--nets", "vgg61"], known)


def test_interrupted_command_line_says_that_nothing_is_left(monkeypatch, capsys, data):
    monkeypatch.setattr(download.pooch, "HTTPDownloader", FailingDownloader)
    monkeypatch.setattr(FailingDownloader, "failure", KeyboardInterrupt(), raising=False)
    assert assets.main(["fetch"], registry(an_asset("http://127.0.0.1:9/x"))) == 130
    assert "Nothing half-written" in capsys.readouterr().err and left_in(data) == []


def test_registry_is_complete_and_well_formed():
    known = inventory.load()
    for asset in known.values():
        assert asset.licence and asset.source and asset.needed_by and asset.bytes > 0
        for one in asset.members or (asset,):
            hashes = (one.sha256, one.sha256_prefix, one.content_sha256, one.tree_sha256)
            assert sum(h is not None for h in hashes) == 1, one.name
            assert all(re.fullmatch("[0-9a-f]+", h) for h in hashes if h)
        assert asset.alternative is None or asset.alternative in known
        assert asset.layout is None or asset.layout in layouts.LAYOUTS
        assert asset.url or asset.alternative or asset.converted
    assert len(known["imagenet-samples"].members) == 275 and len(known["MNIST"].members) == 4
    assert len(known["BSDS500"].files) == 500 and len(known["15-Scene"].files) == 4485
    assert sum(name.startswith("train/") for name in known["15-Scene"].files) == 1500
    assert assets.megabytes("vgg16-397923af.pth") == "528 MB"


def test_class_list_agrees_with_torchvision():
    from torchvision.models._meta import _IMAGENET_CATEGORIES as NAMES

    ids = inventory.lines("wordnet_ids.txt")
    assert len(set(ids)) == 1000 and ids == sorted(ids)
    for member in inventory.load()["imagenet-samples"].members:
        wordnet, _, name = member.name.removesuffix(".JPEG").partition("_")
        plain = [re.sub("[^a-z]", "", n.lower()) for n in (name, NAMES[ids.index(wordnet)])]
        assert plain[0] == plain[1]


REAL_MIRROR = os.environ.get("DATA_MIRROR")


@pytest.mark.skipif(not REAL_MIRROR, reason="DATA_MIRROR is not set")
@pytest.mark.parametrize(
    "name",
    [
        "15-Scene",
        "BSDS500",
        "MNIST",
        "imagenet-samples",
        "compressed_SqueezeNet.net",
        "mobilenet_v2-coral.pth",
        "vgg16-oxford-blocks123.pth",
    ],
)
def test_real_mirror_is_whole_and_used_in_place(monkeypatch, name, data):
    monkeypatch.setenv("DATA_MIRROR", REAL_MIRROR)
    monkeypatch.setenv("PRACTICALS_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = assets.locate(name)
    assert path.is_relative_to(paths.mirror_dir()) and not data.exists()
