#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold `scope-bpf ps --json` to what process_info/2 says.

    ps.py [--busy] OUT TRUTH
    ps.py --stuck OUT


TRUTH is what tests/live/erl/ps.erl wrote: each process asked twice before and
once after OUT was made. What the node says of a process the second and the
third time alike is what OUT must say, exactly; memory within 2 %. Reductions lie
between what the second and the third asking told; the same number is used from
the first to the second as from the second to the third: looking cost nothing.

--stuck: each process runs, on the scheduler that it is named after.
--busy: the truth is of some processes, which stay as they are; others come and go.
"""

import argparse
import json
import re
import sys

EXACT = ('name state spawned initial function mailbox total_heap_words heap_words '
         'stack_words links monitors monitored_by group_leader dictionary ancestors '
         'callers label binaries binary_bytes').split()
LISTS = ('links', 'monitors', 'monitored_by')


def ours(o):
    """An object of ps, with the keys and forms of the truth."""
    out = {k: o.get(k, '') for k in ('name', 'state', 'group_leader', 'label')}
    out['initial'] = o['initial_call']
    out['spawned'] = o.get('spawned_as', o['initial_call'])
    out['function'] = o.get('current_function', '')
    for k in ('mailbox', 'total_heap_words', 'heap_words', 'stack_words', 'memory',
              'reductions', 'dictionary', 'binaries', 'binary_bytes'):
        out[k] = o[k]
    for k in LISTS:
        out[k] = sorted(o[k])
    for k in ('ancestors', 'callers'):
        out[k] = o.get(k, [])
    return out


def stuck(path):
    with open(path, encoding='utf-8') as f:
        *processes, node = [json.loads(line) for line in f]
    where = {p['name']: p.get('scheduler') for p in processes if p['state'] == 'running'}
    if node['kind'] == 'node' and len(where) == len(processes) > 0 and \
            where == {f'ps_stuck_{n + 1}': n + 1 for n in range(len(processes))}:
        return 0
    print('running on schedulers:', where)
    return 1


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--busy', action='store_true')
    a.add_argument('out')
    a.add_argument('truth', nargs='?')
    a.add_argument('--stuck', action='store_true')
    o = a.parse_args()
    if o.stuck:
        return stuck(o.out)
    rounds = {1: {}, 2: {}, 3: {}}
    own = None
    with open(o.truth, encoding='utf-8', errors='surrogateescape') as f:
        for line in f:
            fact = json.loads(line)
            if fact['t'] == 'failed':
                print('the workload failed:', fact)
                return 1
            if fact['t'] == 'self':
                own = fact['pid']
            if fact['t'] == 'info' and 'gone' not in fact:
                rounds[fact['round']][fact['pid']] = fact
    with open(o.out, encoding='utf-8', errors='surrogateescape') as f:
        lines = [json.loads(line) for line in f]
    node = lines.pop()
    seen = {p['pid']: p for p in lines}
    bad, compared, unstable, idle = [], 0, 0, 0

    def wrong(*what):
        bad.append(' '.join(str(w) for w in what))

    if node.get('kind') != 'node' or node['processes'] != len(lines):
        wrong('the last line is not of the node:', node)
    if len(seen) != len(lines):
        wrong('a process is there twice')
    stays = set(rounds[2]) & set(rounds[3])
    others = set(seen) - set(rounds[2]) - set(rounds[3]) - {own}
    for pid in sorted(others) if not o.busy else ():
        wrong(pid, 'is no process')
    for pid in others:
        if not re.fullmatch(r'<0\.\d+\.\d+>', pid) or ':' not in seen[pid]['initial_call']:
            wrong(pid, 'makes no sense')
    for pid in sorted((stays | {own}) - set(seen)):
        wrong(pid, 'is missing', rounds[2].get(pid, {}).get('initial'))
    for pid in sorted(stays & set(seen)):
        before, after, now = rounds[2][pid], rounds[3][pid], ours(seen[pid])
        told = f"{pid} {before['name'] or before['initial']}"
        if seen[pid].get('torn') or seen[pid].get('partial'):
            wrong(told, 'is torn or partial:', seen[pid].get('partial'))
        for k in EXACT:
            if before[k] != after[k]:
                unstable += 1
                continue
            compared += 1
            if now[k] != before[k]:
                wrong(told, f'{k}: {now[k]!r}, but {before[k]!r}')
        lo, hi = sorted((before['memory'], after['memory']))
        if not lo * 0.98 <= now['memory'] <= hi * 1.02:
            wrong(told, f"memory: {now['memory']}, but {lo}..{hi}")
        if not before['reductions'] <= now['reductions'] <= after['reductions']:
            wrong(told, f"reductions: {now['reductions']}, but "
                  f"{before['reductions']}..{after['reductions']}")
        first = rounds[1].get(pid)
        # Of what does nothing else, asking costs the same each time.
        if first and before['function'] == 'ps:idle/0':
            idle += 1
            cost = before['reductions'] - first['reductions']
            if after['reductions'] - before['reductions'] != cost:
                wrong(told, 'reductions rose by', after['reductions'] -
                      before['reductions'], 'where asking costs', cost)
    if idle < 100:
        wrong('only', idle, 'processes do nothing')
    if unstable * 50 > compared:
        wrong(f'{unstable} of {compared} fields changed: nothing is known')
    for b in bad[:40]:
        print(b)
    exact = sum(1 for p in stays & set(seen)
                if rounds[2][p]['memory'] == seen[p]['memory'])
    print(f'{len(stays)} processes, {compared} fields compared, {unstable} changed '
          f'by themselves, memory exact of {exact}, {idle} idle, {len(bad)} wrong')
    return 1 if bad or not compared else 0


sys.exit(main())
