"""Debian packages as tests make them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_deb(folder: Path, name: str, files: Mapping[str, bytes], *, version: str = "1.0-1") -> Path:
    """Write a package with these files; its archive is an `ar` of three members, as dpkg makes it."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <n@example.org>\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar": _tar({"./control": control.encode() + b"Description: test\n"}),
        "data.tar": _tar({f"./{path}": data for path, data in files.items()}),
    }
    path = folder / f"{name}_{version}_all.deb"
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for member, data in members.items():
            file.write(f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))
    return path


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
