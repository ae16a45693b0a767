#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds an off-CPU profile, as JSON, against what its workload knows of itself.

    waits.py JSON TRUTH

Of each process that the truth knows, the waits for what it waited for, in the
function where it did, are as many, and together as long, as it says
at least.
"""
import json
import sys


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        stacks = [json.loads(line) for line in f]
    with open(sys.argv[2], encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    bad = []
    checked = 0
    for fact in facts:
        if fact['t'] != 'wait':
            continue
        checked += 1
        own = [s for s in stacks if s.get('name') == fact['name'] and
               s['frames'][-1].get('name') == fact['why'] and
               fact['f'] in [f.get('mfa') for f in s['frames']]]
        n = sum(s['count'] for s in own)
        ms = sum(s['ns'] for s in own) / 1e6
        print(f'{fact["name"]}: {n} times {fact["why"]}, {ms:.1f} ms')
        if n < fact['n']:
            bad.append(f'{fact["name"]}: {n} waits, not {fact["n"]}')
        if ms < fact['ms']:
            bad.append(f'{fact["name"]}: {ms} ms, not {fact["ms"]}')
    if not checked:
        bad.append('the truth knows of no waits')
    for line in bad:
        print('WRONG:', line)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
