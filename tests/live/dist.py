#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold what two nodes' streams say of their connection to each other, and to
what the driver (erl/dist.erl) knows.

    dist.py DRIVER.json PEER.json TRUTH

What one node sent is what the other received, signal by signal, with equal
contents; what the driver sent, and what was sent to it, is what it noted; nodes
came and went as net_kernel told it. Prints what differs and exits 1.
"""

import collections
import json
import re
import sys

from compare import Stream, canonical

NODE = re.compile(r'(<|#Ref<|#Port<)\d+\.')


def text(event):
    """What it carries, with the numbers that stand for nodes left out."""
    for key in ('msg', 'reason', 'args'):
        if key in event:
            value = event[key]
            return NODE.sub(r'\1_.', canonical(value if isinstance(value, str) else json.dumps(value)))
    return ''


def signals(stream, kind):
    return collections.Counter((e['op'], text(e)) for e in stream.events
                               if e['kind'] == kind and 'op' in e)


def differences(what, want, have):
    for key, n in (want - have).items():
        yield f'{what}: missing {n} times {str(key)[:300]}'
    for key, n in (have - want).items():
        yield f'{what}: extra {n} times {str(key)[:300]}'


def is_reply(msg):
    """Of a gen_server: {[alias|Ref],Reply}, or {Ref,Reply}."""
    return msg.startswith(('{[alias|#Ref<', '{#Ref<'))


def expected_text(msg):
    """{cut,<<"…">>} is what is noted of a long binary."""
    msg = re.sub(r'\{cut,<<"(\w{64})">>\}', r'<<"\1"...>>', msg)
    return NODE.sub(r'\1_.', canonical(msg))


def main():
    streams = []
    faults = []
    for path in sys.argv[1:3]:
        with open(path, encoding='utf-8') as f:
            streams.append(Stream(f))
        faults += streams[-1].check()
        if streams[-1].lost():
            faults.append(f'{path}: lost {streams[-1].lost()}')
        faults += [f'{path}: {e["unreadable"]}: {str(e)[:300]}' for e in streams[-1].events
                   if e['kind'].startswith('dist.') and 'unreadable' in e]
    driver, peer = streams
    with open(sys.argv[3], encoding='utf-8') as f:
        facts = [json.loads(line) for line in f]

    n = 0
    for a, b, what in ((driver, peer, 'driver to peer'), (peer, driver, 'peer to driver')):
        want, have = signals(a, 'dist.send'), signals(b, 'dist.receive')
        n += sum(want.values())
        faults += differences(what, want, have)
    me = next(f['pid'] for f in facts if f['t'] == 'driver')

    mine = [e for e in driver.events if e['kind'] == 'dist.send' and e.get('pid') == me]
    want = collections.Counter((f['op'], f['to'], f['peer'], expected_text(f['msg']))
                               for f in facts if f['t'] == 'sent')
    have = collections.Counter((e['op'], e.get('to'), e['peer'], text(e))
                               for e in mine if e['op'] in ('REG_SEND', 'SEND_SENDER') and
                               e.get('to') != 'dist_server')
    # What net_kernel and erpc send in the driver's name is not noted.
    have = collections.Counter({k: v for k, v in have.items() if k[1] != 'net_kernel'})
    faults += differences('sent by the driver', want, have)
    ops = collections.Counter()
    for f in facts:
        if f['t'] == 'ops':
            ops[f['op']] += f['n']
    # What asks for an answer has a number, where both know that.
    have = collections.Counter(e['op'].removesuffix('_ID') for e in mine
                               if e.get('to') != 'net_kernel')
    have = collections.Counter({op: have[op] for op in ops})
    faults += differences('signals of the driver', ops, have)

    got = [e for e in driver.events if e['kind'] == 'dist.receive' and e.get('pid') == me]
    want = collections.Counter((f['op'], f['from'], expected_text(f['msg']))
                               for f in facts if f['t'] == 'received')
    have = collections.Counter((e['op'], e['from'], text(e)) for e in got
                               if e['op'] == 'SEND_SENDER')
    have = collections.Counter({k: v for k, v in have.items() if k in want or not is_reply(k[2])})
    faults += differences('sent to the driver', want, have)
    calls = sum(e['op'] == 'REG_SEND' and e['to'] == 'dist_server' and 'gen_call' in e['msg']
                for e in mine)
    replies = [bool(e.get('alias')) for e in driver.events
               if e['kind'] == 'msg.send' and 'dist' in e and e.get('to') == me and
               is_reply(e.get('msg', ''))]
    expect = [f['aliases'] for f in facts if f['t'] == 'calls' for _ in range(f['n'])]
    if calls != len(expect) or replies != expect:
        faults.append(f'{calls} calls and {len(replies)} replies, {sum(replies)} to aliases, '
                      f'instead of {len(expect)}, {sum(expect)} to aliases')

    for f in facts:
        if f['t'] == 'overtakes':
            came = [(e.get('msg'), e.get('reason')) for e in peer.events
                    if e['kind'] == 'dist.receive' and e.get('op') == 'ALTACT_SIG_SEND']
            queued = sum(e['kind'] == 'msg.send' and 'dist' in e and bool(e.get('alias')) and
                         e.get('msg') == f['msg'] for e in peer.events)
            if came != [(f['msg'], None), (None, f['reason'])] or queued != 1:
                faults.append(f'with priority: {came}, {queued} enqueued')

    want = collections.Counter((f['kind'], f['peer'], f.get('reason')) for f in facts
                               if f['t'] == 'node')
    have = collections.Counter((e['kind'], e['peer'], e.get('reason')) for e in driver.events
                               if e['kind'].startswith('dist.node') and not e.get('self'))
    # The peer was killed in the end.
    want['dist.node_down', next(f['peer'] for f in facts if f['t'] == 'node'),
         'connection_closed'] += 1
    faults += differences('nodes', want, have)

    sizes = [e['fragments'] for s in streams for e in s.events
             if e['kind'] == 'dist.receive' and e['fragments'] > 1]
    if len(sizes) < 8 or any(e['bytes'] < 65536 * (e['fragments'] - 1) for s in streams
                             for e in s.events if e.get('bytes') and e['fragments'] > 1):
        faults.append(f'fragments: {sizes}')
    messages = [e for s in streams for e in s.events
                if e['kind'] == 'msg.receive' and e.get('from') == 'dist']
    print(f'{sum(len(s.events) for s in streams)} events, {n} signals, {len(sizes)} in fragments; '
          f'{sum("corr" in e for e in messages)} of {len(messages)} messages followed')
    for fault in faults[:40]:
        print('  ' + fault)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
