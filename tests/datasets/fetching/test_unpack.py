"""Archives: honest ones, damaged ones, and ones that mean harm."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import random
import stat
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.datasets.fetching.unpack import Layout, unpack
from steeple.errors import InputError, StorageError

module = importlib.import_module("steeple.datasets.fetching.unpack")


def entry(name, data=b"photo", kind=tarfile.REGTYPE, **fields):
    """One member: its header, and its bytes."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, data


def pack(path, *entries, mode="w", **kind):
    with tarfile.open(path, mode, **kind) as tar:
        for member, data in entries:
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive.tar"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def aside(tmp_path):
    return tmp_path / "aside"


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(archive, out, aside, *words, layout=Layout.FLAT):
    """Checks that an archive is refused, and leaves nothing behind, here or elsewhere."""
    before = files(archive.parent)
    with pytest.raises(InputError) as caught:
        unpack(archive, out, layout, aside=aside)
    for word in (str(archive), "nothing of it was kept", *words):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(archive.parent) == before
    assert not aside.exists()


def test_gldv2_photos_go_by_their_id(archive, out, aside):
    folder = entry("0/", b"", tarfile.DIRTYPE)
    pack(archive, folder, entry("0/1/2/0123.jpg", b"a"), entry("./f/e/d/fedc.jpg", b"bc"))
    found = unpack(archive, out, Layout.BY_ID, aside=aside)
    assert files(out) == {"0/1/2/0123.jpg": b"a", "f/e/d/fedc.jpg": b"bc"}
    assert (found.photos, found.bytes) == (2, 3)
    assert (found.first, found.last) == ("0/1/2/0123.jpg", "f/e/d/fedc.jpg")
    assert not aside.exists()


def test_gldv2_photos_go_by_their_id_from_wherever_they_lie(archive, out, aside):
    pack(archive, entry("train/0123.jpg"))
    unpack(archive, out, Layout.BY_ID, aside=aside)
    assert list(files(out)) == ["0/1/2/0123.jpg"]


def test_flat_photos_leave_their_folders(archive, out, aside):
    pack(archive, entry("paris/eiffel/eiffel_1.jpg"), entry("oxford_2.JPG"))
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert set(files(out)) == {"eiffel_1.jpg", "oxford_2.JPG"}


def test_kept_photos_keep_their_folders(archive, out, aside):
    pack(archive, entry("1a/2b/x.jpg"), entry("./y.png"))
    unpack(archive, out, Layout.KEPT, aside=aside)
    assert set(files(out)) == {"1a/2b/x.jpg", "y.png"}


def test_what_is_no_photo_stays_out(archive, out, aside):
    pack(archive, entry("a.jpg"), entry("README"), entry("run.sh"), entry("x/._a.jpg"))
    unpack(archive, out, Layout.KEPT, aside=aside)
    assert set(files(out)) == {"a.jpg"}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_every_kind_of_tar(archive, out, aside, mode, form):
    name = f"{'d' * 90}/{'n' * 60}.jpg"
    pack(archive, entry(name, b"long"), mode=mode, format=form)
    unpack(archive, out, Layout.KEPT, aside=aside)
    assert files(out) == {name: b"long"}


def test_photos_that_are_there_are_replaced_and_others_stay(archive, out, aside):
    out.mkdir()
    (out / "a.jpg").write_bytes(b"old")
    (out / "b.jpg").write_bytes(b"other")
    pack(archive, entry("a.jpg", b"new"))
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert files(out) == {"a.jpg": b"new", "b.jpg": b"other"}


def test_what_an_interruption_left_aside_is_no_photo(archive, out, aside):
    aside.mkdir()
    (aside / "half.jpg").write_bytes(b"ha")
    pack(archive, entry("a.jpg"))
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert set(files(out)) == {"a.jpg"}


def test_rights_and_owners_are_ours(archive, out, aside):
    pack(archive, entry("a.jpg", mode=0o6777, uid=12345))
    unpack(archive, out, Layout.FLAT, aside=aside)
    status = (out / "a.jpg").stat()
    assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)
    assert status.st_uid == os.getuid()


@pytest.mark.parametrize(
    "name", ["/abs.jpg", "../up.jpg", "a/../../up.jpg", "//x.jpg", "a\\..\\up.jpg", ".."]
)
@pytest.mark.parametrize("layout", Layout)
def test_names_that_lead_out(archive, out, aside, name, layout):
    pack(archive, entry("abcd.jpg"), entry(name))
    refused(archive, out, aside, "leads out of it", layout=layout)


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
@pytest.mark.parametrize("link", ["/etc/passwd", "../../secret", "abcd.jpg"])
def test_links_devices_and_holes(archive, out, aside, kind, link):
    pack(archive, entry("abcd.jpg"), entry("efgh.jpg", b"", kind, linkname=link))
    refused(archive, out, aside, "no plain file")


def test_a_photo_through_a_link_to_elsewhere(archive, out, aside, tmp_path):
    link = entry("d", b"", tarfile.SYMTYPE, linkname=str(tmp_path))
    pack(archive, link, entry("d/planted.jpg"))
    refused(archive, out, aside, "no plain file", layout=Layout.KEPT)
    assert not (tmp_path / "planted.jpg").exists()


def test_two_photos_that_would_be_one(archive, out, aside):
    pack(archive, entry("a/x.jpg", b"1"), entry("b/x.jpg", b"2"))
    refused(archive, out, aside, "'a/x.jpg' and 'b/x.jpg' would be one file")


def test_a_photo_that_was_packed_again_is_the_later_one(archive, out, aside):
    pack(archive, entry("x.jpg", b"1"), entry("x.jpg", b"22"))
    found = unpack(archive, out, Layout.FLAT, aside=aside)
    assert files(out) == {"x.jpg": b"22"}
    assert found.photos == 1


