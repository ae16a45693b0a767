#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""newest.py STREAM TRUTH: of numbered messages that were lost, the newest are there.

Of the numbered messages (facts `sends`) of some sender, which of several that
end one after the other is the last, all from some number on are in the stream,
and what is lost is lost before them.
"""
import collections
import json
import re
import sys

seen = collections.defaultdict(list)
lost = 0
with open(sys.argv[1], encoding='utf-8', errors='surrogateescape') as f:
    for line in f:
        ev = json.loads(line)
        m = ev['kind'] == 'msg.send' and re.match(r'\{plain,(\d+),', ev.get('msg', ''))
        if m:
            seen[ev['pid'], ev['to']].append(int(m[1]))
        lost += ev['kind'] == 'loss' and ev['of'] == 'msg.send'
most = 0
with open(sys.argv[2], encoding='utf-8') as f:
    for fact in map(json.loads, f):
        if fact['t'] != 'sends' or not fact['msg'].startswith('{plain,'):
            continue
        numbers = seen[fact['from'], fact['to']]
        at = len(numbers)
        while at and numbers[at - 1] == fact['hi'] - (len(numbers) - at):
            at -= 1
        whole = len(numbers) - at
        print(f'{fact["from"]}: {len(numbers)} of {fact["hi"]}, the last {whole} of them whole')
        most = max(most, whole)
if not lost:
    print('nothing was lost')
sys.exit(most < 20 or not lost)
