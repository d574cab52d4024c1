#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nxcompat.py IMAGE...: says in the header of a UEFI image that no page of it needs to be writable and executable at once.

Strict firmware refuses images without the bit. It is set only if it is true: a section with both rights is an error."""
import struct, sys

NX_COMPAT, WRITE, EXECUTE = 0x100, 0x80000000, 0x20000000


def mark(path):
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        pe = struct.unpack_from("<I", data, 0x3C)[0]
        if data[pe:pe + 4] != b"PE\0\0":
            sys.exit(f"nxcompat.py: {path}: not a PE image")
        sections, size = struct.unpack_from("<H", data, pe + 6)[0], struct.unpack_from("<H", data, pe + 20)[0]
        for i in range(sections):
            at = pe + 24 + size + 40 * i
            rights = struct.unpack_from("<I", data, at + 36)[0]
            if rights & WRITE and rights & EXECUTE:
                sys.exit(f"nxcompat.py: {path}: section {data[at:at + 8].decode()} is writable and executable")
        at = pe + 24 + 70
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | NX_COMPAT)
        f.seek(0)
        f.write(data)


for name in sys.argv[1:]:
    mark(name)
