#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stream whose probes were taken off for what they cost.

    budget.py STREAM TRUTH

The stream is sound, its sums are right; groups go and come in turns, with the
intervals in which they were off; the sum of what was missed is the summary's;
what is never taken off is whole; nothing that was seen is of nothing that
happened, and messages are only matched with their own sends. What was missed
comes to what the workload says that it sent, as far as can be estimated.
"""
import collections
import json
import sys

import compare

# The workload writes down its truth in the end, which is work without messages.
ESTIMATE = 0.5


def turns(events):
    """Faults of the budget events, and what they say was missed."""
    faults = []
    state = {}
    missed = collections.Counter()
    for ev in events:
        if ev['kind'] != 'budget':
            continue
        group, now = ev['group'], ev['state']
        was = state.get(group, 'on')
        if now in ('off', 'duty'):
            if was != 'on':
                faults.append(f'{group} is {now}, and was {was}')
            if 'missed' in ev or 'from' in ev:
                faults.append(f'already missed: {ev}')
            if now == 'duty' and not 0 < ev['share'] < 1:
                faults.append(f'a share of {ev["share"]}')
        else:
            if was not in ('off', 'duty'):
                faults.append(f'{group} is {now}, and was {was}')
            if not ev['from'] < ev['to'] <= ev['ts']:
                faults.append(f'no interval: {ev}')
            missed.update(ev['missed'])
        if not 0 <= ev['cost'] <= 1:
            faults.append(f'a cost of {ev["cost"]}')
        state[group] = now
    return faults, missed


def pairs(events):
    """A receive that has a send's corr is of the same message."""
    faults = []
    sent = {ev['corr']: ev for ev in events
            if ev['kind'] == 'msg.send' and 'corr' in ev}
    matched = 0
    for ev in events:
        if ev['kind'] != 'msg.receive' or 'corr' not in ev:
            continue
        send = sent.get(ev['corr'])
        if not send or send.get('msg') is None:
            continue
        matched += 1
        if (send['msg'], send.get('to')) != (ev['msg'], ev['pid']):
            faults.append(f'{compare.brief(ev)} is not {compare.brief(send)}')
    return faults, matched


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        stream = compare.Stream(f)
    faults = stream.check()
    with open(sys.argv[2], encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    more, missed = turns(stream.events)
    faults += more
    said = (stream.summary or {}).get('missed', {})
    if dict(missed) != said:
        faults.append(f'missed {dict(missed)}, the summary says {said}')
    more, matched = pairs(stream.events)
    faults += more
    mine = {f['pid'] for f in facts if f['t'] == 'own'}
    for kind, what in (('proc.spawn', 'spawn'), ('proc.exit', 'exit')):
        key = 'child' if what == 'spawn' else 'pid'
        seen = [ev[key] for ev in stream.events
                if ev['kind'] == kind and ev.get(key) in mine]
        done = [f[key] for f in facts if f['t'] == what]
        if sorted(seen) != sorted(done):
            faults.append(f'{len(seen)} of {kind}, there were {len(done)}')
    seen = sum(ev['kind'] == 'msg.send' for ev in stream.events)
    sent = sum(f['n'] for f in facts if f['t'] == 'rate')
    told = seen + said.get('msg.send', 0)
    if not ESTIMATE * sent < told < sent / ESTIMATE:
        faults.append(f'{sent} were sent, {told} were seen or said to be missed')
    for fault in compare.limited(faults):
        print(fault)
    print(f'{len(stream.events)} events, {seen} sends, {matched} matched, '
          f'missed {said}')
    sys.exit(bool(faults))


if __name__ == '__main__':
    main()
