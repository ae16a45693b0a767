#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds a profile against what its workload knows of itself.

    profile.py FOLDED STDERR TRUTH COMPLETE

FOLDED: of --by-process. Each process of which the truth knows shares has them
within two points, 99 % of the samples of processes have a function on top, and
COMPLETE % of the stacks outside of collections are complete.
"""
import json
import re
import sys

POINTS = 2.0
LEAST = 2000  # samples, for a share to mean anything


def lines(path):
    with open(path, encoding='utf-8') as f:
        for line in f:
            stack, _, n = line.rstrip('\n').rpartition(' ')
            yield stack.split(';'), int(n)


def main():
    folded, said, truth, complete = sys.argv[1:]
    with open(said, encoding='utf-8') as f:
        text = f.read()
    with open(truth, encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]
    bad = []
    m = re.search(r'(\d+) samples .* (\d+) lost', text)
    taken, lost = int(m[1]), int(m[2])
    written = sum(n for _, n in lines(folded))
    if taken - lost != written:
        bad.append(f'{taken} taken, {lost} lost, {written} written')
    m = re.search(r'\((\S+)% with the function on top\).* (\S+)% of the '
                  r"others' stacks", text)
    top, whole = float(m[1]), float(m[2])
    if top < 99:
        bad.append(f'{top} % with the function on top')
    if whole < float(complete):
        bad.append(f'{whole} % complete')
    checked = 0
    for fact in facts:
        if fact['t'] != 'profile':
            continue
        own = [(s, n) for s, n in lines(folded) if s[0] == fact['name']]
        total = sum(n for _, n in own)
        if total < LEAST:
            bad.append(f'{total} samples of {fact["name"]}')
        for share in fact['shares']:
            part = sum(n for s, n in own if share['f'] in s)
            percent = 100 * part / max(total, 1)
            checked += 1
            print(f'{share["f"]}: {percent:.1f} % of {total}')
            if abs(percent - share['percent']) > POINTS:
                bad.append(f'{share["f"]} has {percent:.1f} %, not '
                           f'{share["percent"]}')
    if not checked:
        bad.append('the truth knows of no shares')
    for line in bad:
        print('WRONG:', line)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
