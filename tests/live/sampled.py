#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold a stream that leaves conversations out to one that leaves out nothing.

    sampled.py SHARE WHOLE SAMPLED TRUTH

Both streams are of one node, at one time; compared is what the workload's
processes (fact `own`) do. Of each conversation all events are there, or none;
as many conversations as SHARE says are, within four standard deviations; a
message that is received was seen being sent; what was left out is counted,
kind by kind.
"""
import collections
import json
import math
import sys

from compare import Stream

ALWAYS = ('loss', 'summary', 'node.attach', 'proc.info', 'budget', 'node.exit', 'code.load',
          'code.unload')


def local(p):
    return p if isinstance(p, str) and p.startswith(('<0.', '#Port<0.')) else None


def conversation(ev):
    """The two that an event is between; None: it is no matter of two."""
    kind, pid = ev['kind'], local(ev.get('pid'))
    if kind in ALWAYS:
        return None
    other = None
    if kind == 'proc.spawn':
        pid = ev['child']
    elif kind.startswith('port.'):
        other = ev.get('port')
    elif kind in ('msg.send', 'msg.attempt', 'proc.exit_signal', 'proc.link', 'proc.unlink',
                  'proc.monitor', 'proc.demonitor'):
        other = ev.get('to')
        pid = pid or ev.get('port')
    elif kind == 'msg.receive' or kind == 'proc.down':
        other = ev.get('from') if local(ev.get('from')) else ev.get('port')
        if kind == 'msg.receive' and ev.get('from') == 'signal':
            # The process that the message names.
            return ('signal', pid)
    elif kind == 'timer.timeout':
        pid = ev.get('to')
    elif not pid:
        pid = ev.get('port')
    a, b = local(pid), local(other)
    a, b = a or b, b or a
    return tuple(sorted((a, b))) if a else None


def load(path):
    with open(path, encoding='utf-8', errors='surrogateescape') as f:
        s = Stream(f)
    faults = s.check()
    return s, faults


def grouped(stream, own):
    out = collections.defaultdict(collections.Counter)
    for ev in stream.events:
        c = conversation(ev)
        if c and (c[0] in own or c[1] in own):
            out[c][ev['kind']] += 1
    return out


def main():
    share = float(sys.argv[1])
    whole, faults = load(sys.argv[2])
    some, more = load(sys.argv[3])
    faults += more
    with open(sys.argv[4], encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    own = {fact['pid'] for fact in facts if fact['t'] == 'own'}
    if whole.summary['lost'] or some.summary['lost']:
        faults.append(f'lost: {whole.summary["lost"]} {some.summary["lost"]}')
    a, b = grouped(whole, own), grouped(some, own)
    kept = pairs = alone = alone_kept = 0
    left = collections.Counter()
    for c, kinds in a.items():
        there = b.pop(c, collections.Counter())
        left += kinds - there
        if c[0] == 'signal':
            continue
        if there and there != kinds:
            faults.append(f'{c}: {dict(there)} of {dict(kinds)}')
        if c[0] == c[1]:
            alone += 1
            alone_kept += bool(there)
        else:
            pairs += 1
            kept += bool(there)
    for c, kinds in b.items():
        faults.append(f'{c}: {dict(kinds)} from nowhere')
    for n, k, what in ((pairs, kept, 'pairs'), (alone, alone_kept, 'processes')):
        far = 4 * math.sqrt(share * (1 - share) / n)
        if abs(k / n - share) > far:
            faults.append(f'{k} of {n} {what}: not {share} +- {far:.3f}')
    # Others, which are no part of the workload, do little meanwhile.
    sampled = some.summary['sampled']
    for kind, n in left.items():
        others = sum(1 for ev in whole.events if ev['kind'] == kind) - sum(
            kinds[kind] for kinds in a.values())
        if not n <= sampled.get(kind, 0) <= n + others + 20:
            faults.append(f'{kind}: {n} were left out, {sampled.get(kind, 0)} counted')
    sent = {ev['corr'] for ev in some.events if ev['kind'] != 'msg.receive' and 'corr' in ev}
    received = [ev for ev in some.events if ev['kind'] == 'msg.receive' and ev['pid'] in own]
    unsent = [ev for ev in received if ev.get('corr') not in sent]
    seen = {ev['corr'] for ev in whole.events if ev['kind'] == 'msg.receive' and 'corr' in ev}
    # Where the whole stream can't tell, this one need not.
    if len(unsent) > len(received) * 0.02 and seen:
        faults.append(f'{len(unsent)} of {len(received)} receives without a send: {unsent[:3]}')
    for fault in faults[:20]:
        print(fault)
    print(f'{len(some.events)} of {len(whole.events)} events, {kept} of {pairs} pairs, '
          f'{alone_kept} of {alone} processes, {len(received)} receives, '
          f'{len(unsent)} of them unmatched; left out {dict(left)}')
    return 1 if faults else 0


sys.exit(main())
