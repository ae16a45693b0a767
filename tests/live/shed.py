#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shed.py STREAM: a stream whose reader rested meanwhile, with --overflow sample.

It is sound; the share that is kept falls, and is all of it in the end; what was
left out meanwhile is told, and no more than the summary says; a receive that is
joined to a send is of the same message.
"""
import collections
import sys

from budget import pairs
from compare import Stream

with open(sys.argv[1], encoding='utf-8', errors='surrogateescape') as f:
    s = Stream(f)
faults = s.check()
share, since, told = 1, 0, collections.Counter()
fell = 0
for ev in s.events:
    if ev['kind'] != 'overflow':
        continue
    # What is added to the monotonic clock is measured anew now and then.
    if not ev['from'] < ev['to'] <= ev['ts'] or ev['from'] < since - 1000000:
        faults.append(f'no interval: {ev}')
    since = ev['to']
    if (ev['cause'] == 'room') != (ev['share'] > share):
        faults.append(f'{ev["cause"]}: from {share} to {ev["share"]}')
    share = ev['share']
    fell += ev['cause'] != 'room'
    told.update(ev['sampled'])
if not fell:
    faults.append('it did not fall')
if share != 1:
    faults.append(f'a share of {share} in the end')
sampled = collections.Counter(s.summary.get('sampled', {}))
if told - sampled or not told:
    faults.append(f'told {told}, and {sampled} in all')
more, matched = pairs(s.events)
faults += more
for fault in faults[:20]:
    print(fault)
print(f'{len(s.events)} events, the share fell {fell} times, {matched} matched, '
      f'left out {dict(sampled)}, lost {s.summary["lost"]}')
sys.exit(bool(faults))
