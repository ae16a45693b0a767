#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""text_clean.py PID: is the code of a node's emulator as its file has it?

Probes are bytes that the kernel puts over the code of the process. Exits 0
when there are none, 1 when there are, and says where.
"""
import sys


def main():
    pid = int(sys.argv[1])
    bad = []
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/exe', 'rb') as exe, \
            open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            fields = line.split()
            if len(fields) < 6 or 'x' not in fields[1] or 'beam' not in fields[5]:
                continue
            start, end = (int(x, 16) for x in fields[0].split('-'))
            exe.seek(int(fields[2], 16))
            want = exe.read(end - start)
            mem.seek(start)
            have = mem.read(len(want))
            if have != want:
                bad += [start + i for i in range(len(want)) if have[i] != want[i]]
    if bad:
        print(f'{len(bad)} bytes differ, the first at {bad[0]:#x}')
    return 1 if bad else 0


sys.exit(main())
