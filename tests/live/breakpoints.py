#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold debug registers of a node's threads, as a debugger does.

    breakpoints.py PID N    takes N of each thread, says "held", and keeps them
                            until it is ended; exits 1 when they can't be had

The addresses are where nothing is, so that none is ever hit.
"""

import ctypes
import os
import struct
import sys
import time

PERF_EVENT_OPEN = {'x86_64': 298}[os.uname().machine]
PERF_TYPE_BREAKPOINT = 5
HW_BREAKPOINT_X = 4
SIZE = 136  # of perf_event_attr


def attr(addr):
    """type, size, config; sample_period at 16; flags at 40; bp_type at 52;
    bp_addr at 56; bp_len at 64."""
    a = bytearray(SIZE)
    struct.pack_into('<IIQ', a, 0, PERF_TYPE_BREAKPOINT, SIZE, 0)
    struct.pack_into('<Q', a, 40, 1 << 5 | 1 << 6)  # exclude_kernel, exclude_hv
    struct.pack_into('<I', a, 52, HW_BREAKPOINT_X)
    struct.pack_into('<QQ', a, 56, addr, 8)
    return (ctypes.c_char * SIZE).from_buffer(a)


def main():
    pid, n = int(sys.argv[1]), int(sys.argv[2])
    libc = ctypes.CDLL(None, use_errno=True)
    held = []
    for tid in map(int, os.listdir(f'/proc/{pid}/task')):
        for i in range(n):
            fd = libc.syscall(PERF_EVENT_OPEN, attr(0x1000 + 8 * i), tid, -1, -1, 8)
            if fd < 0:
                print(f'thread {tid}: {os.strerror(ctypes.get_errno())}', flush=True)
                return 1
            held.append(fd)
    print('held', flush=True)
    time.sleep(3600)
    return 0


if __name__ == '__main__':
    sys.exit(main())
