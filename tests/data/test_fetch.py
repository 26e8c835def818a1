"""Downloads against a server on this machine: what goes wrong, and what is left afterwards."""

import errno
import gzip
import hashlib
import os
import re
import threading
import warnings
from dataclasses import replace

import pooch
import pytest
import torch

from practicals import paths
from practicals.data import fetch
from practicals.data.fetch import Asset, MissingAsset

BODY = b"weights " * 5000
PAGE = b"\n<!DOCTYPE html><html><body>We have moved.</body></html>"
REAL_MIRROR = os.environ.get("DATA_MIRROR")
pytestmark = pytest.mark.usefixtures("data")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def an_asset(url, **fields):
    base = {"name": "net.pth", "path": "weights/net.pth", "bytes": len(BODY), "licence": "MIT"}
    known = {"sha256": sha256(BODY), "url": url, "needed_by": "practical 1"}
    return Asset(**(base | known | fields))


def registry(*entries):
    return {entry.name: entry for entry in entries}


def served(server, answer, at="/net.pth", **fields):
    """Let the server give that answer; return a registry of the one file that lies there."""
    server.content[at] = answer
    return registry(an_asset(server.address + at, **fields))


def left_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_good_file_is_fetched_once_and_others_may_read_it(server, data, capsys):
    known = served(server, BODY)
    assert not fetch.available("net.pth", known)
    path = fetch.locate("net.pth", known)
    assert path == data / "weights/net.pth" and path.read_bytes() == BODY
    before = [line for line in capsys.readouterr().err.split("\n") if "Downloading" in line]
    assert len(before) == 1 and "39 kB, licence MIT" in before[0] and server.address in before[0]
    assert fetch.locate("net.pth", known) == path and fetch.available("net.pth", known)
    assert server.requests == ["/net.pth"] and left_in(data) == ["weights/net.pth"]
    (data / "plain").write_bytes(b"")
    assert path.stat().st_mode == (data / "plain").stat().st_mode


def test_the_first_digits_of_a_hash_are_enough(server):
    good = served(server, BODY, sha256=sha256(BODY)[:8])
    assert fetch.locate("net.pth", good).read_bytes() == BODY
    bad = served(server, BODY, name="b", path="b", sha256="00000000")
    with pytest.raises(MissingAsset, match=f"{sha256(BODY)}, expected 00000000"):
        fetch.locate("b", bad)


def test_message_gives_name_size_source_and_both_ways_out(server):
    url = f"{server.address}/gone.pth"
    with pytest.raises(MissingAsset, match="answers 404") as error:
        fetch.locate("net.pth", registry(an_asset(url, net="vgg16")))
    for words in ("net.pth", "39 kB", url, "make data NETS=vgg16", "data/weights/net.pth"):
        assert words in str(error.value)
    assert "DATA_MIRROR" in str(error.value) and len(server.requests) == 1


def sends(body, status=200, **headers):
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda handler: handler.answer(names, body, status)


WHOLE = {"Content_Length": len(BODY)}


def at_first(bad):
    answers, then = iter([bad]), sends(BODY, **WHOLE)
    return lambda handler: next(answers, then)(handler)


MENDED = {
    "cut once": (at_first(sends(BODY[:20_000], **WHOLE)), 2),
    "broken once": (at_first(sends(b"", 503)), 2),
    "cut once, no length": (at_first(sends(BODY[:20_000])), 2),
    "called a page": (sends(BODY, Content_Type="text/html", **WHOLE), 1),
    "no length": (sends(BODY), 1),
    "negative length": (sends(BODY, Content_Length=-5), 1),
}


@pytest.mark.parametrize("name", MENDED)
def test_what_a_second_try_mends_or_hashes_excuse(server, data, name):
    answer, requests = MENDED[name]
    path = fetch.locate("net.pth", served(server, answer))
    assert path.read_bytes() == BODY and left_in(data) == ["weights/net.pth"]
    assert len(server.requests) == requests


