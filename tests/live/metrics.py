#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics.py URL: read /healthz, /readyz and /metrics; print the last.

metrics.py --compare METRICS STREAM: hold saved metrics against the summary of
a stream to which nothing was added between.
"""
import json
import re
import sys
import urllib.request

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} ([0-9.]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def get(url):
    with urllib.request.urlopen(url, timeout=10) as r:
        return r.read().decode()


def compare(metrics, stream):
    with open(stream, encoding='utf-8', errors='surrogateescape') as f:
        for line in f:
            pass
    summary = json.loads(line)
    values, faults = {}, []
    with open(metrics, encoding='utf-8') as f:
        for line in f:
            if line.startswith('#'):
                continue
            m = SAMPLE.match(line.rstrip('\n'))
            if not m or ''.join(x.group(0) for x in LABEL.finditer(m[2])) != m[2]:
                faults.append(f'no sample: {line!r}')
                continue
            labels = dict(LABEL.findall(m[2]))
            which = labels.get('kind') or labels.get('type') or labels.get('schedulers')
            values[m[1], which] = float(m[3])
    for what in 'emitted', 'delivered':
        for kind, n in summary[what].items():
            if kind in ('summary', 'node.exit'):
                continue
            v = values.get((f'scope_bpf_events_{what}_total', kind), 0)
            if v != n:
                faults.append(f'{what} {kind}: {v:.0f} in the metrics, {n} in the summary')
    if values.get(('scope_bpf_up', None)) != 1:
        faults.append('not up')
    for name in ('beam_processes', 'beam_ports', 'beam_atoms', 'beam_cpu_seconds_total',
                 'beam_resident_memory_bytes', 'beam_ets_tables',
                 'scope_bpf_collector_cpu_seconds_total'):
        if not values.get((name, None)):
            faults.append(f'no {name}')
    for which in 'total', 'processes', 'processes_used', 'system', 'binary', 'ets':
        if not values.get(('beam_memory_bytes', which)):
            faults.append(f'no memory of {which}')
    for which in 'normal', 'dirty_cpu', 'dirty_io':
        if ('beam_run_queue_length', which) not in values:
            faults.append(f'no run queues of {which} schedulers')
    print('\n'.join(faults))
    return 1 if faults else 0


if sys.argv[1] == '--compare':
    sys.exit(compare(sys.argv[2], sys.argv[3]))
for path in 'healthz', 'readyz':
    assert get(f'{sys.argv[1]}/{path}') == 'ok\n'
sys.stdout.write(get(f'{sys.argv[1]}/metrics'))
