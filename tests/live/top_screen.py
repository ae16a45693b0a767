#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drive `scope-bpf top` on a terminal of its own: top_screen.py PROGRAM PID.

The terminal is a pty; what it shows is put together from the few control
sequences that ncurses sends to a vt100.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PROGRAM, NODE = sys.argv[1:3]
SEQUENCE = re.compile(rb'\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78DMEc]|\x0e|\x0f')


class Screen:
    def __init__(self, lines, cols, args=()):
        self.size(lines, cols)
        self.raw = b''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM='vt100', LANG='C.UTF-8', LINES='', COLUMNS='')
            del os.environ['LINES'], os.environ['COLUMNS']
            time.sleep(0.2)
            os.execv(PROGRAM, [PROGRAM, 'top', '-p', NODE, '-d', '0.3', *args])
        self.resize(lines, cols)
        self.was = termios.tcgetattr(self.fd)

    def size(self, lines, cols):
        self.lines, self.cols = lines, cols
        self.cells = [[' '] * cols for _ in range(lines)]
        self.y = self.x = 0

    def resize(self, lines, cols):
        self.size(lines, cols)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', lines, cols, 0, 0))

    def control(self, params, final):
        n = [int(p) if p.isdigit() else 0 for p in params.lstrip(b'?').split(b';')]
        if final == b'H':
            self.y = max(n[0], 1) - 1
            self.x = max(n[1] if len(n) > 1 else 1, 1) - 1
        elif final == b'J':
            for y in range(self.lines):
                for x in range(self.cols):
                    if n[0] == 2 or (y, x) >= (self.y, self.x):
                        self.cells[y][x] = ' '
        elif final == b'K':
            row = self.cells[min(self.y, self.lines - 1)]
            part = range(self.x + 1) if n[0] == 1 else range(self.x, self.cols)
            for x in part:
                if x < self.cols:
                    row[x] = ' '
        elif final == b'A':
            self.y -= max(n[0], 1)
        elif final == b'B':
            self.y += max(n[0], 1)
        elif final == b'C':
            self.x += max(n[0], 1)
        elif final == b'D':
            self.x -= max(n[0], 1)

    def write(self, text):
        for c in text:
            if c == '\r':
                self.x = 0
            elif c == '\n':
                self.y += 1
            elif c == '\b':
                self.x -= 1
            elif c >= ' ':
                if 0 <= self.y < self.lines and 0 <= self.x < self.cols:
                    self.cells[self.y][self.x] = c
                self.x += 1

    def feed(self, data):
        self.raw += data
        at = 0
        for m in SEQUENCE.finditer(data):
            self.write(data[at:m.start()].decode(errors='replace'))
            if m[2]:
                self.control(m[1], m[2])
            at = m.end()
        self.write(data[at:].decode(errors='replace'))

    def text(self):
        return '\n'.join(''.join(row).rstrip() for row in self.cells)

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.feed(data)
        return bool(data)

    def until(self, what, seconds=10):
        """The screen matches, within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if re.search(what, self.text()):
                return
            if not self.read(0.1):
                break
        sys.exit(f'no {what!r} on the screen:\n{self.text()}')

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def ends(self, want, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(0.05):
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
        while self.read(0):
            if not select.select([self.fd], [], [], 0)[0]:
                break
        now = termios.tcgetattr(self.fd)
        _, status = os.waitpid(self.pid, 0)
        if status != want:
            sys.exit(f'ended with status {status}, not {want}')
        if now[3] != self.was[3]:
            sys.exit('the terminal is not as it was')


def keys():
    s = Screen(24, 80)
    s.until(r'(?s)OTP \d+  pid ' + NODE + r'.*sched \d+/\d+ \d+%.*REDS/s.*grows_busy')
    s.send('m')
    s.until(r'MBOXv(?s:.)*FUNCTION[^\n]*\n<0\.\d+\.0> +grows_mailbox ')
    s.send('/grows_i')
    s.until(r', 1 pass /grows_i')
    s.send('\r')
    s.until(r'FUNCTION[^\n]*\n<0\.\d+\.0> +grows_idle ')
    s.send('\r')
    s.until(r'(?s)process <0\.\d+\.0>.*name +grows_idle.*state +waiting')
    s.resize(60, 120)
    s.until(r'(?s)links: 0|links: 1')
    s.until(r'(?s)mailbox: 2\n +from <0\.\d+\.0>: \{first,message\}\n'
            r' +from <0\.\d+\.0>: \{second,\[message\]\}')
    s.until(r"(?s)dictionary: 1\n +\{a_key,\{a_value,<<\"in the dictionary\">>\}\}")
    s.until(r'stack\n(?s:.)*grows:')
    s.send('\x1b')
    s.until(r'REDS/s')
    s.resize(10, 40)
    s.until(r'PID +NAME OR CALL')
    s.send('h')
    s.until(r'q  quit')
    s.send('q')
    s.send('p')
    s.resize(24, 90)
    s.until(r'PAUSED')
    s.send('q')
    s.ends(0)


def signals():
    """Asked to end, killed by a crash's signal, and twice in a row."""
    for sig in signal.SIGTERM, signal.SIGHUP:
        s = Screen(24, 80)
        s.until(r'grows_busy')
        os.kill(s.pid, sig)
        s.ends(0)
    s = Screen(24, 80)
    s.until(r'grows_busy')
    os.kill(s.pid, signal.SIGQUIT)
    s.ends(signal.SIGQUIT)
    if b'\x1b[?1l\x1b>' not in s.raw:
        sys.exit('a crash does not give the terminal back')


def others():
    """No colours where none are wanted, so many looks, a stopped node."""
    s = Screen(24, 80, ['-n', '2', '--color', 'never'])
    s.until(r'REDS/s')
    s.ends(0)
    if re.search(rb'\x1b\[[0-9;]*3[0-9]m', s.raw):
        sys.exit('colours, though none are wanted')
    os.kill(int(NODE), signal.SIGSTOP)
    s = Screen(24, 80)
    s.until(r'STOPPED')
    s.send('q')
    s.ends(0)
    os.kill(int(NODE), signal.SIGCONT)


keys()
signals()
others()
