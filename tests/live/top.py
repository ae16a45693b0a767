#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check `scope-bpf top --json` of a node that runs tests/live/erl/grows.erl."""

import json
import sys


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        looks = [json.loads(line) for line in f]
    faults = []
    if len(looks) != 4:
        faults.append(f'{len(looks)} looks, not 4')
    last = looks[-1]
    rows = {r['name']: r for r in last['top'] if 'name' in r}
    busy, mailbox = rows['grows_busy'], rows['grows_mailbox']
    memory, idle = rows['grows_memory'], rows['grows_idle']
    if last['top'][0]['name'] != 'grows_busy':
        faults.append(f'{last["top"][0]} does most')
    if busy['reductions_per_s'] <= 0:
        faults.append(f'grows_busy does {busy["reductions_per_s"]} reductions a second')
    if idle['reductions_per_s'] != 0 or idle['mailbox'] != 2:
        faults.append(f'grows_idle: {idle}')
    for r, what in ((mailbox, 'mailbox'), (memory, 'memory')):
        trend = r[what + '_trend']
        if trend != sorted(trend) or trend[0] >= trend[-1] or len(trend) != 5:
            faults.append(f'{r["name"]}: {trend}')
    if mailbox['mailbox_per_s'] <= 0:
        faults.append(f'grows_mailbox: {mailbox["mailbox_per_s"]} a second')
    if last['processes'] != len(last['top']):
        faults.append(f'{last["processes"]} processes, {len(last["top"])} rows')
    normal = last['schedulers'][0]
    if normal['type'] != 'normal' or not 0 < normal['busy'] < 1.5:
        faults.append(f'schedulers: {normal}')
    if not 0 < last['memory']['processes'] < last['memory']['total']:
        faults.append(f'memory: {last["memory"]}')
    if last['stopped'] or last['tables'] < 10 or last['ports'] < 1:
        faults.append('the head is wrong')
    print('\n'.join(faults))
    return 1 if faults else 0


sys.exit(main())
