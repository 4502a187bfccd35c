"""Archives: honest ones, damaged ones, and ones that mean harm."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import tarfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.datasets.fetching import archives
from steeple.datasets.fetching.unpack import Layout, unpack
from steeple.errors import ContentError, StorageError


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
    with pytest.raises(ContentError) as caught:
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
    refused(archive, out, aside, "'a/x.jpg' and 'b/x.jpg', which would be one file")


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
    monkeypatch.setattr(archives, "_ROOM", 1 << 16)
    pack(archive, entry("a.jpg"), entry("zeros.jpg", bytes(1 << 22)), mode="w:gz")
    assert archive.stat().st_size < 1 << 16
    refused(archive, out, aside, "far more than photos of its size can")


def test_a_bomb_in_what_is_skipped(archive, out, aside, monkeypatch):
    monkeypatch.setattr(archives, "_ROOM", 1 << 16)
    pack(archive, entry("a.jpg"), entry("zeros.bin", bytes(1 << 22)), mode="w:gz")
    refused(archive, out, aside, "far more")


def test_a_bomb_of_names(archive, out, aside, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 50)
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


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.GNUTYPE_LONGNAME, "header of -512 bytes"),
        (tarfile.XHDTYPE, "header of -512 bytes"),
        (tarfile.REGTYPE, "'a.jpg' of -512 bytes"),
    ],
)
def test_negative_sizes_in_headers(archive, out, aside, kind, said):
    member, _ = entry("a.jpg", b"", kind)
    member.size = -512
    archive.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    refused(archive, out, aside, said)


@pytest.mark.parametrize("size", [8_192, 1 << 21])
@pytest.mark.parametrize(
    "kind",
    [
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    ],
)
def test_names_as_long_as_memory(archive, out, aside, kind, size):
    pack(archive, entry("a", bytes(size), kind), entry("a.jpg"), mode="w:gz")
    refused(archive, out, aside, "more than 8,192 bytes of headers")


def test_headers_upon_headers(archive, out, aside):
    header, _ = entry("x", b"", tarfile.XHDTYPE)
    archive.write_bytes(header.tobuf() * 5000 + bytes(10_240))
    refused(archive, out, aside, "more than 8,192 bytes of headers")


def old_holes(blocks):
    """The header of an old GNU sparse file whose map goes on for so many blocks."""
    member, _ = entry("a.jpg", b"", tarfile.GNUTYPE_SPARSE)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1  # the map goes on
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    block = b"00000000001\0" * 42 + b"\1" + bytes(7)
    return bytes(header) + block * blocks


def test_old_maps_of_holes(archive, out, aside):
    archive.write_bytes(gzip.compress(old_holes(100_000)))
    refused(archive, out, aside, "more than 8,192 bytes of headers")
    archive.write_bytes(gzip.compress(old_holes(0)))  # an IndexError of tarfile
    refused(archive, out, aside, "damaged")


@pytest.mark.parametrize(
    "holes",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10"},
        {"GNU.sparse.map": "0,1,2", "GNU.sparse.size": "10"},
        {"GNU.sparse.size": "10"},
    ],
)
@pytest.mark.parametrize("content", [b"0\n", b"999999999999\n" + b"0\n" * 500_000, b"x" * 600])
def test_new_maps_of_holes(archive, out, aside, holes, content):
    member, _ = entry("a.jpg", content)
    member.pax_headers = {**holes, "GNU.sparse.name": "a.jpg"}
    pack(archive, (member, content), mode="w:gz", format=tarfile.PAX_FORMAT)
    refused(archive, out, aside)


def test_what_is_said_of_members_counts(archive, out, aside, monkeypatch):
    # 700 bytes of name each: no header is too long, and no photo is there.
    monkeypatch.setattr(archives, "_ROOM", 1 << 16)
    names = [f"{'n' * 700}{number}" for number in range(100)]
    pack(archive, *(entry(name, b"") for name in names), entry("a.jpg"), mode="w:gz")
    refused(archive, out, aside, "far more than photos of its size can")


def test_members_that_have_much_said_of_them(archive, out, aside):
    names = [f"{'n' * 5000}{number}" for number in range(100)]
    pack(archive, *(entry(name, b"") for name in names), entry("a.jpg"), mode="w:gz")
    refused(archive, out, aside, "says far more about its members")


def test_fields_of_all_members(archive, out, aside):
    # Every one of them would be copied for every member.
    fields = {f"field.{number}": "x" for number in range(100)}
    pack(archive, entry("a.jpg"), format=tarfile.PAX_FORMAT, pax_headers=fields)
    refused(archive, out, aside, "says far more about its members")
    pack(archive, entry("a.jpg"), format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"})
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert set(files(out)) == {"a.jpg"}


def test_sizes_that_lead_backwards(archive, out, aside):
    # A size said of all members covers the next headers; reading on would begin anew each time.
    photos = [entry(f"{number}.jpg", b"") for number in range(100)]
    pack(archive, *photos, format=tarfile.PAX_FORMAT, pax_headers={"size": "600"}, mode="w:gz")
    refused(archive, out, aside, "leads backwards")


def test_headers_are_forgotten(archive, out, aside, monkeypatch):
    kept: list[int] = []

    class Watched(tarfile.TarFile):
        def next(self):
            kept.append(len(self.members))
            return super().next()

    monkeypatch.setattr(archives.tarfile, "TarFile", Watched)
    pack(archive, entry("a.jpg"), *(entry(f"{number}.txt", b"") for number in range(9)))
    kept.clear()
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert len(kept) == 12  # for the first it asks twice, and at the end once more
    assert max(kept[2:]) == 0


@pytest.mark.parametrize(
    "name",
    [
        f"{'b' * 252}.jpg",
        f"{'ä' * 126}.jpg",
        f"{'d' * 256}/a.jpg",
        "/".join("123456789") + "/a.jpg",
        "/".join(["d" * 100] * 50) + "/a.jpg",
    ],
)
def test_names_that_no_disk_takes(archive, out, aside, name):
    pack(archive, entry("a.jpg"), entry(name))
    refused(archive, out, aside, "no disk takes", layout=Layout.KEPT)
    assert not out.exists()


def test_ids_that_no_disk_takes(archive, out, aside):
    pack(archive, entry("aaa1.jpg"), entry(f"{'b' * 300}.jpg"))
    refused(archive, out, aside, "'bbb", "...'", "no disk takes", layout=Layout.BY_ID)
    assert not out.exists()


def test_the_longest_names_that_disks_take(archive, out, aside):
    names = [f"{'b' * 251}.jpg", "/".join("12345678") + "/a.jpg", f"{'d' * 255}/a.jpg"]
    pack(archive, *map(entry, names))
    unpack(archive, out, Layout.KEPT, aside=aside)
    assert set(files(out)) == set(names)


@pytest.mark.parametrize("names", [["a.jpg", "b.jpg", "a.jpg/c.jpg"], ["a.jpg/c/d.jpg", "a.jpg"]])
def test_a_photo_and_a_folder_of_one_name(archive, out, aside, names):
    pack(archive, *map(entry, names))
    refused(archive, out, aside, "holds 'a.jpg', where there is a folder", layout=Layout.KEPT)
    assert not out.exists()


def test_a_photo_or_a_folder_whose_place_is_taken(archive, out, aside):
    (out / "a.jpg").mkdir(parents=True)
    (out / "b.jpg").write_bytes(b"photo")
    pack(archive, entry("c.jpg"), entry("a.jpg"))
    refused(archive, out, aside, "'a.jpg', where there is a folder", layout=Layout.KEPT)
    pack(archive, entry("c.jpg"), entry("b.jpg/d.jpg"))
    refused(archive, out, aside, "the folder 'b.jpg', where there is a file", layout=Layout.KEPT)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there")
def test_names_that_are_no_text(archive, out, aside):
    pack(archive, entry("a\udc80.jpg"))
    unpack(archive, out, Layout.FLAT, aside=aside)
    assert set(files(out)) == {"a\udc80.jpg"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.data())
def test_headers_of_nonsense_are_refused_or_do_no_harm(tmp_path, data):
    # Whatever tarfile stumbles over in a header, whose checksum is right, is an error of ours.
    kind = data.draw(st.sampled_from([b"0", b"5", b"S", b"L", b"K", b"x", b"g", b"X", b"7", b"?"]))
    member, _ = entry("a.jpg", b"", kind)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(100, 511).filter(lambda n: not 148 <= n <= 156))
        header[place] = data.draw(st.integers(0, 255))
    header[124:136] = data.draw(st.sampled_from([b"%011o\0" % n for n in (0, 10, 600, 9000)]))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % (sum(header) & 0o777777)
    body = data.draw(st.sampled_from([b"", bytes(512), b"9" * 600, b"20 GNU.sparse.map=x\n"]))
    tail, _ = entry("b.jpg", b"")
    archive = tmp_path / "a.tar"
    archive.write_bytes(bytes(header) + body.ljust(512, b"\0") + tail.tobuf() + bytes(1024))
    out = tmp_path / "out"
    with suppress(ContentError):
        unpack(archive, out, Layout.KEPT, aside=tmp_path / "aside")
    assert all(name == "a.tar" or name.startswith("out/") for name in files(tmp_path))


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
    except ContentError:
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
    monkeypatch.setattr(archives, "_ROOM", 1 << 16)
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
