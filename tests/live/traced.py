#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold a stream of calls to what the workload (erl/traced.erl) did.

    traced.py [--only MFA,…] [--turns] [--where TEXT] STREAM TRUTH

Of each process of the workload's own: the calls that were told are those that
it made, in that order, with those arguments and callers; what it returned, too.
--only: functions that were traced. --turns: of functions that took turns each
call is right, and their number fits the share that the summary states.
"""

import argparse
import collections
import json
import sys

from compare import Stream, same_text


def fail(faults):
    for fault in faults[:12]:
        print(fault)
    print(f'{len(faults)} faults')
    return 1


class Comparison:
    def __init__(self, stream, facts, only):
        self.stream = stream
        self.faults = stream.check()
        self.own = {f['pid'] for f in facts if f['t'] == 'own'}
        self.only = set(only.split(',')) if only else None
        self.functions = {m.split(':')[1].split('/')[0] for m in self.only or ()}
        self.facts = [f for f in facts if self.is_traced(f.get('mfa'))]
        self.events = [e for e in stream.events
                       if e['kind'] == 'call' and e.get('pid') in self.own]
        self.calls = [e for e in self.events if e['type'] == 'call']
        self.returns = [e for e in self.events if e['type'] == 'return']

    def is_traced(self, mfa):
        return not self.only or not mfa or mfa in self.only

    def say(self, text):
        self.faults.append(text)

    def expected(self):
        """Calls by process and function, in order: [args, caller]."""
        want = collections.defaultdict(list)
        for f in self.facts:
            if f['t'] == 'call':
                want[f['pid'], f['mfa']].append((f['args'], f['caller']))
            elif f['t'] == 'calls_n':
                want[f['pid'], f['mfa']] += [([str(i), f['pid']], 'traced:many_calls/2')
                                             for i in range(f['n'], 0, -1)]
        return want

    def told(self):
        got = collections.defaultdict(list)
        for e in self.calls:
            got[e['pid'], e['mfa']].append(e)
        return got

    def compare_calls(self):
        want, got = self.expected(), self.told()
        if any(f['t'] == 'return' for f in self.facts):
            return
        for key in sorted(set(want) | set(got)):
            w = want.get(key, [])
            g = [e for e in got.get(key, []) if not e['args'] or 'gap' not in e['args'][0]]
            if len(w) != len(g):
                self.say(f'{key}: {len(w)} calls, {len(g)} told')
            for (args, caller), e in zip(w, g):
                if len(args) != len(e['args']) or not all(map(same_text, args, e['args'])):
                    self.say(f'{key}: called with {args}, told {e["args"]}')
                if caller != 'any' and e.get('caller', 'none') != caller:
                    self.say(f'{key} {args}: called by {caller}, told {e.get("caller")}')
                if e['truncated'] and not any('...' in a for a in e['args']):
                    self.say(f'{key}: truncated without a mark')
        print(f'{sum(map(len, want.values()))} calls, {len(self.calls)} told')

    def compare_returns(self):
        want = collections.Counter()
        for f in self.facts:
            if f['t'] == 'return':
                want[f['function'], f['value']] += 1
        if not want:
            return
        got = collections.Counter()
        calls = {e['id']: e for e in self.calls}
        for e in self.returns:
            function = e['mfa'].split(':')[1].split('/')[0]
            got[function, e['return']] += 1
            call = calls.get(e.get('call_id'))
            if not call or call['mfa'] != e['mfa'] or call['pid'] != e['pid']:
                self.say(f'return of no call: {e}')
            elif e['duration_ns'] != e['mono'] - call['mono']:
                self.say(f'not its duration: {e}')
            if function == 'slow' and e['duration_ns'] < 20e6:
                self.say(f'slept for 20 ms: {e}')
            if function == 'fails':
                self.say(f'it never returns: {e}')
        extra = got - want
        if extra:
            self.say(f'returned, but not so: {dict(extra)}')
        seen = sum((got & want).values())
        print(f'{sum(want.values())} returns, {seen} told')
        # Where calls return to is learned from the first ones.
        for function in ('add', 'slow'):
            n = sum(v for (f, _), v in want.items() if f == function)
            m = sum(v for (f, _), v in got.items() if f == function)
            if n and function in self.functions and m < 0.9 * n:
                self.say(f'{function}: only {m} of {n} returns')

    def compare_turns(self):
        turned = next(f for f in self.facts if f['t'] == 'turned')
        figures = self.stream.summary['trace']
        last = {}
        for e in self.calls:
            n = int(e['args'][0])
            if n <= last.get(e['mfa'], -1):
                self.say(f'not in order: {e}')
            last[e['mfa']] = n
        got = collections.Counter(e['mfa'] for e in self.calls)
        for mfa in got:
            share = figures[mfa]['armed']
            if not 0.05 < share < 0.95:
                self.say(f'{mfa}: its share is {share}')
            if not 0.2 < got[mfa] / turned['n'] / share < 3:
                self.say(f'{mfa}: {got[mfa]} of {turned["n"]} with a share of {share}')
        if len(got) != 6:
            self.say(f'six took turns: {got}')
        if not any(e['kind'] == 'budget' and e.get('mfa') and e['state'] == 'on'
                   for e in self.stream.events):
            self.say('turns are not told')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--only')
    parser.add_argument('--turns', action='store_true')
    parser.add_argument('stream')
    parser.add_argument('truth')
    args = parser.parse_args()
    with open(args.stream, encoding='utf-8', errors='replace') as f:
        stream = Stream(f)
    with open(args.truth, encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    c = Comparison(stream, facts, args.only)
    for f in facts:
        if f['t'] == 'failed':
            c.say(f'the workload failed: {f["why"]}')
    if args.turns:
        c.compare_turns()
    else:
        c.compare_calls()
        c.compare_returns()
    return fail(c.faults) if c.faults else 0


if __name__ == '__main__':
    sys.exit(main())