@pytest.mark.parametrize("name", ["ab.jpg", "a b c.jpg", "äöü.jpg", "-.jpg"])
def test_names_that_are_no_ids(archive, out, aside, name):
    pack(archive, entry(name))
    refused(archive, out, aside, "no id", layout=Layout.BY_ID)


@pytest.mark.parametrize("entries", [[], [entry("README")], [entry("d", b"", tarfile.DIRTYPE)]])
def test_an_archive_without_photos(archive, out, aside, entries):
    pack(archive, *entries)
    refused(archive, out, aside, "holds no photo")


def test_a_bomb_of_zeros(archive, out, aside, monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 1 << 16)
    pack(archive, entry("a.jpg"), entry("zeros.jpg", bytes(1 << 22)), mode="w:gz")
    assert archive.stat().st_size < 1 << 16
    refused(archive, out, aside, "far more than photos of its size can")


def test_a_bomb_in_what_is_skipped(archive, out, aside, monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 1 << 16)
    pack(archive, entry("a.jpg"), entry("zeros.bin", bytes(1 << 22)), mode="w:gz")
    refused(archive, out, aside, "far more")


def test_a_bomb_of_names(archive, out, aside, monkeypatch):
    monkeypatch.setattr(module, "_MOST_MEMBERS", 50)
    pack(archive, *(entry(f"{number}.jpg", b"") for number in range(60)))
    refused(archive, out, aside, "far more")


def test_a_size_that_the_archive_does_not_have(archive, out, aside):
    member, _ = entry("a.jpg")
    member.size = 1 << 40
    archive.write_bytes(member.tobuf() + bytes(10_240))
    refused(archive, out, aside, "far more")


def test_a_photo_that_breaks_off(archive, out, aside):
    member, _ = entry("a.jpg")
    member.size = 5000
    archive.write_bytes(member.tobuf() + bytes(1024))
    refused(archive, out, aside, "damaged")


@pytest.mark.parametrize("size", [-1, -512, -(10**9)])
def test_negative_sizes_in_pax_headers(archive, out, aside, size):
    # CVE-2025-8194: tarfile reads backwards, for ever.
    member, data = entry("b.jpg", b"photo")
    member.pax_headers = {"size": str(size)}
    pack(archive, entry("a.jpg"), (member, data), format=tarfile.PAX_FORMAT)
    refused(archive, out, aside, f"of {size} bytes")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE])
def test_negative_sizes_in_headers(archive, out, aside, kind):
    member, _ = entry("a.jpg", b"", kind)
    member.size = -512
    archive.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    refused(archive, out, aside, "header of -512 bytes")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_names_as_long_as_memory(archive, out, aside, kind):
    pack(archive, entry("a", bytes(1 << 21), kind), mode="w:gz")
    refused(archive, out, aside, "header of 2,097,152 bytes")


def test_headers_upon_headers(archive, out, aside):
    header, _ = entry("x", b"", tarfile.XHDTYPE)
    archive.write_bytes(header.tobuf() * 5000 + bytes(10_240))
    refused(archive, out, aside, "damaged")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_damage_is_noticed_or_does_no_harm(tmp_path, data):
    # Cut off anywhere, or with a byte changed: an error of ours, or photos of the right number.
    photos = [entry(f"{n:04x}.jpg", random.Random(n).randbytes(700)) for n in range(4)]
    mode = data.draw(st.sampled_from(["w", "w:gz"]))
    archive = pack(tmp_path / "whole.tar", *photos, mode=mode)
    whole = archive.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    changed = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    archive.write_bytes(whole[:place] if cut else whole[:place] + changed + whole[place + 1 :])
    out = tmp_path / "out"
    try:
        found = unpack(archive, out, Layout.FLAT, aside=tmp_path / "aside")
    except InputError:
        return
    assert found.photos == 4 or not cut
    assert all(path.parent == out for path in out.iterdir())


@pytest.mark.parametrize("data", [b"", b"<html>moved</html>" * 100, b"\x1f\x8b", b"\xfd7zXZ\0"])
def test_what_is_no_archive(archive, out, aside, data):
    archive.write_bytes(data)
    refused(archive, out, aside, "damaged")


def test_a_compressed_archive_with_a_wrong_sum(archive, out, aside):
    pack(archive, entry("a.jpg", random.Random(0).randbytes(100_000)))
    packed = bytearray(gzip.compress(archive.read_bytes()))
    packed[50_000] ^= 1  # in the photo
    archive.write_bytes(packed)
    refused(archive, out, aside, "damaged")


def test_a_bomb_behind_the_end(archive, out, aside, monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 1 << 16)
    pack(archive, entry("a.jpg"))
    archive.write_bytes(gzip.compress(archive.read_bytes() + bytes(1 << 22)))
    refused(archive, out, aside, "behind its end")


def test_a_stop_leaves_nothing(archive, out, aside):
    pack(archive, entry("a.jpg"), entry("b.jpg"))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out, Layout.FLAT, aside=aside, keep_going=stop)
    assert not out.exists()
    assert not aside.exists()


def test_a_place_that_cannot_be_written(archive, out, aside):
    pack(archive, entry("a.jpg"))
    out.write_text("a file")
    with pytest.raises(StorageError, match="look at the disk"):
        unpack(archive, out, Layout.FLAT, aside=aside)
    assert not aside.exists()


def test_an_archive_that_is_not_there(archive, out, aside):
    with pytest.raises(StorageError, match=r"archive\.tar: No such file"):
        unpack(archive, out, Layout.FLAT, aside=aside)
