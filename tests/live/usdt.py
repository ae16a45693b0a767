#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold a stream of USDT events to what the node (erl/usdt.erl) knows.

    usdt.py [--kinds LIST] STREAM TRUTH   what differs; exit 1
    usdt.py --dist STREAM STREAM TRUTH    the same of dist.*: by USDT, by uprobes
    usdt.py --semaphores PID              probes that somebody looks at, one a line

Of each kind and each of the workload's processes: the events with the keys that
the truth has are there, as often, and no others. Every kind that was asked for
comes from USDT or is said to be unavailable, with a reason.
"""

import collections
import json
import re
import struct
import subprocess
import sys

from compare import Stream

# Others do it as well, whenever they like.
THEIR_OWN = ('gc.start', 'gc.end')


def semaphores(pid):
    """Names of the probes whose semaphore is not 0, from the node's memory."""
    exe = f'/proc/{pid}/exe'
    notes = subprocess.run(['readelf', '-n', exe], check=True, text=True,
                           capture_output=True).stdout
    header = subprocess.run(['readelf', '-h', exe], check=True, text=True,
                            capture_output=True).stdout
    entry = int(re.search(r'Entry point address:\s+(\S+)', header).group(1), 16)
    with open(f'/proc/{pid}/auxv', 'rb') as f:
        words = struct.iter_unpack('<QQ', f.read())
        bias = dict(words)[9] - entry
    found = re.findall(r'Name: (\S+)\n\s+Location: \S+, Base: \S+, Semaphore: (\S+)', notes)
    assert found, 'no notes'
    on = set()
    with open(f'/proc/{pid}/mem', 'rb') as f:
        for name, at in found:
            if int(at, 16):
                f.seek(bias + int(at, 16))
                if struct.unpack('<H', f.read(2))[0]:
                    on.add(name)
    return sorted(on)


class Comparison:
    def __init__(self, stream, facts, kinds):
        self.events = stream.events
        self.faults = stream.check()
        self.own = {f['pid'] for f in facts if f['t'] == 'own'}
        self.facts = [f for f in facts if f['t'] == 'usdt']
        self.between = [f for f in facts if f['t'] == 'usdt_between']
        self.are_all = not kinds
        self.kinds = kinds or next(f['kinds'] for f in facts if f['t'] == 'usdt_kinds')

    def run(self):
        if self.are_all:
            self.sources()
        for kind in self.kinds:
            if kind != 'sched.out':
                self.kind(kind)
        for f in self.between if self.are_all else []:
            self.stretch(f)
        return self.faults

    def sources(self):
        attach = next(e for e in self.events if e['kind'] == 'node.attach')
        for kind, source in attach['events'].items():
            if kind != 'proc.info' and not source.startswith('usdt '):
                self.faults.append(f'{kind} is from {source}')
        for kind in self.kinds:
            if kind not in attach['events']:
                self.faults.append(f'{kind} is not attached')
            if not attach['limits'].get(kind):
                self.faults.append(f'{kind}: not said what it does not tell')
        for kind, why in attach['unavailable'].items():
            if 'USDT' not in why:
                self.faults.append(f'{kind} is unavailable: {why}')

    def is_own(self, event):
        return any(event.get(k) in self.own for k in ('pid', 'to', 'child'))

    def kind(self, kind):
        facts = [f for f in self.facts if f['kind'] == kind]
        keys = {k for f in facts for k in f}
        whose = {f['pid'] for f in facts} if kind in THEIR_OWN else None
        left = collections.Counter()
        for e in self.events:
            if e['kind'] == kind and (e['pid'] in whose if whose else self.is_own(e)):
                left[tuple(sorted((k, e[k]) for k in keys & set(e)))] += 1
        for f in facts:
            key = tuple(sorted((k, v) for k, v in f.items() if k != 't'))
            if left[key]:
                left[key] -= 1
            else:
                self.faults.append(f'missing: {f}')
        for key, n in left.items():
            if n:
                self.faults.append(f'extra, {n} times: {dict(key)}')
        if kind == 'port.control' and not any(
                e['kind'] == kind and 'op' in e and 'port' in e for e in self.events):
            self.faults.append('no operation of a port at all')

    def stretch(self, fact):
        """As many of the kind between two sends of the process."""
        mine = [e for e in self.events if e.get('pid') == fact['pid']]
        sent = [i for i, e in enumerate(mine) if e['kind'] == 'msg.send']
        # It waits, and is left, once more after either.
        n = sum(e['kind'] == fact['kind'] for e in mine[sent[0]:sent[1]])
        if n != fact['n']:
            self.faults.append(f'{n} {fact["kind"]} of {fact["pid"]}, not {fact["n"]}')


def dist(usdt, uprobe, facts):
    """Nodes that came and went, and what was written to the connections."""
    def nodes(stream):
        return [tuple(e.get(k) for k in ('kind', 'peer', 'visibility', 'self', 'reason'))
                for e in stream.events if e['kind'] in ('dist.node_up', 'dist.node_down')]

    faults = usdt.check() + uprobe.check()
    truth = [(f['kind'], f['peer']) for f in facts if f['t'] == 'node']
    if nodes(usdt) != nodes(uprobe):
        faults.append(f'nodes: {nodes(usdt)} instead of {nodes(uprobe)}')
    if [n[:2] for n in nodes(usdt)][:len(truth)] != truth or not truth:
        faults.append(f'nodes: {nodes(usdt)}, really {truth}')
    sent, written = collections.Counter(), collections.Counter()
    for e in uprobe.events:
        if e['kind'] == 'dist.send':
            sent[e['peer']] += e['fragments']
    for e in usdt.events:
        if e['kind'] == 'dist.send':
            written[e['peer']] += 1
            if not e['port'].startswith('#Port<'):
                faults.append(f'no port: {e}')
    if sent != written or not sent:
        faults.append(f'written: {dict(written)} instead of {dict(sent)}')
    print(f'{len(usdt.events)} events, {len(nodes(usdt))} nodes came or went, {sum(written.values())} packets')
    return faults


def main():
    if sys.argv[1] == '--semaphores':
        print('\n'.join(semaphores(int(sys.argv[2]))))
        return 0
    if sys.argv[1] == '--dist':
        with open(sys.argv[2], encoding='utf-8') as f, open(sys.argv[3], encoding='utf-8') as g, \
                open(sys.argv[4], encoding='utf-8') as h:
            faults = dist(Stream(f), Stream(g), [json.loads(line) for line in h])
        for fault in faults:
            print('  ' + fault)
        return 1 if faults else 0
    args, kinds = sys.argv[1:], None
    if args[0] == '--kinds':
        kinds, args = args[1].split(','), args[2:]
    with open(args[0], encoding='utf-8') as f:
        stream = Stream(f)
    with open(args[1], encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    c = Comparison(stream, facts, kinds)
    faults = c.run()
    counts = collections.Counter(f['kind'] for f in c.facts)
    print(f'{len(stream.events)} events, ' +
          ', '.join(f'{n} {k}' for k, n in sorted(counts.items())))
    for fault in faults[:40]:
        print('  ' + fault)
    return 1 if faults else 0


sys.exit(main())
