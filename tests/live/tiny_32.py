#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tiny_32.py FILE: a 32-bit program for Linux on x86. With an argument it ends,
without one it waits until it is killed."""
import os
import struct
import sys

BASE = 0x08048000
CODE = bytes.fromhex(
    '833c2401'      # cmp dword [esp], 1: argc
    '7507'          # jne end
    'b81d000000'    # mov eax, 29: pause
    'cd80'          # int 0x80
    'b801000000'    # end: mov eax, 1: exit
    '31db'          # xor ebx, ebx
    'cd80')         # int 0x80
HEAD = 52 + 32
size = HEAD + len(CODE)
elf = (b'\x7fELF\x01\x01\x01'.ljust(16, b'\0') +
       struct.pack('<HHIIIIIHHHHHH', 2, 3, 1, BASE + HEAD, 52, 0, 0, 52, 32, 1, 0, 0, 0) +
       struct.pack('<IIIIIIII', 1, 0, BASE, BASE, size, size, 5, 0x1000) + CODE)
with open(sys.argv[1], 'wb') as f:
    f.write(elf)
os.chmod(sys.argv[1], 0o755)
