#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold the last line of `scope-bpf ps --json` to what the node says of itself.

    inventory.py [--busy] OUT TRUTH

TRUTH is what tests/live/erl/inventory.erl wrote: asked before and after OUT was
made. Ports and ETS tables must be all those that there are; what the node says
both times alike of one is what OUT must say, exactly, and so are the memory of
ETS and the carriers. What the asking itself changes, the rest of the memory, lies
within 5 %.
With --busy: the processes that never wait are those that run and those that
are queued, by priority, no more and no less; OUT is of a node that was stopped.
"""

import argparse
import json
import sys

MEMORY = 'total processes processes_used system binary'.split()


def truth(path):
    out = {}
    with open(path, encoding='utf-8', errors='surrogateescape') as f:
        for line in f:
            fact = json.loads(line)
            out.setdefault((fact['t'], fact.get('round', 0)), []).append(fact)
    return out


def compare(what, key, ours, facts, faults, empty=()):
    """Each of `facts`, by key, twice: equal where the two are."""
    mine = {o[key]: o for o in ours}
    if len(mine) != len(ours):
        faults.append(f'{what}: the same twice')
    rounds = [{f[key]: f for f in facts.get((what, r), [])} for r in (1, 2)]
    same = [k for k in rounds[0] if k in rounds[1]]
    for k in same:
        if k not in mine:
            faults.append(f'{what} {k}: missing')
            continue
        for field, v in rounds[0][k].items():
            if field in ('t', 'round') or rounds[1][k][field] != v:
                continue
            m = mine[k].get(field, empty.get(field) if empty else None)
            if isinstance(m, list):
                m = sorted(m)
            if m != v and str(m).lower() != str(v).lower():
                faults.append(f'{what} {k}: {field} is {v!r}, not {m!r}')
    for k in mine:
        if k not in rounds[0] and k not in rounds[1]:
            faults.append(f'{what} {k}: there is none such')
    return len(same)


def near(a, b, share):
    return abs(a - b) <= share * max(a, b)


def check_memory(node, facts, faults):
    asked = [facts[('memory', r)][0] for r in (1, 2)]
    ours = node['memory']
    lo, hi = sorted(a['ets'] for a in asked)
    # The truth is kept in a table, too, and grows while it is asked for.
    if not lo - 4096 <= ours['ets'] <= hi + 4096:
        faults.append(f'memory ets: {lo}..{hi}, not {ours["ets"]}')
    for k in MEMORY:
        if k not in ours:
            faults.append(f'memory: no {k}')
        elif not any(near(ours[k], a[k], 0.05) for a in asked):
            faults.append(f'memory {k}: {[a[k] for a in asked]}, not {ours[k]}')
    if ours['total'] != ours['processes'] + ours['system']:
        faults.append('memory: processes and system are not the total')
    mine = {a['name']: a for a in ours['allocators']}
    for r in (1, 2):
        for a in facts[('allocator', r)]:
            if a['name'] not in mine:
                faults.append(f'{a["name"]}: missing')
            elif mine[a['name']]['instances'] != a['instances']:
                faults.append(f'{a["name"]}: {a["instances"]} instances')
            elif a['name'] not in (
                    'temp_alloc', 'eheap_alloc', 'sl_alloc', 'binary_alloc', 'fix_alloc'):
                for k in ('carriers', 'carrier_bytes', 'blocks', 'block_bytes'):
                    if not near(mine[a['name']][k], a[k], 0.05):
                        faults.append(f'{a["name"]}: {k} {a[k]}, not {mine[a["name"]][k]}')


def check_schedulers(node, facts, faults):
    said = facts[('node', 0)][0]
    for t, n in (('normal', said['schedulers']), ('dirty_cpu', said['dirty_cpu']),
                 ('dirty_io', said['dirty_io'])):
        ours = [s for s in node['schedulers'] if s['type'] == t]
        if len(ours) != n:
            faults.append(f'{n} {t} schedulers, not {len(ours)}')
        for s in ours:
            if s['state'] == 'unreadable' or s.get('torn'):
                faults.append(f'scheduler {s["scheduler"]}: not read')
    n = facts[('queues', 1)][0]['lengths']
    if len(node['run_queues']) != n:
        faults.append(f'{n} run queues, not {len(node["run_queues"])}')
    if node['process_limit'] != said['process_limit']:
        faults.append('another process limit')


def check_busy(node, facts, faults):
    spins = {f['pid']: f['priority'] for f in facts[('spins', 0)]}
    runs = [spins[s['pid']] for s in node['schedulers'] if s.get('pid') in spins]
    for priority in ('normal', 'low'):
        n = sum(q['queued_processes'][priority] for q in node['run_queues'])
        n += runs.count(priority)
        want = list(spins.values()).count(priority)
        if n != want:
            faults.append(f'{want} of {priority} priority never wait, not {n}')
    for s in node['schedulers']:
        if s.get('pid') in spins and s['last_function'] not in (
                'inventory:spin/0', 'lists:seq/2', 'lists:seq_loop/3'):
            faults.append(f'runs {s["last_function"]}')
    if not runs:
        faults.append('no scheduler runs one of them')


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--busy', action='store_true')
    a.add_argument('out')
    a.add_argument('truth')
    o = a.parse_args()
    facts, faults = truth(o.truth), []
    with open(o.out, encoding='utf-8', errors='surrogateescape') as f:
        node = json.loads(f.read().splitlines()[-1])
    if node['kind'] != 'node':
        print('the last line is not of the node')
        return 1
    if o.busy:
        check_busy(node, facts, faults)
        print('\n'.join(faults[:20]))
        return 1 if faults else 0
    none = {'name': '', 'os_pid': 0, 'local': '', 'peer': '', 'command': ''}
    ports = compare('port', 'port', node['ports'], facts, faults, none)
    tables = compare('table', 'ref', [t for t in node['tables'] if t['table'] != 'truth'],
                     facts, faults)
    check_memory(node, facts, faults)
    check_schedulers(node, facts, faults)
    if node.get('tables_torn'):
        faults.append('the tables of an idle node are torn')
    if faults:
        print('\n'.join(faults[:20]))
        return 1
    m = node['memory']
    print(f'{ports} ports, {tables} tables, {len(node["schedulers"])} schedulers, '
          f'ets {m["ets"]} and total {m["total"]} bytes are as the node says')
    return 0


sys.exit(main())
