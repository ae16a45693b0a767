#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""watch.py REPORT: take a stream from stdin, keep no event, write a report.

The report is a JSON object: how many events of each kind, faults of the stream
(ids, times, sums), how many names and MFAs there were and how many of them
are resolved, and samples of terms to be confirmed by the node.
"""
import collections
import json
import re
import sys

MFA = re.compile(r'^[^\s?].*:.+/\d+$')
PAYLOAD = re.compile(r'<<"(soak soak\.\d \d+)">>')
QUEUE = re.compile(r'\{resource,<<"/">>,queue,<<"soak\.\d">>\}')


class Watch:
    def __init__(self):
        self.kinds = collections.Counter()
        self.faults = collections.Counter()
        self.resolved, self.unresolved = 0, collections.Counter()
        self.ancestors = {}  # pid -> texts
        self.queues, self.payloads = set(), set()
        self.lost = collections.Counter()
        self.last_id, self.last_mono = None, 0
        self.summary = None
        self.last_line, self.examples = '', []

    def take(self, line):
        try:
            ev = json.loads(line)
        except ValueError:
            self.faults['broken line'] += 1
            return
        self.kinds[ev['kind']] += 1
        if self.last_id is not None and ev['id'] != self.last_id + 1:
            self.faults['id does not rise by one'] += 1
        self.last_id = ev['id']
        if ev.get('mono', self.last_mono) < self.last_mono:
            self.faults['time goes back'] += 1
            self.examples.append([self.last_line, line])
        self.last_mono = ev.get('mono', self.last_mono)
        self.last_line = line
        for key in ('mfa', 'initial_call'):
            if key in ev:
                self.name(key, MFA.match(ev[key]), ev[key])
        for key in ('name', 'to_name', 'from_name', 'module'):
            if key in ev:
                self.name(key, ev[key] and ev[key] != '?', ev[key])
        if ev['kind'] in ('proc.spawn', 'code.load') and not ('mfa' in ev or 'module' in ev):
            self.name(ev['kind'], False, line[:300])
        if ev['kind'] == 'proc.info':
            if 'initial_call' not in ev:
                self.name('proc.info', False, line[:300])
            if 'ancestors' in ev and not ev.get('truncated'):
                self.ancestors[ev['pid']] = ev['ancestors']
        elif ev['kind'] == 'loss':
            self.lost[ev['of']] += ev['count']
        elif ev['kind'] == 'summary':
            self.summary = ev
        elif ev['kind'] == 'msg.send' and 'msg' in ev:
            msg = ev['msg']
            if len(self.queues) < 10:
                self.queues.update(QUEUE.findall(msg))
            if len(self.payloads) < 1000 and 'soak soak' in msg:
                self.payloads.update(PAYLOAD.findall(msg))

    def name(self, key, good, what):
        if good:
            self.resolved += 1
        elif len(self.unresolved) < 1000:
            self.unresolved[key + ' ' + what] += 1

    def report(self):
        s = self.summary or {}
        if not s:
            self.faults['no summary at the end'] += 1
        for kind, n in s.get('emitted', {}).items():
            lost = sum(by.get(kind, 0) for by in s.get('lost', {}).values())
            if n != s['delivered'].get(kind, 0) + lost:
                self.faults[f'{kind}: emitted is not delivered + lost'] += 1
            if lost != self.lost[kind]:
                self.faults[f'{kind}: loss events and summary differ'] += 1
        for kind, n in s.get('delivered', {}).items():
            if kind not in ('summary', 'loss') and self.kinds[kind] != n:
                self.faults[f'{kind}: lines and summary differ'] += 1
        return {'events': sum(self.kinds.values()), 'kinds': self.kinds, 'faults': self.faults,
                'resolved': self.resolved, 'unresolved': self.unresolved,
                'lost': self.lost, 'ancestors': self.ancestors,
                'queues': sorted(self.queues), 'payloads': sorted(self.payloads)[:20],
                'examples': self.examples[:5], 'summary': s}


def main():
    w = Watch()
    for line in sys.stdin:
        w.take(line)
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        json.dump(w.report(), f, indent=1)


main()
