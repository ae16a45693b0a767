#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slow_reader.py FILE: copy stdin to stdout, with a rest: after the node.attach
line read nothing until FILE exists."""
import os
import sys
import time

seen = b''
attached = False
while True:
    data = os.read(0, 65536)
    if not data:
        break
    os.write(1, data)
    if not attached:
        seen += data
        attached = b'"kind":"node.attach"' in seen
        while attached and not os.path.exists(sys.argv[1]):
            time.sleep(0.05)