TRIES = fetch.RETRIES + 1
HOPELESS = {
    "always cut": (sends(BODY[:20_000], **WHOLE), "was cut", TRIES),
    "always broken": (sends(b"", 503), "answers 503", TRIES),
    "forbidden": (sends(b"", 403), "answers 403", 1),
    "too short a length": (sends(BODY, Content_Length=100), "got " + sha256(BODY[:100]), TRIES),
    "no number for a length": (sends(BODY, Content_Length="many"), "many", TRIES),
    "another file": (sends(b"another", Content_Length=7), f"{sha256(BODY)} but got", TRIES),
    "nothing": (sends(b"", Content_Length=0), "got " + sha256(b""), TRIES),
    "a page": (sends(PAGE, Content_Type="text/html"), "serves a web page", 1),
    "a page called data": (sends(PAGE, Content_Type="application/zip"), "serves a web page", 1),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_mended_is_named_and_leaves_nothing(server, data, name):
    answer, reason, requests = HOPELESS[name]
    with pytest.raises(MissingAsset, match=re.escape(reason)):
        fetch.locate("net.pth", served(server, answer))
    assert left_in(data) == [] and len(server.requests) == requests


def test_redirects_are_followed_but_not_for_ever(server, data):
    server.content["/real.pth"] = BODY
    moved = served(server, sends(b"", 302, Location="/real.pth"))
    assert fetch.locate("net.pth", moved).read_bytes() == BODY
    again = served(server, sends(b"", 302, Location="/loop"), "/loop", name="b", path="b")
    with pytest.raises(MissingAsset, match="TooManyRedirects"):
        fetch.locate("b", again)
    assert left_in(data) == ["weights/net.pth"]


def test_an_answer_without_end_is_cut_at_the_largest_size(server, data):
    sent, ended = [], threading.Event()

    def endless(handler):
        handler.answer({}, b"")
        try:
            while len(sent) < 1000:  # 1 GB
                handler.wfile.write(bytes(1 << 20))
                sent.append(1)
        finally:
            ended.set()

    with pytest.raises(MissingAsset, match=r"more than the .* bytes came"):
        fetch.locate("net.pth", served(server, endless))
    assert ended.wait(10) and len(sent) < 50 and left_in(data) == []
    assert len(server.requests) == 1


def test_a_server_that_falls_silent_is_given_up(server, data, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", (0.2, 0.2))
    silent = threading.Event()
    with pytest.raises(MissingAsset, match=r"failed \((ReadTimeout|ConnectionError)\)"):
        fetch.locate("net.pth", served(server, lambda handler: silent.wait(5)))
    silent.set()
    assert left_in(data) == []


def test_spare_address_is_tried_second(server):
    known = served(server, BODY, "/spare")
    entry = an_asset(f"{server.address}/dead", spare_url=known["net.pth"].url)
    assert fetch.locate("net.pth", registry(entry)).read_bytes() == BODY
    assert server.requests == ["/dead", "/spare"]


def test_no_network(data):
    with pytest.raises(MissingAsset, match=r"127\.0\.0\.1:9/net\.pth: the connection failed"):
        fetch.locate("net.pth", registry(an_asset("http://127.0.0.1:9/net.pth")))
    assert left_in(data) == []


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_offline_switch_never_asks(server, monkeypatch, value):
    monkeypatch.setenv("PRACTICALS_OFFLINE", value)
    with pytest.raises(MissingAsset, match=r"PRACTICALS_OFFLINE(.|\n)*make data(.|\n)*by hand"):
        fetch.locate("net.pth", served(server, BODY))
    assert server.requests == []


@pytest.mark.parametrize("value", ["", "0", "False", "no", "off"])
def test_offline_switch_set_to_no_allows_downloads(server, monkeypatch, value):
    monkeypatch.setenv("PRACTICALS_OFFLINE", value)
    assert fetch.locate("net.pth", served(server, BODY)).read_bytes() == BODY


def test_offline_switch_with_another_value_is_named(server, monkeypatch, capsys):
    monkeypatch.setenv("PRACTICALS_OFFLINE", "maybe")
    with pytest.raises(ValueError, match="PRACTICALS_OFFLINE is 'maybe': expected 1, true"):
        fetch.locate("net.pth", served(server, BODY))
    with pytest.raises(SystemExit):
        fetch.main(["fetch"], served(server, BODY))
    assert "PRACTICALS_OFFLINE is 'maybe'" in capsys.readouterr().err and server.requests == []


def test_no_public_address_says_so_and_names_the_alternative():
    with pytest.raises(MissingAsset, match=r"mobilenet_v2-b0353104\.pth stands in for it"):
        fetch.locate("mobilenet_v2-coral.pth")
    assert "converts them" in fetch.explain_missing("vgg16-oxford-blocks123.pth")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    (tmp_path / "mirror/weights").mkdir(parents=True)
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "mirror"


def test_read_only_mirror_is_used_in_place(mirror, data):
    (mirror / "weights/net.pth").write_bytes(BODY)
    for path in (mirror / "weights/net.pth", mirror / "weights", mirror):
        path.chmod(0o555 if path.is_dir() else 0o444)
    known = registry(an_asset("http://127.0.0.1:9/net.pth"))
    assert fetch.locate("net.pth", known) == mirror / "weights/net.pth"
    assert fetch.available("net.pth", known) and not data.exists()
    assert left_in(mirror) == ["weights/net.pth"]


def test_altered_file_in_the_mirror_is_named_and_no_note_beside_it_helps(server, mirror, data):
    altered = BODY[:-1] + b"!"
    (mirror / "weights/net.pth").write_bytes(altered)
    (mirror / "weights/.net.pth.sha256").write_text(sha256(altered))
    known = served(server, BODY)
    assert "ALTERED in mirror" in fetch.state(known["net.pth"])
    with pytest.warns(UserWarning, match=r"weights/net\.pth in the mirror folder .* altered"):
        assert fetch.locate("net.pth", known) == data / "weights/net.pth"
    assert (mirror / "weights/net.pth").read_bytes() == altered


IN_THE_WAY = {
    "named pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": os.mkdir,
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
@pytest.mark.parametrize("place", ["mirror", "data"])
def test_what_is_no_regular_file_is_refused_and_never_opened(server, mirror, data, kind, place):
    target = (mirror if place == "mirror" else data) / "weights/net.pth"
    target.parent.mkdir(parents=True, exist_ok=True)
    IN_THE_WAY[kind](target)
    known = served(server, BODY)
    assert fetch.state(known["net.pth"]) == f"ALTERED in {place}: it is no regular file"
    with pytest.warns(UserWarning, match="no regular file"):
        if (kind, place) == ("folder", "data"):
            with pytest.raises(MissingAsset, match=r"could not be written .*directory"):
                fetch.locate("net.pth", known)
        else:
            assert fetch.locate("net.pth", known).read_bytes() == BODY


@pytest.mark.parametrize("bad", [BODY[:9], b"X" + BODY[1:], b""], ids=["cut", "one byte", "empty"])
def test_half_written_or_altered_file_in_data_is_fetched_again(server, bad):
    known = served(server, BODY)
    path = fetch.locate("net.pth", known)
    path.write_bytes(bad)
    # Some file systems keep coarse times; a same-sized change must still be seen.
    os.utime(path, ns=(1, 1))
    assert not fetch.available("net.pth", known)
    with pytest.warns(UserWarning, match="half-written or altered"):
        assert fetch.locate("net.pth", known).read_bytes() == BODY


def failing(monkeypatch, failure):
    """Let pooch's downloader write half, then fail."""

    def call(self, url, output_file, *_):
        output_file.write(BODY[:100])
        raise failure

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", call)


def test_interrupt_leaves_nothing_and_the_command_line_says_so(monkeypatch, capsys, data):
    failing(monkeypatch, KeyboardInterrupt())
    known = registry(an_asset("http://127.0.0.1:9/net.pth"))
    with pytest.raises(KeyboardInterrupt):
        fetch.locate("net.pth", known)
    assert left_in(data) == []
    assert fetch.main(["fetch"], known) == 130
    assert "Nothing half-written" in capsys.readouterr().err and left_in(data) == []


def test_full_disk_leaves_nothing(monkeypatch, data):
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(MissingAsset, match="No space left"):
        fetch.locate("net.pth", registry(an_asset("http://127.0.0.1:9/net.pth")))
    assert left_in(data) == []


def test_what_a_killed_download_left_goes_with_the_next(server, data):
    old, fresh = data / ".fetch-old", data / ".fetch-fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "archive").write_bytes(b"half")
    os.utime(old, (1, 1))
    fetch.locate("net.pth", served(server, BODY))
    assert not old.exists() and fresh.exists()


def test_content_hash_accepts_another_wrapper_and_refuses_a_cut_one(server):
    fields = {"sha256": None, "content_sha256": sha256(BODY)}
    good = served(server, gzip.compress(BODY, 1, mtime=7), **fields)
    assert gzip.decompress(fetch.locate("net.pth", good).read_bytes()) == BODY
    cut = served(server, gzip.compress(BODY, 9)[:-20], "/cut", name="c", path="c", **fields)
    with pytest.raises(MissingAsset, match="not a complete gzip file"):
        fetch.locate("c", cut)


def a_converted(path, **changed):
    """Save weights; return the asset of those that ``changed`` leaves as they are."""
    state = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.tensor([1.0, -2.0])}
    blank = an_asset(None, sha256="0" * 64, state_sha256="", computed=(("fc.bias", 1.0),))
    known = re.search("[0-9a-f]{64}", fetch.state_problem(blank, state))[0]
    computed = (("fc.bias", fetch.weighted_sum(state["fc.bias"])),)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state | changed, path)
    return replace(blank, state_sha256=known, computed=computed)


ALTERED = {
    "a value": {"fc.weight": torch.arange(6.0).view(2, 3).clamp(max=4.999)},
    "a shape": {"fc.weight": torch.arange(6.0).view(3, 2)},
    "a precision": {"fc.weight": torch.arange(6.0).view(2, 3).half()},
    "a name": {"fc.more": torch.zeros(1)},
    "a computed value": {"fc.bias": torch.tensor([1.001, -2.0])},
    "a computed order": {"fc.bias": torch.tensor([-2.0, 1.0])},
    "a computed NaN": {"fc.bias": torch.tensor([1.0, float("nan")])},
    "more than memory": {"fc.weight": torch.zeros(1).expand(1 << 45)},
}


@pytest.mark.parametrize("name", ALTERED)
def test_weights_converted_elsewhere_are_judged_by_their_tensors(mirror, data, name):
    good = a_converted(mirror / "weights/net.pth")
    assert fetch.problem(good, mirror) is None
    last_digit = torch.nextafter(torch.tensor([1.0, -2.0]), torch.tensor(9.0))
    assert (
        fetch.problem(a_converted(data / "weights/net.pth", **{"fc.bias": last_digit}), data)
        is None
    )
    assert fetch.problem(a_converted(data / "weights/net.pth", **ALTERED[name]), data)


class Payload:
    def __reduce__(self):
        return os.mkdir, ("payload-ran",)


def test_reading_weights_runs_no_code(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asset = a_converted(data / "weights/net.pth", more=Payload())
    assert "no readable weights" in fetch.problem(asset, data)
    (data / "weights/net.pth").write_bytes(BODY)
    assert "no readable weights" in fetch.problem(asset, data)
    assert not (tmp_path / "payload-ran").exists()


def test_folder_of_files_fetches_only_what_is_not_right(server, data):
    files = {f"n{i}_x.JPEG": bytes([i]) * 50 for i in range(4)}
    server.content |= {f"/{name}": body for name, body in files.items()}
    members = tuple(
        Asset(name, f"samples/{name}", 50, url=f"{server.address}/{name}", sha256=sha256(body))
        for name, body in files.items()
    )
    known = registry(Asset("samples", "samples", 200, url=server.address, members=members))
    folder = fetch.locate("samples", known)
    assert folder == data / "samples" and len(left_in(folder)) == 4
    (folder / "n2_x.JPEG").write_bytes(b"half")
    (folder / "n3_x.JPEG").unlink()
    os.mkfifo(folder / "n3_x.JPEG")
    server.requests.clear()
    with pytest.warns(UserWarning, match=r"2 of 4 files are absent or altered, first n2_x"):
        fetch.locate("samples", known)
    assert server.requests == ["/n2_x.JPEG", "/n3_x.JPEG"] and fetch.available("samples", known)


def test_the_first_of_several_files_at_hand_is_taken_and_damaged_ones_are_named(data):
    known = registry(*(an_asset(None, name=n, path=n) for n in ("whole.pth", "packed.net")))
    data.mkdir()
    (data / "packed.net").write_bytes(BODY)
    assert fetch.locate_first(list(known), known) == data / "packed.net"
    (data / "whole.pth").write_bytes(BODY)
    assert fetch.locate_first(list(known), known) == data / "whole.pth"
    (data / "whole.pth").unlink()
    (data / "packed.net").write_bytes(BODY[:-1])
    with (
        pytest.warns(UserWarning, match=r"packed\.net in the data folder .* altered"),
        pytest.raises(MissingAsset, match=r"whole\.pth"),
    ):
        fetch.locate_first(list(known), known)


def test_unknown_name_suggests_the_nearest():
    for wrong, right in {"vgg61": "vgg16-397923af.pth", "15-scenes": "15-Scene"}.items():
        with pytest.raises(ValueError, match=f"Did you mean {re.escape(repr(right))}"):
            fetch.locate(wrong)


def test_command_line(server, capsys):
    known = served(server, BODY)
    known |= registry(
        an_asset(f"{server.address}/big", name="big.pth", path="big.pth", net="big"),
        an_asset(None, name="only.pth", path="only.pth"),
    )
    assert fetch.main(["fetch"], known) == 0 and server.requests == ["/net.pth"]
    assert fetch.main(["fetch", "--nets", "big"], known) == 1
    assert "answers 404" in capsys.readouterr().err
    assert fetch.main(["fetch", "only.pth"], known) == 1
    assert fetch.main(["list"], known) == fetch.main(["verify"], known) == 0
    assert re.search(r"net\.pth\s+39 kB .* data\n", capsys.readouterr().out)
    (paths.data_dir() / "weights/net.pth").write_bytes(b"half")
    assert fetch.main(["list"], known) == 0 and fetch.main(["verify"], known) == 1
    assert "ALTERED in data" in capsys.readouterr().out
    for wrong in (["nett.pth"], ["--nets", "vgg61"]):
        with pytest.raises(SystemExit) as stop:
            fetch.main(["fetch", *wrong], known)
        assert stop.value.code == 2
    assert "'net.pth'" in capsys.readouterr().err


def test_registry_is_complete_and_well_formed():
    known = fetch.load()
    for asset in known.values():
        assert asset.licence and asset.source and asset.needed_by and asset.bytes > 0
        for one in asset.members or (asset,):
            hashes = (one.sha256, one.content_sha256, one.tree_sha256)
            # What is made on the user's machine has no hash of its own.
            assert sum(h is not None for h in hashes) == (
                one.path != "weights/squeezenet1_0-packed.pth"
            )
            assert bool(one.state_sha256) == one.converted, one.name
            assert all(re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}", h) for h in hashes if h)
        assert asset.alternative is None or asset.alternative in known
        assert bool(asset.files) == bool(asset.md5 and asset.tree_sha256)
        assert asset.url or asset.alternative or asset.converted
    assert len(known["imagenet-samples"].members) == 275 and len(known["MNIST"].members) == 4
    assert len(known["BSDS500"].files) == 500 and len(known["15-Scene"].files) == 4485
    assert sum(name.startswith("train/") for name in known["15-Scene"].files) == 1500
    assert fetch.megabytes("vgg16-397923af.pth") == "528 MB"


def test_class_list_agrees_with_torchvision():
    from torchvision.models._meta import _IMAGENET_CATEGORIES as NAMES

    ids = fetch.lines("wordnet_ids.txt")
    assert len(set(ids)) == 1000 and ids == sorted(ids)
    for member in fetch.load()["imagenet-samples"].members:
        wordnet, _, name = member.name.removesuffix(".JPEG").partition("_")
        plain = [re.sub("[^a-z]", "", n.lower()) for n in (name, NAMES[ids.index(wordnet)])]
        assert plain[0] == plain[1]


IN_A_MIRROR = (
    *("15-Scene", "BSDS500", "MNIST", "imagenet-samples", "compressed_SqueezeNet.net"),
    *("mobilenet_v2-coral.pth", "vgg16-oxford-blocks123.pth", "vgg16-oxford-trunk.pth"),
    *("googlenet-bvlc.pth", "inception_v3-trunk.pth"),
)


@pytest.mark.skipif(not REAL_MIRROR, reason="DATA_MIRROR is not set")
@pytest.mark.parametrize("name", IN_A_MIRROR)
def test_real_mirror_is_whole_and_used_in_place(monkeypatch, name, data):
    monkeypatch.setenv("DATA_MIRROR", REAL_MIRROR)
    monkeypatch.setenv("PRACTICALS_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = fetch.locate(name)
    assert path.is_relative_to(paths.mirror_dir()) and not data.exists()
