"""What SQLite cannot keep safely is refused with a sentence, before anything is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store import sqlite
from overnight.store.base import SYSTEM
from overnight.store.filesystem import NETWORK, refuse_unsafe_place, type_of
from overnight.store.sqlite import SqliteStore
from overnight.testing.specimens import stored
from overnight.testing.store_probes import check_chain, counted, event_head

MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
40 21 0:40 / /home rw,relatime shared:9 - nfs4 server:/export rw,vers=4.2
41 40 8:2 / /home/me/local rw - xfs /dev/sdb1 rw
42 21 0:41 / /mnt/my\\040share rw master:2 - cifs //nas/share rw
43 21 0:42 / /box rw - fuse.sshfs me@box:/ rw
44 21 8:3 / /twice rw - ext4 /dev/sdc1 rw
45 44 0:43 / /twice rw - nfs server:/twice rw
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.db"


def opened(path: Path) -> SqliteStore:
    return SqliteStore(str(path), SystemClock())


def refused(path: Path, match: str) -> None:
    with pytest.raises(StoreRefused, match=match) as caught:
        opened(path)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/tmp/x", "ext4"),
        ("/home", "nfs4"),
        ("/home/me", "nfs4"),
        ("/homeless", "ext4"),
        ("/home/me/local/overnight", "xfs"),
        ("/mnt/my share/x", "cifs"),
        ("/box/home", "fuse.sshfs"),
        ("/twice/x", "nfs"),
    ],
)
def test_the_innermost_and_last_mount_decides(folder: str, kind: str) -> None:
    assert type_of(folder, MOUNTS) == kind


@pytest.mark.parametrize("text", ["", "garbage", "1 2 3 - ext4", "\n\n"])
def test_a_mount_table_that_says_nothing_names_no_type(text: str) -> None:
    assert type_of("/home", text) == ""


@pytest.mark.parametrize("kind", sorted(NETWORK))
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"21 1 0:1 / / rw - {kind} server:/ rw\n")
    with pytest.raises(StoreRefused, match=rf"network file system \({kind}\)"):
        refuse_unsafe_place(str(tmp_path / "record.db"), mounts=str(table))


def test_a_local_file_system_is_taken(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("21 1 0:1 / / rw - btrfs /dev/sda rw\n")
    refuse_unsafe_place(str(tmp_path / "record.db"), mounts=str(table))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing" / "record.db", "does not exist")


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    refused(path, "cannot be opened")


@pytest.mark.parametrize(
    "content", [b"name: my campaign\n" * 100, b"\x00" * 4096, b"SQLite format 4\x00" + b"x" * 4096]
)
def test_a_file_that_is_no_database_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "is not an SQLite database|is damaged")
    assert path.read_bytes() == content


@pytest.mark.parametrize("owner", [0, 0x1234])
def test_a_database_of_another_program_is_refused_and_kept(path: Path, owner: int) -> None:
    other = apsw.Connection(str(path))
    other.pragma("application_id", owner)
    other.execute("CREATE TABLE customers (id)")
    other.close()
    path.chmod(0o644)
    before = path.read_bytes()
    refused(path, "another program")
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_newer_schema_is_refused(path: Path) -> None:
    store = opened(path)
    store.write(SYSTEM, lambda s: s.rows("meta_put", name="schema", value="9999"))
    store.close()
    refused(path, "newer Overnight")


def test_a_schema_number_that_is_none_is_refused(path: Path) -> None:
    store = opened(path)
    store.write(SYSTEM, lambda s: s.rows("meta_put", name="schema", value="one"))
    store.close()
    refused(path, "damaged")


def test_a_damaged_page_is_refused(path: Path) -> None:
    store = opened(path)
    stored(store, 200)
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(content)
    refused(path, "damaged")


def test_a_cut_file_is_refused(path: Path) -> None:
    store = opened(path)
    stored(store, 200)
    store.close()
    path.write_bytes(path.read_bytes()[: 4096 * 5])
    refused(path, "damaged")


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    refused(path, r"3\.51\.2")
    assert not path.exists()


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


OPEN = """
import sys
from overnight.clock import SystemClock
from overnight.domain.errors import StoreRefused
from overnight.store.sqlite import SqliteStore
try:
    SqliteStore(sys.argv[1], SystemClock())
except StoreRefused as error:
    print(error)
"""
FOLDER_READ_ONLY = 'mount -t tmpfs none "$1" && cp "$2" "$1/record.db" && mount -o remount,ro "$1"'
FILE_READ_ONLY = (
    'mount -t tmpfs none "$1" && cp "$2" "$1/record.db"'
    ' && mount --bind "$1/record.db" "$1/record.db" && mount -o remount,ro,bind "$1/record.db"'
)


@pytest.mark.real("root", "namespaces")
@pytest.mark.parametrize("mount", [FOLDER_READ_ONLY, FILE_READ_ONLY], ids=["folder", "file"])
def test_what_is_mounted_read_only_is_refused(tmp_path: Path, path: Path, mount: str) -> None:
    """Permissions do not stop root, a mount does; it exists only in the namespace of the shell."""
    opened(path).close()
    place = tmp_path / "mounted"
    place.mkdir()
    script = f'{mount} && exec "$3" -c "$4" "$1/record.db"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(place), str(path), sys.executable, OPEN]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "read-only" in found.stdout or "cannot be written" in found.stdout, found


# -- a database that is busy or full answers, and goes on afterwards


def test_a_lock_that_another_process_keeps_ends_in_a_bounded_refusal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MILLISECONDS", 50)
    store = opened(path)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process"):
        store.write(SYSTEM, counted)
    assert store.read(event_head) == 0
    other.execute("ROLLBACK")
    assert store.write(SYSTEM, counted) == 1
    other.close()
    store.close()


def test_a_full_disk_changes_nothing_and_is_survived(path: Path) -> None:
    store = opened(path)
    limit: Callable[[int], object] = lambda pages: store.write(  # noqa: E731
        SYSTEM, lambda s: s.connection.execute(f"PRAGMA max_page_count = {pages}")
    )
    store.write(SYSTEM, counted)
    limit(1)
    with pytest.raises(StoreUnavailable, match="full"):
        store.write(SYSTEM, lambda s: s.record("test.large", "x", text="y" * 1_000_000))
    assert store.read(event_head) == 1
    limit(1_000_000)
    assert store.write(SYSTEM, counted) == 2
    check_chain(store)
    store.close()
