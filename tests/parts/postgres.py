"""A throw-away PostgreSQL on 127.0.0.1: superuser `app`, no password, its socket in its own folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

SMALL = {"listen_addresses": "127.0.0.1", "max_connections": "60", "shared_buffers": "32MB"}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Without these three an immediate stop would cost more than the tests that do not look at durability need."""


def programs() -> Path:
    """The folder of the newest installed server's programs; Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else Path(str(shutil.which("initdb"))).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One cluster; `safe` keeps PostgreSQL's own durability, otherwise an immediate stop loses acknowledged commits."""

    def __init__(self, *, safe: bool = False) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="ov-pg-", dir="/tmp"))
        self._folder.chmod(0o711)
        self._settings = {**SMALL, "port": str(self.port), "unix_socket_directories": str(self._folder)}
        if not safe:
            self._settings |= FAST
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            # The server refuses to run as root.
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        self._run("initdb", "-U", "app", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        self._run("pg_ctl", "-w", "-t", "30", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop as `pg_ctl` does: `immediate` is a crash."""
        self._run("pg_ctl", "-w", "-t", "30", "-m", mode, "stop")

    def remove(self) -> None:
        """Stop for good and delete everything."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """How to reach a database, perhaps through another port."""
        return f"postgresql://app@127.0.0.1:{port or self.port}/{database}"

    def create_database(self, name: str, options: str = "") -> str:
        """A new database; returns its URL."""
        with psycopg.connect(self.url(), autocommit=True) as raw:
            raw.execute(f'CREATE DATABASE "{name}" {options}'.encode())
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(programs() / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(
            command,
            check=True,
            cwd=self._folder,
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
