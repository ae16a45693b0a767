#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold the names that a node had to those in its stream.

    node_name.py STREAM TRUTH
"""

import json
import sys

from compare import Stream


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        stream = Stream(f)
    faults = stream.check()
    with open(sys.argv[2], encoding='utf-8') as f:
        want = [(fact['msg'], fact['node']) for fact in map(json.loads, f) if fact['t'] == 'under']
    have = [(e['msg'], e['node']) for e in stream.events
            if e['kind'] == 'msg.send' and e.get('msg', '').startswith('{under,')]
    if want != have:
        faults.append(f'{have} instead of {want}')
    nodes = [(e['kind'], e['peer']) for e in stream.events if e.get('self')]
    if nodes != [('dist.node_up', want[1][1]), ('dist.node_down', want[1][1]),
                 ('dist.node_up', want[3][1])]:
        faults.append(f'came and went: {nodes}')
    print(f'{len(stream.events)} events, {len(have)} messages under {len(set(want))} names')
    for fault in faults:
        print('  ' + fault)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
