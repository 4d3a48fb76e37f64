# SPDX-License-Identifier: MIT
"""First process of a machine: mounts its file systems, brings up its loopback interface, and waits for its end."""

import fcntl
import socket
import struct
import subprocess
import sys

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def main(root: str, *folders: str) -> None:
    """Prepare the machine in ``root``, with some folders of this one, until the standard input ends."""
    mounts = [["--rbind", "/dev", f"{root}/dev"], ["-t", "proc", "proc", f"{root}/proc"]]
    mounts += [["-t", "tmpfs", "tmpfs", f"{root}/tmp"]]  # noqa: S108  # the machine's own
    mounts += [["--rbind", each, f"{root}{each}"] for each in folders]
    for words in mounts:
        subprocess.run(["mount", *words], check=True)
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
