#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The comparer itself: what is planted in a good stream must be found."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # nothing is left beside the sources
import compare

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT, SINK, CHILD = '<0.1.0>', '<0.2.0>', '<0.3.0>'


def good():
    """A stream and its truth, in which everything is right."""
    events = [
        {'kind': 'node.attach'},
        {'kind': 'proc.spawn', 'pid': ROOT, 'child': CHILD, 'mfa': 'm:f/1', 'args': ['1'],
         'link': True},
        {'kind': 'proc.spawn', 'pid': '<0.90.0>', 'child': '<0.91.0>', 'mfa': 'x:y/0'},
    ]
    facts = [
        {'t': 'check', 'kinds': ['msg.send', 'msg.receive', 'proc.spawn', 'proc.exit', 'gc.end']},
        {'t': 'own', 'pid': ROOT}, {'t': 'own', 'pid': SINK}, {'t': 'own', 'pid': CHILD},
        {'t': 'spawn', 'pid': ROOT, 'child': CHILD, 'mfa': 'm:f/1', 'args': ['1'],
         'link': True, 'monitor': False},
        {'t': 'sends', 'from': ROOT, 'to': SINK, 'msg': "{load,'$n'}", 'lo': 1, 'hi': 5},
        {'t': 'sends', 'from': ROOT, 'to': SINK, 'msg': 'tick', 'lo': 1, 'hi': 2},
        {'t': 'recvs', 'pid': SINK, 'from': ROOT, 'msg': "{load,'$n'}", 'lo': 1, 'hi': 5},
        {'t': 'gc', 'pid': ROOT, 'major': True, 'n': 1},
    ]
    for n in range(1, 6):
        msg = '{load,%d}' % n
        events.append({'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'msg': msg})
        events.append({'kind': 'msg.receive', 'pid': SINK, 'from': ROOT, 'msg': msg})
    for _ in range(2):
        events.append({'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'msg': 'tick'})
    for text in ('same', 'other', 'same', '#{a => 1,b => {x,"},{"}}'):
        events.append({'kind': 'msg.send', 'pid': CHILD, 'to': ROOT, 'msg': text})
        facts.append({'t': 'send', 'from': CHILD, 'to': ROOT, 'msg': text})
    events.append({'kind': 'msg.send', 'from': 'timer', 'to': ROOT, 'msg': 'late'})
    facts.append({'t': 'send', 'from': 'timer', 'to': ROOT, 'msg': 'late'})
    events.append({'kind': 'msg.send', 'pid': SINK, 'to': CHILD, 'alias': True,
                   'alias_ref': '#Ref<0.1.2.3>', 'msg': 'reply'})
    facts.append({'t': 'send', 'from': SINK, 'to': 'alias #Ref<0.1.2.3>',
                  'process': CHILD, 'msg': 'reply'})
    events.append({'kind': 'gc.end', 'pid': ROOT, 'major': True})
    events.append({'kind': 'proc.exit', 'pid': CHILD, 'reason': 'normal'})
    facts.append({'t': 'exit', 'pid': CHILD, 'reason': 'normal'})
    return events, facts


def finish(events, lost=None):
    """Ids, times, losses and the summary."""
    events = copy.deepcopy(events)
    lost = lost or {}
    for kind, n in lost.items():
        events.append({'kind': 'loss', 'of': kind, 'cause': 'ring_full', 'count': n})
    delivered = {}
    for ev in events:
        if ev['kind'] != 'loss':
            delivered[ev['kind']] = delivered.get(ev['kind'], 0) + 1
    emitted = {k: delivered.get(k, 0) + lost.get(k, 0) for k in set(delivered) | set(lost)}
    events.append({'kind': 'summary', 'emitted': emitted, 'delivered': delivered,
                   'lost': {'ring_full': lost} if lost else {}})
    for i, ev in enumerate(events):
        ev['id'] = i + 1
        ev['mono'] = 1000 + i
    return events


def faults(events, facts, at_least=None, since_attach=False, lacks=()):
    stream = compare.Stream(json.dumps(e) for e in events)
    found = stream.check()
    truth = compare.Truth(json.dumps(f) for f in facts)
    return found + compare.Compare(stream, truth, at_least, since_attach, lacks).run()


def index(events, **want):
    return next(i for i, e in enumerate(events)
                if all(e.get(k) == v for k, v in want.items()))


class Planted(unittest.TestCase):
    def setUp(self):
        self.events, self.facts = good()

    def found(self, what, lost=None, at_least=None):
        got = faults(finish(self.events, lost), self.facts, at_least)
        self.assertTrue(any(what in f for f in got), f'{what!r} is not in {got}')

    def test_the_good_one_is_good(self):
        self.assertEqual(faults(finish(self.events), self.facts), [])

    def test_each_event_missing(self):
        for i, ev in enumerate(self.events):
            if compare.event_key(ev) is None or ev['pid' if 'pid' in ev else 'to'] == '<0.90.0>':
                continue
            events = self.events[:i] + self.events[i + 1:]
            self.assertNotEqual(faults(finish(events), self.facts), [], ev)

    def test_each_event_twice(self):
        for i, ev in enumerate(self.events):
            if compare.event_key(ev) is None or ev['pid' if 'pid' in ev else 'to'] == '<0.90.0>':
                continue
            events = self.events[:i] + [ev] + self.events[i:]
            self.assertNotEqual(faults(finish(events), self.facts), [], ev)

    def test_each_value_wrong(self):
        for i, ev in enumerate(self.events):
            for key in ev:
                if ev['kind'] == 'node.attach' or ev.get('pid') == '<0.90.0>':
                    continue
                events = copy.deepcopy(self.events)
                events[i][key] = not ev[key] if isinstance(ev[key], bool) else 'wrong'
                self.assertNotEqual(faults(finish(events), self.facts), [], (key, ev))

    def test_one_that_nobody_sent(self):
        self.events.append({'kind': 'msg.send', 'pid': SINK, 'to': '<0.50.0>', 'msg': 'x'})
        self.found('extra: msg.send <0.2.0>')

    def test_order_of_numbered(self):
        a = index(self.events, kind='msg.send', msg='{load,2}')
        b = index(self.events, kind='msg.send', msg='{load,4}')
        self.events[a], self.events[b] = self.events[b], self.events[a]
        self.found('out of order')

    def test_order_of_a_pair(self):
        a = index(self.events, msg='other')
        self.events[a], self.events[a + 1] = self.events[a + 1], self.events[a]
        self.found('order of <0.3.0> to <0.1.0>')

    def test_maps_have_no_order(self):
        i = index(self.events, msg='#{a => 1,b => {x,"},{"}}')
        self.events[i]['msg'] = '#{b => {x,"},{"},a => 1}'
        self.assertEqual(faults(finish(self.events), self.facts), [])
        self.events[i]['msg'] = '#{b => {x,"},{"},a => 2}'
        self.found('missing')

    def test_tuples_have(self):
        self.assertFalse(compare.same_text('{a,b}', '{b,a}'))
        self.assertTrue(compare.same_text('[#{b => 1,a => #{d => 1,c => 2}}|x]',
                                          '[#{a => #{c => 2,d => 1},b => 1}|x]'))
        self.assertTrue(compare.same_text("%Shop.Item{n: 1, 'a,b': 2}", "%Shop.Item{'a,b': 2, n: 1}"))
        self.assertTrue(compare.same_text("'it\\'s \"x\"'", '~c"it\'s \\"x\\""'))
        self.assertFalse(compare.same_text('#{a => "x,y"}', '#{a => "y,x"}'))

    def test_before_birth_and_after_death(self):
        i = index(self.events, kind='msg.send', pid=CHILD, msg='other')
        ev = self.events.pop(i)
        self.found_moved(0, ev, 'before its spawn')
        self.found_moved(len(self.events), ev, 'after its end')

    def found_moved(self, to, ev, what):
        got = faults(finish(self.events[:to] + [ev] + self.events[to:]), self.facts)
        self.assertTrue(any(what in f for f in got), got)

    def test_ids(self):
        events = finish(self.events)
        events[5]['id'] += 1
        self.assertTrue(any('id 7 after 5' in f for f in faults(events, self.facts)))

    def test_time(self):
        events = finish(self.events)
        events[5]['mono'] -= 10
        self.assertTrue(any('time goes back by' in f for f in faults(events, self.facts)))

    def test_sums(self):
        events = finish(self.events)
        events[-1]['emitted']['msg.send'] += 1
        self.assertTrue(any('emitted' in f for f in faults(events, self.facts)))
        events = finish(self.events)
        events[-1]['delivered']['msg.send'] += 1
        self.assertTrue(any('lines' in f for f in faults(events, self.facts)))

    def test_no_summary(self):
        got = faults(finish(self.events)[:-1], self.facts)
        self.assertTrue(any('no summary' in f for f in got), got)

    def test_broken_line(self):
        stream = compare.Stream(['{"id":1,"kind":"x"', '3', '{}'])
        self.assertEqual(sum('is no event' in f for f in stream.check()), 3)

    def test_losses_are_faults(self):
        self.found('lost events', lost={'msg.send': 1})

    def test_allowed_losses(self):
        del self.events[index(self.events, kind='msg.send', msg='{load,3}')]
        got = faults(finish(self.events, {'msg.send': 1}), self.facts, at_least=50)
        self.assertEqual(got, [])
        self.found('1 are missing, 0 were reported', at_least=50)
        self.found('only 12 of 13', lost={'msg.send': 1}, at_least=99)

    def test_loss_events_and_summary_agree(self):
        events = finish(self.events, {'msg.send': 2})
        next(e for e in events if e['kind'] == 'loss')['count'] = 1
        got = faults(events, self.facts, at_least=1)
        self.assertTrue(any('loss events say 1' in f for f in got), got)

    def test_allowed_losses_allow_nothing_extra(self):
        self.events.append({'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'msg': '{load,3}'})
        self.found('extra', lost={'msg.send': 1}, at_least=50)

    def test_cut_terms(self):
        self.facts.append({'t': 'send', 'from': ROOT, 'to': SINK, 'cut': True,
                           'msg': '{long,[1,2,3,4,5,6,7,8,9]}'})
        self.events.append({'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'truncated': True,
                            'msg': '{long,[1,2,3,4...'})
        self.assertEqual(faults(finish(self.events), self.facts), [])
        self.events[-1]['msg'] = '{long,[1,2,9,4...'
        self.found('missing')

    def test_a_stream_that_began_later(self):
        for n in (1, 2):
            del self.events[index(self.events, kind='msg.send', msg='{load,%d}' % n)]
            del self.events[index(self.events, kind='msg.receive', msg='{load,%d}' % n)]
        del self.events[index(self.events, kind='proc.spawn')]
        later = finish(self.events)
        self.assertEqual(faults(later, self.facts, since_attach=True), [])
        self.assertNotEqual(faults(later, self.facts), [])
        del self.events[index(self.events, kind='msg.send', msg='{load,4}')]
        self.assertNotEqual(faults(finish(self.events), self.facts, since_attach=True), [])

    def test_correlation(self):
        def with_corr(send, receive, wait=1):
            events = finish(self.events)
            s = events[index(events, kind='msg.send', msg=send)]
            r = events[index(events, kind='msg.receive', msg=receive)]
            s['corr'] = r['corr'] = 'm-1-1'
            r['wait_ns'] = wait
            return faults(events, self.facts)
        self.assertEqual(with_corr('{load,1}', '{load,1}'), [])
        self.assertTrue(any('another message' in f for f in with_corr('{load,1}', '{load,2}')))
        self.assertTrue(any('wait_ns' in f for f in with_corr('{load,1}', '{load,1}', 7)))

    def scheduled(self, change=None):
        """A process that is taken up and left; the fault that `change` makes."""
        run = [('in', 'm:f/0', {'wait_ns': 10}), ('out', 'm:g/1', {'run_ns': 20, 'state': 'runnable'}),
               ('in', 'm:g/1', {'wait_ns': 20}), ('out', 'm:f/0', {'run_ns': 20, 'state': 'waiting'}),
               ('in', 'm:f/0', {'wait_ns': 5}), ('out', '', {'run_ns': 20, 'state': 'exiting'})]
        events = [{'kind': 'node.attach', 'mono': 1},
                  {'kind': 'msg.send', 'pid': SINK, 'to': ROOT, 'msg': 'go', 'mono': 2},
                  {'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'msg': 'a', 'mono': 3}]
        for i, (how, mfa, more) in enumerate(run):
            ev = {'kind': 'sched.' + how, 'pid': ROOT, 'scheduler': 1, 'mono': 20 + 20 * i, **more}
            if mfa:
                ev['mfa'] = mfa
            if how == 'out':
                ev['reductions'] = 100
            events.append(ev)
        events[-2:-2] = [{'kind': 'msg.send', 'pid': ROOT, 'to': SINK, 'msg': 'b', 'mono': 81},
                         {'kind': 'msg.send', 'pid': SINK, 'to': ROOT, 'msg': 'end', 'mono': 82}]
        facts = [{'t': 'check', 'kinds': ['sched.in', 'sched.out']},
                 {'t': 'sched', 'pid': ROOT, 'first': 'go', 'last': 'end',
                  'told': [{'how': h, 'mfa': m} for h, m, _ in run[:4]]},
                 {'t': 'sched_left', 'pid': ROOT, 'state': 'waiting', 'n': 1},
                 {'t': 'sched_reds', 'pid': ROOT, 'first': 'a', 'last': 'b', 'n': 200},
                 {'t': 'sched_own', 'pid': ROOT}]
        if change:
            change(events)
        mono = [e['mono'] for e in events]
        events = finish(events)
        for ev, ns in zip(events, mono + [1000]):
            ev['mono'] = ns
        return faults(events, facts)

    def test_scheduling(self):
        def put(i, key, value):
            return lambda evs: evs[i].update({key: value})
        self.assertEqual(self.scheduled(), [])
        for change, what in (
                (put(4, 'run_ns', 21), 'run_ns is not 20'),
                (put(5, 'wait_ns', 19), 'wait_ns is not 20'),
                (put(9, 'wait_ns', 21), 'waited longer'),
                (put(4, 'scheduler', 2), 'run_ns of what was not seen'),
                (put(6, 'scheduler', 2), 'run_ns of what was not seen'),
                (put(4, 'mfa', 'm:h/1'), 'instead of'),
                (put(6, 'state', 'suspended'), 'was left waiting 0 times'),
                (put(4, 'reductions', 99), '199 reductions'),
                (put(10, 'state', 'waiting'), 'not all of its runs'),
                (lambda evs: evs.pop(5), 'twice the same'),
                (lambda evs: evs.pop(10), 'not all of its runs'),
                (lambda evs: evs[9].pop('wait_ns'), 'wait_ns is known of 0')):
            got = self.scheduled(change)
            self.assertTrue(any(what in f for f in got), (what, got))

    def test_heaps(self):
        self.facts[0]['kinds'] += ['heap.grow', 'proc.hibernate']
        self.facts += [
            {'t': 'gc_dirty', 'pid': ROOT},
            {'t': 'heap', 'pid': ROOT, 'first': 'go', 'last': 'end',
             'sizes': [{'before': 233, 'then': 376}, {'before': 376, 'then': 233}]},
            {'t': 'hibernate', 'pid': SINK, 'mfa': 'm:f/1', 'args': ['7']},
            {'t': 'hibernate', 'pid': SINK, 'mfa': 'm:g/1'},
            {'t': 'hibernated', 'pid': SINK, 'words': 12}]
        n = len(self.events)
        self.events += [
            {'kind': 'gc.end', 'pid': ROOT, 'major': False, 'dirty': True},
            {'kind': 'msg.send', 'pid': '<0.9.0>', 'to': ROOT, 'msg': 'go'},
            {'kind': 'heap.grow', 'pid': ROOT, 'grew': True,
             'heap_block_before_words': 233, 'heap_block_after_words': 376},
            {'kind': 'heap.grow', 'pid': ROOT, 'grew': False,
             'heap_block_before_words': 376, 'heap_block_after_words': 233},
            {'kind': 'msg.send', 'pid': '<0.9.0>', 'to': ROOT, 'msg': 'end'},
            {'kind': 'proc.hibernate', 'pid': SINK, 'mfa': 'm:f/1', 'args': ['7'],
             'heap_size_after_words': 12},
            {'kind': 'proc.hibernate', 'pid': SINK, 'mfa': 'm:g/1', 'args': ['8']}]
        self.facts += [{'t': 'send', 'from': '<0.9.0>', 'to': ROOT, 'msg': m} for m in ('go', 'end')]
        self.assertEqual(faults(finish(self.events), self.facts), [])
        for i, key, value, what in (
                (0, 'dirty', False, 'none is dirty'),
                (2, 'grew', False, 'grew is wrong'),
                (2, 'heap_block_before_words', 1, 'instead of'),
                (5, 'args', ['8'], 'missing'),
                (5, 'heap_size_after_words', 13, 'hibernates in 13'),
                (6, 'mfa', 'm:h/1', 'missing')):
            good = copy.deepcopy(self.events)
            self.events[n + i][key] = value
            self.found(what)
            self.events = good
        del self.events[n + 3]
        self.found('instead of')

    def test_attempts(self):
        self.facts[0]['kinds'] += ['msg.attempt']
        self.facts += [
            {'t': 'attempt', 'from': ROOT, 'to': 'nobody', 'msg': 'm', 'dropped': 'noproc'},
            {'t': 'attempt', 'from': ROOT, 'to': SINK, 'msg': 'm', 'dropped': 'none'},
            {'t': 'attempt', 'from': ROOT, 'to': '#Ref<0.1>', 'msg': 'm', 'dropped': 'alias'}]
        n = len(self.events)
        self.events += [
            {'kind': 'msg.attempt', 'pid': ROOT, 'dest': 'nobody', 'msg': 'm', 'dropped': 'noproc'},
            {'kind': 'msg.attempt', 'pid': ROOT, 'to': SINK, 'msg': 'm'},
            {'kind': 'msg.attempt', 'pid': ROOT, 'dest': '#Ref<0.1>', 'msg': 'm', 'alias': True}]
        self.assertEqual(faults(finish(self.events), self.facts), [])
        for i, key, value in ((0, 'dropped', 'noport'), (0, 'dest', 'some'), (1, 'dropped', 'noproc'),
                              (1, 'to', CHILD), (2, 'alias', False), (2, 'msg', 'x')):
            good = copy.deepcopy(self.events)
            self.events[n + i][key] = value
            self.found('missing')
            self.events = good

    def test_calls(self):
        self.facts[0]['kinds'] += ['call']
        self.facts += [{'t': 'calls', 'pid': ROOT, 'mfa': 'm:f/1', 'type': 'dirty_bif', 'n': 2,
                        'ns': 1000}]
        n = len(self.events)
        self.events += [{'kind': 'call', 'pid': ROOT, 'mfa': 'm:f/1', 'type': 'dirty_bif',
                         'dirty': True, 'duration_ns': 1000 + i} for i in (0, 1)]
        self.assertEqual(faults(finish(self.events), self.facts), [])
        for key, value, what in (('mfa', 'm:g/1', 'that it did not make'), ('type', 'nif', '1 calls of'),
                                 ('dirty', False, 'dirty is wrong'), ('duration_ns', 999, 'took 999'),
                                 ('pid', SINK, 'that it did not make')):
            good = copy.deepcopy(self.events)
            self.events[n][key] = value
            self.found(what)
            self.events = good
        del self.events[n]
        self.found('1 calls of')

    def test_a_failed_workload(self):
        self.facts.append({'t': 'failed', 'why': 'badmatch'})
        self.found('the workload failed')

    def test_places(self):
        self.facts[0]['kinds'].append('proc.info')
        self.facts.append({'t': 'at', 'pid': SINK, 'mfa': 'm:f/1'})
        self.found('was in m:f/1, not None')
        self.events.append({'kind': 'proc.info', 'pid': SINK, 'current': 'm:f/1'})
        self.assertEqual(faults(finish(self.events), self.facts), [])
        self.events[-1]['current'] = 'm:f/2'
        self.found('was in m:f/1, not m:f/2')

    def test_unavailable(self):
        self.facts[0]['kinds'].append('code.load')
        self.events[0]['events'] = {k: 'uprobe f' for k in self.facts[0]['kinds'][:-1]}
        self.found('code.load is neither attached nor said to be unavailable')
        self.events[0]['unavailable'] = {'code.load': 'no source is known'}
        self.found('code.load is unavailable: no source is known')
        self.assertEqual(faults(finish(self.events), self.facts, lacks=('code.load',)), [])
        # What nobody asked for is not on the list, either.
        self.assertNotEqual(faults(finish(self.events), self.facts, lacks=('code.unload',)), [])
        self.events[0]['unavailable'] = {'code.load': ''}
        self.assertNotEqual(faults(finish(self.events), self.facts, lacks=('code.load',)), [])

    def test_events_with_details(self):
        said = {'kind': 'port.input', 'pid': ROOT, 'port': '#Port<0.5>', 'bytes': 7,
                'local': '127.0.0.1:80'}
        fact = {'t': 'event', 'kind': 'port.input', 'pid': ROOT, 'n': 2,
                'says': {'port': '#Port<0.5>', 'bytes': 7}}
        self.facts += [{'t': 'check', 'kinds': ['port.input']}, fact,
                       {'t': 'socket', 'port': '#Port<0.5>', 'local': '127.0.0.1:80'}]
        events = self.events + [dict(said), dict(said)]
        self.assertEqual(faults(finish(events), self.facts), [])
        for wrong in ({'bytes': 8}, {'port': '#Port<0.6>'}, {'local': '127.0.0.1:81'},
                      {'exit_status': 0}):
            self.assertNotEqual(
                faults(finish(self.events + [dict(said), dict(said, **wrong)]), self.facts), [])
        self.assertNotEqual(faults(finish(events[:-1]), self.facts), [])
        self.assertNotEqual(faults(finish(events + [dict(said)]), self.facts), [])

    def test_maybe(self):
        self.events.append({'kind': 'msg.send', 'from': 'system', 'to': ROOT, 'msg': '{#Ref<1>,ok}'})
        self.found('extra')
        self.facts.append({'t': 'maybe', 'kind': 'msg.send', 'pid': 'any', 'other': ROOT,
                           're': '^{#Ref'})
        self.assertEqual(faults(finish(self.events), self.facts), [])



class Kinds(unittest.TestCase):
    """scripts/kinds-table: what is there, and only that."""

    def setUp(self):
        with open(os.path.join(HERE, 'kinds.tsv'), encoding='utf-8') as f:
            rows = [line.split() for line in f if not line.startswith('#')]
        self.kinds = {r[0]: dict(zip(rows[0][1:], r[1:])) for r in rows[1:]}

    def held(self, column, events, unavailable):
        with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
            f.write(json.dumps({'kind': 'node.attach', 'events': events,
                                'unavailable': unavailable}) + '\n')
            f.flush()
            return subprocess.run([os.path.join(HERE, '../../scripts/kinds-table'), '--attach',
                                   column, f.name], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0

    def test_each_column_is_held_to(self):
        for column in ('23', '25', '27', '29', 'unknown'):
            events = {k: 'uprobe f' for k, v in self.kinds.items() if v[column] == 'yes'}
            lacks = {k: 'why' for k, v in self.kinds.items() if v[column] == 'no'}
            self.assertTrue(self.held(column, events | {'proc.info': 'memory'}, lacks))
            self.assertFalse(self.held(column, events | {'a.kind': 'uprobe f'}, lacks))
            gone = dict(list(events.items())[1:])
            self.assertFalse(self.held(column, gone, lacks))
            self.assertFalse(self.held(column, gone, lacks | {list(events)[0]: 'why'}))
            self.assertFalse(self.held(column, events | {list(events)[0]: ''}, lacks))
            for kind in list(lacks)[:1]:
                self.assertFalse(self.held(column, events | {kind: 'uprobe f'}, lacks))
                self.assertFalse(self.held(column, events, lacks | {kind: ''}))


if __name__ == '__main__':
    unittest.main()
