"""Separate hosts on one machine: own network, processes, name, /tmp, homes, sshd and boot id, and cables to pull.

A `Rack` is made of anonymous namespaces that live as long as processes whose standard input it holds: whatever happens
to the test, nothing is left. Racks do not see each other. Parts: root, hosts, firewall, sshd.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.devices.machine import Made, eventually
from tests.parts.furniture import furnish, generate, passwd
from tests.parts.namespaces import Part, inner, kill, name, namespace

HOME_BYTES = 256 << 20
"""Room for all homes of a host, of its memory."""
TREE = Path(__file__).parents[2]
"""The project's own folder."""


class Host:
    """One host. Its files can be reached from outside at any time, see `path`."""

    def __init__(self, rack: Rack, name: str, number: int, home_bytes: int, gpus: Sequence[Made]) -> None:
        self.name = name
        self.rack = rack
        self.port = f"port{number}"
        """Its end of the cable, at the bridge."""
        self.address = f"10.77.{number >> 8}.{number & 255}"
        self._card = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        folder = rack.folder / name
        furnish(folder, rack.key.with_suffix(".pub"), gpus=bool(gpus))
        self.key = " ".join((folder / "host.pub").read_text(encoding="ascii").split()[:2])
        self._chassis = Part(
            rack.complaints,
            ["unshare", "--mount", "--uts"],
            "chassis",
            name,
            str(folder),
            str(home_bytes),
            str(TREE),
        )
        self._running: Part | None = None
        self._first = 0
        """Pid of its pid 1, as seen from outside."""
        if gpus:
            self.have(*gpus)

    # Power.

    def power_on(self, *, wait: bool = True) -> None:
        """Boot: a new boot id, a new network, sshd."""
        inside = ["nsenter", f"--target={self._chassis.process.pid}", "--mount", "--uts"]
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._running = Part(self.rack.complaints, [*inside, *apart], "boot", str(uuid.uuid4()))
        pid = self._running.process.pid
        self._first = int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii"))
        self.rack.ip(f"link add {self.port} type veth peer name eth0 address {self._card} netns {self._first}",
                     f"link set {self.port} master bridge", f"link set {self.port} up")  # fmt: skip
        self.inside("ip", "addr", "add", f"{self.address}/16", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self._running.go()
        if wait:
            self.wait_for_sshd()

    def power_off(self) -> None:
        """All its processes die at once and nothing says good-bye; its files stay."""
        if self._running is None:
            return
        self.rack.ip(f"link del {self.port}")
        os.kill(self._first, signal.SIGKILL)
        self._running.reap()
        self._running = None

    def remove(self) -> None:
        """Off, and its files are gone."""
        self.power_off()
        self._chassis.end()

    # Network.

    def cut(self) -> None:
        """Pull the cable."""
        self.rack.ip(f"link set {self.port} down")

    def join(self) -> None:
        """Plug it in again."""
        self.rack.ip(f"link set {self.port} up")

    def drop_one_way(self, direction: str) -> None:
        """From now on nothing comes `in` at port 22, or nothing gets `out` of it; until `heal`."""
        chain, port = {"in": ("INPUT", "--dport"), "out": ("OUTPUT", "--sport")}[direction]
        self.inside("iptables", "-A", chain, "-p", "tcp", port, "22", "-j", "DROP")

    def reject(self) -> None:
        """From now on every packet to port 22 is answered with a reset; until `heal`."""
        self.inside("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22",
                    "-j", "REJECT", "--reject-with", "tcp-reset")  # fmt: skip

    def slow(self, rate: str = "1mbit") -> None:
        """From now on what it sends takes its time; until `heal`."""
        self.inside("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate,
                    "burst", "32kbit", "latency", "400ms")  # fmt: skip

    def heal(self) -> None:
        """Undo `drop_one_way`, `reject` and `slow`."""
        self.inside("iptables", "-F")
        self.inside("tc", "qdisc", "del", "dev", "eth0", "root", check=False)

    # sshd.

    def kill_sshd(self, *, listener: bool = True) -> None:
        """Kill every session, and the listener too: nobody gets in until `start_sshd`."""
        kept = None if listener else int(self.path("/run/box/sshd.pid").read_text(encoding="ascii"))
        for pid in self.pids("sshd", "sshd-session", "sshd-auth"):
            if kept is None or inner(pid) != kept:
                kill(pid)

    def start_sshd(self) -> None:
        """A new listener."""
        self.inside("/usr/sbin/sshd", "-f", "/run/box/sshd_config")
        self.wait_for_sshd()

    def wait_for_sshd(self) -> None:
        """Until somebody listens at port 22."""
        table = Path(f"/proc/{self._first}/net/tcp")
        listening = ":0016 00000000:0000 0A"
        assert eventually(lambda: listening in table.read_text(encoding="ascii")), f"no sshd on {self.name}"

    # Disk.

    def fill_disk(self) -> None:
        """No byte is left where homes are."""
        with self.path("/run/home/filler").open("ab") as filler:
            while room := self._room():
                with suppress(OSError):  # a job was quicker
                    os.posix_fallocate(filler.fileno(), filler.tell(), room)
                filler.seek(0, os.SEEK_END)

    def _room(self) -> int:
        found = os.statvfs(self.path("/run/home"))
        return found.f_bavail * found.f_frsize

    def free_disk(self) -> None:
        """Undo `fill_disk`."""
        self.path("/run/home/filler").unlink(missing_ok=True)

    # Looking and doing.

    def path(self, inside: str) -> Path:
        """Where one of its absolute paths is for the test; links in it lead into the test's own files."""
        return Path(f"/proc/{self._chassis.process.pid}/root{inside}")

    def home(self, user: str = "root") -> Path:
        """A user's home, for the test; on the host it is /run/home/USER."""
        return self.path(f"/run/home/{user}")

    def have(self, *gpus: Made, then: Sequence[str] = ()) -> None:
        """Its GPUs from now on, in the driver's order, and further lines of the driver's state file."""
        rows = [f"gpu {index} {gpu.line()}" for index, gpu in enumerate(gpus)]
        draft = self.path("/run/box/gpus.new")
        draft.write_text("\n".join([*rows, *then]) + "\n", encoding="utf-8")
        draft.replace(self.path("/run/box/gpus"))

    def pids(self, *names: str) -> list[int]:
        """Its processes by their pids outside, those of these names only where some are given."""
        mine = namespace(self._first)
        found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and namespace(int(entry)) == mine]
        return [pid for pid in found if mine and (not names or name(pid) in names)]

    def inside(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Carry out a command there, as root, past sshd."""
        into = ["nsenter", f"--target={self._first}", "--mount", "--uts", "--net", "--pid", "--"]
        return subprocess.run(
            [*into, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=check, timeout=60
        )


class Rack:
    """Hosts on one bridge, and the place of the server that is to reach them: `wrapper` in front of its command."""

    def __init__(
        self, folder: Path, *names: str, gpus: Sequence[Made] = (), home_bytes: int = HOME_BYTES, users: bool = False
    ) -> None:
        """`users`: aliases NAME-ann and NAME-bob too. All hosts are up when this returns."""
        self.folder = folder
        ssh = folder / "home" / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        self.key = ssh / "id_ed25519"
        generate(self.key)
        passwd(folder / "passwd", folder / "home")
        self.complaints = folder / "complaints"
        """What the parts said on their standard error."""
        self._control = Part(self.complaints, ["unshare", "--mount", "--net"], "control", str(folder))
        self.hosts: dict[str, Host] = {}
        try:
            for number, name in enumerate(names, 2):
                self.hosts[name] = Host(self, name, number, home_bytes, gpus)
                self.hosts[name].power_on(wait=False)
            for host in self.hosts.values():
                host.wait_for_sshd()
        except BaseException:
            self.close()
            raise
        self._introduce(ssh, ["root", "ann", "bob"] if users else ["root"])

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Rack:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def wrapper(self) -> list[str]:
        """What carries a command out on the server's side: in its network, with its `~/.ssh`, in our folder."""
        pid = self._control.process.pid
        return ["nsenter", f"--target={pid}", "--mount", "--net", f"--wd={os.getcwd()}",
                "env", f"HOME={self.folder / 'home'}"]  # fmt: skip

    def ssh(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """ssh on the server's side."""
        command = [*self.wrapper, "ssh", *argv]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
        )

    def ip(self, *lines: str) -> None:
        """Lines for ip(8) in the server's network."""
        command = ["nsenter", f"--target={self._control.process.pid}", "--net", "ip", "-batch", "-"]
        subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True, timeout=60)

    def close(self) -> None:
        """Take it all away."""
        for host in self.hosts.values():
            host.remove()
        self._control.end()

    def _introduce(self, ssh: Path, users: Sequence[str]) -> None:
        """What the server's OpenSSH knows of the hosts."""
        known = [f"{host.address} {host.key}\n" for host in self.hosts.values()]
        (ssh / "known_hosts").write_text("".join(known), encoding="ascii")
        aliases = [
            f"Host {host.name}{'' if user == 'root' else '-' + user}\n  HostName {host.address}\n  User {user}\n"
            for host in self.hosts.values()
            for user in users
        ]
        (ssh / "config").write_text("".join(aliases), encoding="ascii")
