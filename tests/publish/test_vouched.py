"""A ledger's file says what it vouches for; one that cannot be read says nothing."""

import json

import pytest

from practicals.publish import vouched

LEDGER = {
    "profile": "full",
    "code": "0",
    "values": {},
    "tables": {"layers": {"sha256": "t"}},
    "figures": {"curve": {"files": {"1-a-curve.pdf": "p", "1-a-curve.png": "q"}}},
    "models": {"net.pt": "m"},
}


def test_every_kind_of_file_is_vouched_for_in_its_place(tmp_path):
    assert vouched.all_files("1-a", LEDGER, tmp_path) == {
        tmp_path / "figures/1-a-curve.pdf": "p",
        tmp_path / "figures/1-a-curve.png": "q",
        tmp_path / "report/generated/1-a-layers.tex": "t",
        tmp_path / "data/models/net.pt": "m",
    }


def test_a_ledger_without_figures_and_networks_vouches_for_its_tables(tmp_path):
    bare = {key: LEDGER[key] for key in ("profile", "code", "values", "tables")}
    assert list(vouched.all_files("1-a", bare, tmp_path).values()) == ["t"]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"values": {}}', b'{"values": "\xe9"}'])
def test_what_is_no_ledger_reads_as_empty(tmp_path, content):
    path = tmp_path / "1-a.json"
    assert vouched.read_ledger(path) == {}
    path.write_bytes(content)
    assert vouched.read_ledger(path) == {}
    path.write_text(json.dumps(LEDGER))
    assert vouched.read_ledger(path) == LEDGER


def test_a_file_that_is_absent_has_no_hash(tmp_path):
    path = tmp_path / "x"
    assert vouched.hash_of(path) is None
    path.write_bytes(b"")
    assert vouched.hash_of(path).startswith("e3b0c442")
