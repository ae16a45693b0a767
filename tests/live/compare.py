#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold a stream of events to what a workload knows of itself.

    compare.py [--kinds LIST] [--at-least PCT] [--since-attach]
               [--unavailable LIST] STREAM [TRUTH]

STREAM is what `scope-bpf --json` printed, TRUTH what live.erl wrote: a JSON
object a line. Exits 0 when both agree; else prints what differs and exits 1.

The stream alone: every line is an object, ids rise by one, time never goes
back, the last line is the summary, it counts what is there, and what was
emitted was delivered or lost.

Against the truth, for the kinds that it claims to know (fact `check`): the
events in which one of its own processes (fact `own`) takes part are, as a
multiset, exactly those that are noted, in the order in which each sender sent
to each receiver. Texts of terms are equal, but for the order of a map's keys.

--kinds LIST: compare these kinds only, of those that the truth knows.
--at-least PCT: events may be missing, as many as the summary says were lost,
and no more than leaves PCT percent of them. None may be extra, or wrong.
--unavailable LIST: kinds that this release may lack; what is on the list and
said to be unavailable is not compared. Any other must be there.
--since-attach: the workload was under way when the stream began. Of numbered
messages all from some number on are there; nothing is extra, or wrong.
"""

import argparse
import collections
import json
import re
import sys

SHOWN = 8  # differences shown of a kind

# ---- terms ------------------------------------------------------------------


def canonical(text):
    """The text with map pairs in order of their text: maps have none of their
    own. Knows strings, quoted atoms, brackets, and Elixir's %Name{…}."""
    out, at = _sequence(text, 0, '')
    return out if at == len(text) else text


def _sequence(text, at, closer):
    """Copy up to the closing bracket (not taken); returns text and place."""
    out = []
    while at < len(text):
        c = text[at]
        if c in '"\'':
            end = _quoted(text, at)
            quoted = text[at:end]
            if c == "'":  # a charlist of older Elixirs (or an atom: no harm)
                quoted = '~c"' + quoted[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
            out.append(quoted)
            at = end
        elif c in '([{':
            is_map = c == '{' and re.search(r'(#|%[\w.]*)$', ''.join(out[-60:]))
            close = {'(': ')', '[': ']', '{': '}'}[c]
            inside, at = _sequence(text, at + 1, close)
            if is_map:
                inside = ','.join(sorted(_split(inside)))
            out.append(c + inside + close)
            at += 1
        elif c and c == closer:
            return ''.join(out), at
        else:
            out.append(c)
            at += 1
    return ''.join(out), at


def _quoted(text, at):
    """The place after the string or quoted atom that starts at `at`."""
    q = text[at]
    at += 1
    while at < len(text) and text[at] != q:
        at += 2 if text[at] == '\\' else 1
    return at + 1


def _split(text):
    """Split at the commas outside of quotes and brackets."""
    parts, start, at, depth = [], 0, 0, 0
    while at < len(text):
        c = text[at]
        if c in '"\'':
            at = _quoted(text, at)
            continue
        if c in '([{':
            depth += 1
        elif c in ')]}':
            depth -= 1
        elif c == ',' and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    if text[start:].strip():
        parts.append(text[start:].strip())
    return parts


def same_text(a, b):
    return a == b or canonical(a) == canonical(b)


# ---- the stream -------------------------------------------------------------


class Stream:
    def __init__(self, lines):
        self.events = []
        self.faults = []
        self.summary = None
        for n, line in enumerate(lines, 1):
            try:
                ev = json.loads(line)
                ev['kind']
            except (ValueError, KeyError, TypeError):
                self.faults.append(f'line {n} is no event: {line[:120]!r}')
                continue
            self.events.append(ev)

    def check(self):
        """Faults of the stream as such."""
        faults = list(self.faults)
        if not self.events:
            return faults + ['the stream is empty']
        self.summary = self.events[-1]
        if self.summary['kind'] != 'summary':
            faults.append(f'the last line is no summary: {self.summary}')
            self.summary = None
        faults += self._order()
        if self.summary:
            faults += self._sums()
        return faults

    def _order(self):
        faults = []
        last_id, last_mono = None, 0
        # What the receiver refused had been given a number before.
        refused = sum(ev.get('count', 0) for ev in self.events
                      if ev['kind'] == 'loss' and ev.get('cause') == 'refused')
        gaps = 0
        for ev in self.events:
            if 'id' not in ev:
                faults.append(f'no id: {brief(ev)}')
                continue
            gap = 0 if last_id is None else ev['id'] - last_id - 1
            gaps += gap
            if gap < 0 or (gap and not refused):
                faults.append(f'id {ev["id"]} after {last_id}: {brief(ev)}')
            last_id = ev['id']
            mono = ev.get('mono', last_mono)
            if mono < last_mono:
                faults.append(f'time goes back by {last_mono - mono} ns: {brief(ev)}')
            last_mono = max(mono, last_mono)
        if gaps != refused:
            faults.append(f'{gaps} numbers are missing, {refused} lines were refused')
        return limited(faults)

    def _sums(self):
        faults = []
        s = self.summary
        emitted = s.get('emitted', {})
        delivered = s.get('delivered', {})
        lost = self.lost()
        for kind in sorted(set(emitted) | set(delivered) | set(lost)):
            e, d, l = emitted.get(kind, 0), delivered.get(kind, 0), lost.get(kind, 0)
            if e != d + l:
                faults.append(f'{kind}: emitted {e} is not delivered {d} + lost {l}')
        there = collections.Counter(ev['kind'] for ev in self.events)
        for kind in sorted(set(delivered) | set(there)):
            if kind in ('summary', 'loss'):
                continue
            if there[kind] != delivered.get(kind, 0):
                faults.append(f'{kind}: {there[kind]} lines, but the summary '
                              f'says {delivered.get(kind, 0)} delivered')
        said = collections.Counter()
        for ev in self.events:
            if ev['kind'] == 'loss':
                said[ev.get('of')] += ev.get('count', 0)
        for kind in sorted(set(said) | set(lost), key=str):
            if said[kind] != lost.get(kind, 0):
                faults.append(f'{kind}: loss events say {said[kind]}, '
                              f'the summary {lost.get(kind, 0)}')
        return faults

    def lost(self):
        """kind -> how many, from the summary."""
        out = collections.Counter()
        for _, kinds in (self.summary or {}).get('lost', {}).items():
            for kind, n in kinds.items():
                out[kind] += n
        return {k: n for k, n in out.items() if n}


def brief(ev):
    return json.dumps({k: v for k, v in ev.items()
                       if k not in ('ts', 'time', 'node', 'os_pid', 'corr')},
                      ensure_ascii=False)[:400]


def limited(faults, what='more like these'):
    if len(faults) <= SHOWN:
        return faults
    return faults[:SHOWN] + [f'… {len(faults) - SHOWN} {what}']


# ---- one key for an event and for a fact ------------------------------------
# A key is (kind, pid, other, detail…): events and facts that say the same have
# equal keys. pid and other are the parties.


def sender(ev):
    return ev['from'] if 'from' in ev else ev.get('pid')


def receiver(ev):
    # The alias says more than the process behind it, and is always known.
    if ev.get('alias'):
        return 'alias ' + ev.get('alias_ref', '?')
    return ev.get('to')


# Kinds whose facts are all of one shape: what the event is on, and the keys
# that the truth knows.
DETAILS = {
    'port.open': ('port', ('driver', 'command', 'peer')),
    'port.close': ('port', ('reason', 'peer')),
    'port.command': ('port', ('bytes', 'peer')),
    'port.control': ('port', ('op', 'call', 'bytes')),
    'port.input': ('port', ('bytes', 'exit_status', 'peer')),
    'port.output': ('port', ('bytes', 'peer')),
    'timer.start': ('ref', ('to', 'msg', 'after_ns', 'at_ms', 'type')),
    'timer.cancel': ('ref', ('async', 'found')),
    'timer.timeout': ('ref', ('to', 'msg')),
    'ets.new': ('table', ('op', 'table_name')),
    'ets.delete_table': ('table', ('op',)),
    'ets.lookup': ('table', ('op', 'key')),
    'ets.insert': ('table', ('op', 'objects')),
    'ets.delete': ('table', ('op', 'key', 'objects')),
    'ets.update': ('table', ('op', 'key')),
    'ets.select': ('table', ('op',)),
}


def detail_key(kind, pid, says):
    on, keys = DETAILS[kind]
    return kind, pid, says.get(on), ' '.join(
        f'{k}={says[k]}' for k in keys if k in says)


def event_key(ev):
    k = ev['kind']
    if k in DETAILS:
        return detail_key(k, ev.get('pid'), ev)
    if k == 'msg.send':
        return k, sender(ev), receiver(ev), ev.get('msg')
    if k == 'msg.receive':
        return k, ev.get('pid'), ev.get('from'), ev.get('msg')
    if k == 'proc.spawn':
        return (k, ev.get('pid'), ev.get('child'), ev.get('mfa'),
                tuple(ev['args']) if 'args' in ev else None,
                bool(ev.get('link')), bool(ev.get('monitor')))
    if k == 'proc.exit':
        return k, ev.get('pid'), None, ev.get('reason')
    if k == 'proc.exit_signal':
        return k, ev.get('pid', ev.get('from')), ev.get('to'), ev.get('reason'), ev.get('via')
    if k in ('proc.link', 'proc.unlink'):
        return k, ev.get('pid'), ev.get('to')
    if k in ('proc.monitor', 'proc.demonitor'):
        return k, ev.get('pid'), ev.get('to'), ev.get('ref')
    if k == 'proc.down':
        return k, ev.get('pid'), ev.get('from'), ev.get('ref'), ev.get('reason')
    if k in ('proc.register', 'proc.unregister'):
        return k, ev.get('pid'), None, ev.get('name')
    if k == 'code.load':
        return k, None, None, ev.get('module'), ev.get('functions')
    if k == 'code.unload':
        return k, None, None, ev.get('module')
    if k == 'gc.end':
        return k, ev.get('pid'), None, bool(ev.get('major'))
    if k == 'msg.attempt':
        # What it was sent to; whom that was is said besides.
        why = 'alias' if ev.get('alias') else ev.get('dropped', 'none')
        return k, ev.get('pid'), ev.get('dest', ev.get('to')), ev.get('msg'), why
    if k == 'proc.hibernate':
        return k, ev.get('pid'), None, ev.get('mfa'), tuple(ev.get('args', ()))
    return None


def fact_key(f):
    t = f['t']
    if t == 'event':
        pid = None if f['pid'] == 'undefined' else f['pid']
        return detail_key(f['kind'], pid, f['says'])
    if t == 'send':
        return 'msg.send', f['from'], f['to'], f['msg']
    if t == 'recv':
        return 'msg.receive', f['pid'], f['from'], f['msg']
    if t == 'spawn':
        if 'args' not in f:
            return None
        return ('proc.spawn', f['pid'], f['child'], f['mfa'], tuple(f['args']),
                f['link'], f['monitor'])
    if t == 'exit':
        return 'proc.exit', f['pid'], None, f['reason']
    if t == 'exit_signal':
        return 'proc.exit_signal', f['pid'], f['to'], f['reason'], f['via']
    if t in ('link', 'unlink'):
        return 'proc.' + t, f['pid'], f['to']
    if t in ('monitor', 'demonitor'):
        return 'proc.' + t, f['pid'], f['to'], f['ref']
    if t == 'down':
        return 'proc.down', f['pid'], f['from'], f['ref'], f['reason']
    if t in ('register', 'unregister'):
        return 'proc.' + t, f['pid'], None, f['name']
    if t == 'attempt':
        return 'msg.attempt', f['from'], f['to'], f['msg'], f['dropped']
    if t == 'hibernate' and 'args' in f:
        return 'proc.hibernate', f['pid'], None, f['mfa'], tuple(f['args'])
    if t == 'code_load':
        return 'code.load', None, None, f['module'], f['functions']
    return None


def parties(ev):
    """Every process that takes part in an event."""
    return [ev[k] for k in ('pid', 'from', 'to', 'child') if isinstance(ev.get(k), str)]


def show(key):
    return ' '.join(str(x) if not isinstance(x, tuple) else f'[{", ".join(x)}]'
                    for x in key if x is not None)


# ---- the comparison ---------------------------------------------------------


class Truth:
    def __init__(self, lines):
        self.facts = [json.loads(line) for line in lines if line.strip()]
        self.own = {f['pid'] for f in self.facts if f['t'] == 'own'}
        self.kinds = {k for f in self.facts if f['t'] == 'check' for k in f['kinds']}
        self.failed = [f['why'] for f in self.facts if f['t'] == 'failed']
        self.may = [(f['kind'], f['pid'], f['other'], re.compile(f['re'], re.S))
                    for f in self.facts if f['t'] == 'maybe']
        self.aliases = {f['to']: f['process'] for f in self.facts if 'process' in f}
        self.modules = {f['module'] for f in self.facts if 'module' in f}

    def allows(self, key):
        return any(k == key[0] and p in ('any', key[1]) and o in ('any', key[2]) and
                   r.search(str(key[3]) if len(key) > 3 else '')
                   for k, p, o, r in self.may)


class Compare:
    def __init__(self, stream, truth, at_least=None, since_attach=False, lacks=()):
        self.stream, self.truth, self.at_least = stream, truth, at_least
        self.since_attach, self.lacks = since_attach, lacks
        self.faults = []
        self.seen = collections.Counter()
        self.missing = collections.Counter()  # kind -> how many
        self.loads = collections.Counter()  # module -> loads seen
        self.expected = collections.Counter()

    def run(self):
        if self.truth.failed:
            self.faults += [f'the workload failed: {w}' for w in self.truth.failed]
        self._available()
        self.events = [e for e in self.stream.events if e['kind'] in self.truth.kinds]
        self._take()
        self._spawns_in_part()
        self._hibernations_in_part()
        self._ranges()
        self._cut()
        self._multiset()
        self._pair_order()
        self._aliases()
        self._correlated()
        self._lives()
        self._collections()
        self._unloads()
        self._scheduling()
        self._heaps()
        self._calls()
        self._places()
        self._sockets()
        self._losses()
        return self.faults

    def _available(self):
        """What can't be had is said with a reason, and only what may lack."""
        attach = next((e for e in self.stream.events if e['kind'] == 'node.attach'), {})
        said = attach.get('unavailable', {})
        for kind, why in said.items():
            if kind not in self.lacks or not why:
                self.faults.append(f'{kind} is unavailable: {why}')
        for kind in sorted(self.truth.kinds - set(said)):
            if 'events' in attach and kind not in attach['events']:
                self.faults.append(f'{kind} is neither attached nor said to be unavailable')
        self.truth.kinds -= set(said)

    def _sockets(self):
        """The address of a port's socket, where it was found in time."""
        for f in self.truth.facts:
            if f['t'] != 'socket':
                continue
            said = collections.Counter(e['local'] for e in self.events
                                       if e.get('port') == f['port'] and 'local' in e)
            if set(said) != {f['local']}:
                self.faults.append(f'{f["port"]} is at {f["local"]}, events '
                                   f'say {dict(said)}')

    def _take(self):
        """The events that concern the truth, by key."""
        t = self.truth
        self.by_key = collections.defaultdict(list)
        for ev in self.events:
            k = ev['kind']
            if k in ('gc.end', 'heap.grow', 'call', 'code.unload', 'proc.info',
                     'sched.in', 'sched.out'):
                continue  # counted apart
            if k == 'code.load':
                if ev.get('module') not in t.modules:
                    continue
                ev = self._with_functions(ev)
            elif t.own.isdisjoint(parties(ev)):
                continue
            self.by_key[event_key(ev)].append(ev)

    def _with_functions(self, ev):
        """A module that was purged at once may be told without the number of
        its functions, if that is said; which load it is, the order tells."""
        module = ev['module']
        i = self.loads[module]
        self.loads[module] += 1
        said = [f['functions'] for f in self.truth.facts
                if f['t'] == 'code_load' and f['module'] == module]
        if ('functions' not in ev and i < len(said)
                and ev.get('unreadable', '').startswith('functions:')):
            return dict(ev, functions=said[i])
        return ev

    def _expect(self, kind, n=1):
        self.expected[kind] += n

    def _spawns_in_part(self):
        """Spawns of which the truth does not know everything."""
        by_child = collections.defaultdict(list)
        for key in self.by_key:
            if key[0] == 'proc.spawn':
                by_child[key[:4]].append(key)
        for f in self.truth.facts:
            if f['t'] != 'spawn' or 'args' in f or 'proc.spawn' not in self.truth.kinds:
                continue
            self._expect('proc.spawn')
            part = ('proc.spawn', f['pid'], f['child'], f['mfa'])
            keys = [k for k in by_child[part] if self.by_key[k]]
            if not keys:
                self._count(part, 0, 1)
                continue
            self.by_key[keys[0]].pop()

    def _hibernations_in_part(self):
        """Those of which the truth does not know the arguments."""
        for f in self.truth.facts:
            if f['t'] == 'hibernate' and 'args' not in f:
                self._expect('proc.hibernate')
                key = next((k for k, evs in self.by_key.items() if evs and
                            k[:4] == ('proc.hibernate', f['pid'], None, f['mfa'])), None)
                if key:
                    self.by_key[key].pop()
                else:
                    self._count(('proc.hibernate', f['pid'], f['mfa']), 0, 1)

    def _ranges(self):
        """Facts of many at once: each number once, in order."""
        wanted = [f for f in self.truth.facts if f['t'] in ('sends', 'recvs')]
        if not wanted:
            return
        pairs = collections.defaultdict(list)
        for key, evs in self.by_key.items():
            if key[0] in ('msg.send', 'msg.receive'):
                pairs[key[:3]].append(key)
        for f in wanted:
            kind = 'msg.send' if f['t'] == 'sends' else 'msg.receive'
            if kind not in self.truth.kinds:
                continue
            pair = (kind, f['from'], f['to']) if kind == 'msg.send' else (
                kind, f['pid'], f['from'])
            n = f['hi'] - f['lo'] + 1
            self._expect(kind, n)
            if "'$n'" in f['msg']:
                self._numbered(f, pair, pairs[pair])
            else:
                key = pair + (f['msg'],)
                have = len(self.by_key.get(key, ()))
                if self.since_attach:
                    have = n if 0 < have < n else have
                self._count(key, have, n)
                self.by_key[key] = []

    def _numbered(self, f, pair, keys):
        before, after = f['msg'].split("'$n'", 1)
        got = []
        for key in keys:
            text = key[3] or ''
            middle = text[len(before):len(text) - len(after)]
            if (text.startswith(before) and text.endswith(after) and
                    middle.isdigit() and f['lo'] <= int(middle) <= f['hi']):
                got += [(ev['id'], int(middle)) for ev in self.by_key[key]]
                self.by_key[key] = []
        got.sort()
        numbers = [n for _, n in got]
        counts = collections.Counter(numbers)
        for n, c in counts.items():
            if c > 1:
                self._extra(pair[0], pair + (f'{before}{n}{after}',), c - 1)
        first = f['lo']
        if self.since_attach and numbers:
            first = numbers[0]
            self.expected[pair[0]] -= first - f['lo']
        for n in range(first, f['hi'] + 1):
            if n not in counts:
                self._miss(pair[0], pair + (f'{before}{n}{after}',))
        wrong = [(a, b) for a, b in zip(numbers, numbers[1:]) if b < a]
        if wrong:
            self.faults.append(f'{show(pair)}: out of order {len(wrong)} times, '
                               f'first {wrong[0][1]} after {wrong[0][0]}')

    def _cut(self):
        """Terms longer than what is copied: right as far as they go."""
        for f in self.truth.facts:
            if f['t'] != 'send' or not f.get('cut') or 'msg.send' not in self.truth.kinds:
                continue
            self._expect('msg.send')
            found = None
            for key, evs in self.by_key.items():
                if key[:3] != ('msg.send', f['from'], f['to']) or not evs:
                    continue
                text = key[3] or ''
                if not evs[0].get('truncated') or '...' not in text:
                    continue
                start = text[:text.index('...')]
                if len(start) > 10 and self._starts(f['msg'], start):
                    found = key
            if found:
                self.by_key[found].pop()
            else:
                self._miss('msg.send', ('msg.send', f['from'], f['to'], 'cut off:',
                                        f['msg'][:60] + '…'))

    @staticmethod
    def _starts(whole, start):
        start = start.rstrip(',|" ')
        if '#{' in start:  # pairs come in any order
            return whole.startswith(start[:start.index('#{') + 2])
        return whole.startswith(start)

    def _multiset(self):
        want = collections.Counter()
        for f in self.truth.facts:
            key = fact_key(f)
            if key and key[0] in self.truth.kinds and not f.get('cut'):
                want[key] += f.get('n', 1)
                self._expect(key[0], f.get('n', 1))
                words = [ev.get('msg_words') for ev in self.by_key[key]]
                if 'words' in f and words and f['words'] not in words:
                    self.faults.append(f'{show(key)}: copied {words} words, '
                                       f'it has {f["words"]}')
        have = collections.Counter({k: len(v) for k, v in self.by_key.items() if v})
        self._same_but_for_maps(want, have)
        for key in want.keys() | have.keys():
            if key not in want and self.truth.allows(key):
                continue
            self._count(key, have[key], want[key])

    def _same_but_for_maps(self, want, have):
        """Give events whose terms differ in the order of map keys alone the
        key of their fact."""
        def canon(key):
            return tuple(canonical(x) if isinstance(x, str) else
                         tuple(map(canonical, x)) if isinstance(x, tuple) else x
                         for x in key)
        left = {}
        for key in want.keys() - have.keys():
            left.setdefault(canon(key), []).append(key)
        for key in list(have.keys() - want.keys()):
            for fact in left.get(canon(key), ())[:1]:
                have[fact] += have.pop(key)

    def _count(self, key, have, want):
        if have < want and self.since_attach:
            self._expect(key[0], have - want)
        elif have < want:
            self._miss(key[0], key, want - have)
        elif have > want:
            self._extra(key[0], key, have - want)

    def _miss(self, kind, key, n=1):
        self.missing[kind] += n
        self.seen['missing ' + kind] += 1
        if self.at_least is None and self.seen['missing ' + kind] <= SHOWN:
            self.faults.append(f'missing{times(n)}: {show(key)}')

    def _extra(self, kind, key, n=1):
        self.seen['extra ' + kind] += 1
        if self.seen['extra ' + kind] <= SHOWN:
            self.faults.append(f'extra{times(n)}: {show(key)}')

    def _pair_order(self):
        """What one process sent to another arrives in the order of sending."""
        ranged = {(f.get('from'), f.get('to')) for f in self.truth.facts if f['t'] == 'sends'}
        want, have = collections.defaultdict(list), collections.defaultdict(list)
        for f in self.truth.facts:
            if f['t'] == 'send' and not f.get('cut') and (f['from'], f['to']) not in ranged:
                want[f['from'], f['to']].append(f['msg'])
        for ev in self.events:
            if ev['kind'] == 'msg.send':
                pair = sender(ev), receiver(ev)
                if pair in want:
                    have[pair].append(ev.get('msg') or '')
        for pair, texts in want.items():
            # What is missing or extra has been said; the rest is in order.
            known = collections.Counter(texts) & collections.Counter(have[pair])
            a = kept(texts, known)
            b = kept(have[pair], known)
            if a != b:
                i = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
                self.faults.append(f'order of {pair[0]} to {pair[1]}: at {i} '
                                   f'{b[i]!r} instead of {a[i]!r}')

    def _aliases(self):
        """Where the process behind an alias is named, it is the right one."""
        bad = []
        for ev in self.events:
            if ev['kind'] == 'msg.send' and ev.get('alias') and 'to' in ev:
                right = self.truth.aliases.get(receiver(ev), ev['to'])
                if right != ev['to']:
                    bad.append(f'alias of {right}: {brief(ev)}')
        self.faults += limited(bad)

    def _correlated(self):
        """A receive has the corr of the send of that very message, or none;
        wait_ns is the time between both."""
        sends, taken, bad = {}, set(), []
        for ev in self.stream.events:
            corr = ev.get('corr')
            if corr is None:
                continue
            if ev['kind'] == 'msg.send':
                if corr in sends:
                    bad.append(f'two sends have one corr: {brief(ev)} {corr}')
                sends[corr] = ev
            elif ev['kind'] == 'msg.receive' and corr in sends:
                sent = sends[corr]
                if corr in taken:
                    bad.append(f'two receives have one corr: {brief(ev)} {corr}')
                taken.add(corr)
                if (sent.get('to', ev['pid']) != ev['pid'] or
                        not same_text(sent.get('msg') or '', ev.get('msg') or '')):
                    bad.append(f'corr of another message: {brief(ev)} and {brief(sent)}')
                elif 'wait_ns' in ev and ev['wait_ns'] != ev['mono'] - sent['mono']:
                    bad.append(f'wait_ns is not the time since {sent["mono"]}: {brief(ev)}')
        self.correlated = len(taken)
        self.faults += limited(bad)

    def _lives(self):
        """A process does nothing before its spawn or after its end."""
        born, dead, bad = {}, {}, []
        for i, ev in enumerate(self.events):
            if ev['kind'] == 'proc.spawn':
                born.setdefault(ev.get('child'), i)
            elif ev['kind'] == 'proc.exit':
                if ev.get('pid') in dead and ev['pid'] in self.truth.own:
                    bad.append(f'ended twice: {brief(ev)}')
                dead.setdefault(ev.get('pid'), i)
        for i, ev in enumerate(self.events):
            if ev['kind'] not in ('msg.send', 'msg.receive', 'proc.spawn', 'proc.exit'):
                continue
            who = ev.get('pid') if ev['kind'] != 'msg.send' else sender(ev)
            if who not in self.truth.own:
                continue
            if i < born.get(who, -1):
                bad.append(f'before its spawn: {brief(ev)}')
            if i > dead.get(who, i):
                bad.append(f'after its end: {brief(ev)}')
        self.faults += limited(bad)

    def _collections(self):
        have = collections.Counter(event_key(e)[1:4:2] for e in self.events
                                   if e['kind'] == 'gc.end')
        for f in self.truth.facts:
            if f['t'] == 'gc':
                self._expect('gc.end', f['n'])
                n = have[f['pid'], f['major']]
                if n != f['n']:
                    self.faults.append(f'gc.end of {f["pid"]}, major {f["major"]}: '
                                       f'{n} instead of {f["n"]}')
            if f['t'] == 'gc_dirty':
                if not any(e['kind'] == 'gc.end' and e.get('pid') == f['pid'] and
                           e.get('dirty') for e in self.events):
                    self.faults.append(f'gc.end of {f["pid"]}: none is dirty')
            if f['t'] == 'gc_between':
                self._between(f)

    def _between(self, f):
        """All collections of the node between two messages."""
        n, inside = 0, False
        for ev in self.stream.events:
            if ev['kind'] == 'msg.send' and ev.get('msg') in (f['first'], f['last']):
                inside = ev['msg'] == f['first']
            n += inside and ev['kind'] == 'gc.end'
        self._expect('gc.end', f['n'])
        if n != f['n']:
            self.faults.append(f'gc.end between the markers: {n} instead of {f["n"]}')

    def _heaps(self):
        held = collections.defaultdict(list)
        for ev in self.events:
            if ev['kind'] == 'proc.hibernate':
                held[ev['pid']].append(ev.get('heap_size_after_words'))
        for f in self.truth.facts:
            if f['t'] == 'hibernated':
                have = held[f['pid']].pop(0) if held[f['pid']] else None
                if have != f['words']:
                    self.faults.append(f'{f["pid"]} hibernates in {have} words, not {f["words"]}')
            if f['t'] == 'heap':
                want = [(s['before'], s['then']) for s in f['sizes']]
                have = [ev for ev in self._between_sends(f, 'to')
                        if ev['kind'] == 'heap.grow' and ev.get('pid') == f['pid']]
                self._expect('heap.grow', len(want))
                wrong = [ev for ev in have if ev['grew'] !=
                         (ev['heap_block_after_words'] > ev['heap_block_before_words'])]
                self.faults += limited([f'grew is wrong: {brief(ev)}' for ev in wrong])
                have = [(ev['heap_block_before_words'], ev['heap_block_after_words'])
                        for ev in have]
                if have != want:
                    self.faults.append(f'heap of {f["pid"]} {f["first"]}: {have} instead of {want}')

    def _calls(self):
        have = collections.defaultdict(list)
        for ev in self.events:
            if ev['kind'] == 'call' and ev.get('pid') in self.truth.own:
                if ev.get('dirty', False) != ev['type'].startswith('dirty'):
                    self.faults.append(f'dirty is wrong: {brief(ev)}')
                have[ev['pid'], ev.get('mfa'), ev['type']].append(ev['duration_ns'])
        for f in self.truth.facts:
            if f['t'] != 'calls':
                continue
            self._expect('call', f['n'])
            ns = have.pop((f['pid'], f['mfa'], f['type']), [])
            if len(ns) != f['n']:
                self.faults.append(f'{len(ns)} calls of {f["type"]} {f["mfa"]} in {f["pid"]}, '
                                   f'not {f["n"]}')
            if min(ns, default=f['ns']) < f['ns']:
                self.faults.append(f'{f["mfa"]} took {min(ns)} ns, less than {f["ns"]}')
        for (pid, mfa, kind), ns in have.items():
            self.faults.append(f'{len(ns)} calls of {kind} {mfa} in {pid} that it did not make')

    def _unloads(self):
        have = collections.Counter(e.get('module') for e in self.events
                                   if e['kind'] == 'code.unload')
        for f in self.truth.facts:
            if f['t'] == 'code_unload':
                self._expect('code.unload')
                if not have[f['module']]:
                    self.faults.append(f'no code.unload of {f["module"]}')

    def _places(self):
        """Where processes stood when they were introduced."""
        have = {e['pid']: e.get('current') for e in self.events if e['kind'] == 'proc.info'}
        wrong = []
        for f in self.truth.facts:
            if f['t'] == 'at':
                self._expect('proc.info')
                if have.get(f['pid']) != f['mfa']:
                    wrong.append(f'{f["pid"]} was in {f["mfa"]}, not {have.get(f["pid"])}')
        self.faults += limited(wrong)

    def _scheduling(self):
        if 'sched.out' not in self.truth.kinds:
            return
        runs = collections.defaultdict(list)
        # Where a scheduler slept in the function that is probed, its first
        # return was not seen: who it took up is known from the leaving alone.
        self.unseen, schedulers = {}, set()
        for ev in self.events:
            if ev['kind'] in ('sched.in', 'sched.out'):
                runs[ev.get('pid')].append(ev)
                if ev['scheduler'] not in schedulers and ev['kind'] == 'sched.out':
                    self.unseen[ev['id']] = ev
                schedulers.add(ev['scheduler'])
        for pid, evs in runs.items():
            self.faults += limited(self._runs(pid, evs))
        for f in self.truth.facts:
            if f['t'] == 'sched':
                self._told(f)
                self._wakes(f['pid'], runs[f['pid']])
            elif f['t'] == 'sched_left':
                n = sum(ev.get('state') == f['state'] for ev in runs[f['pid']])
                if n < f['n']:
                    self.faults.append(f'{f["pid"]} was left {f["state"]} {n} times, not {f["n"]}')
            elif f['t'] == 'sched_reds':
                self._reductions(f)
            elif f['t'] == 'sched_own':
                self._expect('sched.in')
                evs = runs[f['pid']]
                ends = [ev['kind'] for ev in evs[:1] + evs[-1:]]
                if evs and evs[0]['id'] in self.unseen:
                    ends[0] = 'sched.in'
                if ends != ['sched.in', 'sched.out'] or evs[-1]['state'] != 'exiting':
                    self.faults.append(f'{f["pid"]}: not all of its runs: {ends}')

    def _runs(self, pid, evs):
        """In, out, in, out; durations are those between the events."""
        bad = []
        for a, b in zip(evs, evs[1:]):
            gap = b['mono'] - a['mono']
            if b['id'] in self.unseen:
                if 'run_ns' in b:
                    bad.append(f'run_ns of what was not seen: {brief(b)}')
            elif a['kind'] == b['kind']:
                bad.append(f'{pid}: twice the same: {brief(a)} {brief(b)}')
            elif b['kind'] == 'sched.out' and b.get('run_ns') != gap:
                bad.append(f'run_ns is not {gap}: {brief(b)}')
            elif b['kind'] == 'sched.out' and a.get('scheduler') != b.get('scheduler'):
                bad.append(f'left by another scheduler: {brief(a)} {brief(b)}')
            elif b['kind'] == 'sched.in' and b.get('wait_ns', 0) > gap:
                bad.append(f'waited longer than it was out: {brief(b)}')
            elif (b['kind'] == 'sched.in' and b.get('wait_ns') != gap and
                  a.get('state') in ('runnable', 'dirty_cpu', 'dirty_io', 'dirty_gc')):
                bad.append(f'wait_ns is not {gap}: {brief(b)}')
        return bad

    def _between_sends(self, f, who):
        """The events between the first and the last message of a fact."""
        inside = False
        for ev in self.stream.events:
            if ev['kind'] == 'msg.send' and ev.get(who) == f['pid'] and (
                    ev.get('msg') in (f['first'], f['last'])):
                inside = ev['msg'] == f['first']
            elif inside:
                yield ev

    def _told(self, f):
        """What the tracer was told, in that order, is what was seen."""
        have, want = [], [(e['how'], e['mfa']) for e in f['told']]
        for ev in self._between_sends(f, 'to'):
            if ev['kind'] in ('sched.in', 'sched.out') and ev.get('pid') == f['pid']:
                if ev['id'] in self.unseen:
                    have.append(want[len(have)] if len(have) < len(want) else None)
                have.append((ev['kind'].removeprefix('sched.'), ev.get('mfa', '')))
        # That its tracing ends is a signal to it, which is handled while it
        # waits: the tracer is told, but it does not run.
        while (len(want) > max(len(have), 2) and want[-1] == want[-3] and
               want[-2] == ('in', want[-1][1])):
            del want[-2:]
        self._expect('sched.in', sum(how == 'in' for how, _ in want))
        self._expect('sched.out', sum(how == 'out' for how, _ in want))
        if not want:
            self.faults.append(f'the tracer was told nothing of {f["pid"]}')
        if have != want:
            i = next((i for i, (x, y) in enumerate(zip(have, want)) if x != y),
                     min(len(have), len(want)))
            self.faults.append(f'{f["pid"]} {f["first"]}: {len(have)} of {len(want)}, at {i} '
                               f'{have[i:i + 3]} instead of {want[i:i + 3]}')

    def _wakes(self, pid, evs):
        """Where a message or a timer woke it, how long it was queued then is
        known, but for a waking in the moment of falling asleep."""
        woken = [b for a, b in zip(evs, evs[1:]) if b['kind'] == 'sched.in' and
                 a.get('state') in ('waiting', 'hibernating')]
        known = sum('wait_ns' in ev for ev in woken)
        if known * 2 < len(woken):
            self.faults.append(f'{pid}: wait_ns is known of {known} of {len(woken)}')

    def _reductions(self, f):
        n = sum(ev['reductions'] for ev in self._between_sends(f, 'pid')
                if ev['kind'] == 'sched.out' and ev.get('pid') == f['pid'])
        if n != f['n']:
            self.faults.append(f'{f["pid"]}: {n} reductions instead of {f["n"]}')

    def _losses(self):
        """With losses allowed: what is missing was said to be lost."""
        lost = self.stream.lost()
        if self.at_least is None:
            if lost:
                self.faults.append(f'lost events: {lost}')
            for what, n in sorted(self.seen.items()):
                if n > SHOWN:
                    self.faults.append(f'… {what}: {n} different ones in all')
            return
        for kind, n in self.missing.items():
            if n > lost.get(kind, 0):
                self.faults.append(f'{kind}: {n} are missing, {lost.get(kind, 0)} '
                                   'were reported lost')
            if (self.expected[kind] - n) * 100 < self.at_least * self.expected[kind]:
                self.faults.append(f'{kind}: only {self.expected[kind] - n} of '
                                   f'{self.expected[kind]} delivered')


def kept(texts, counts):
    left = collections.Counter(counts)
    out = []
    for text in texts:
        if left[text] > 0:
            left[text] -= 1
            out.append(text)
    return out


def times(n):
    return f' {n} times' if n > 1 else ''


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--kinds', metavar='LIST')
    ap.add_argument('--at-least', type=float, metavar='PCT')
    ap.add_argument('--since-attach', action='store_true')
    ap.add_argument('--unavailable', metavar='LIST', default='')
    ap.add_argument('stream')
    ap.add_argument('truth', nargs='?')
    args = ap.parse_args()
    with open(args.stream, encoding='utf-8', errors='surrogateescape') as f:
        stream = Stream(f)
    faults = stream.check()
    says = f'{len(stream.events)} events'
    if args.truth:
        with open(args.truth, encoding='utf-8') as f:
            truth = Truth(f)
        if args.kinds:
            truth.kinds &= set(args.kinds.split(','))
        cmp = Compare(stream, truth, args.at_least, args.since_attach,
                      args.unavailable.split(','))
        faults += cmp.run()
        says += ', ' + ', '.join(f'{n} {k}' for k, n in sorted(cmp.expected.items()))
        for f in truth.facts:
            if f['t'] == 'rate' and f['ns']:
                says += f'; {f["n"] * 10**9 // f["ns"]} {f["what"]} a second'
        if cmp.correlated:
            says += f'; {cmp.correlated} receives matched to their sends'
        if cmp.missing:
            says += f'; missing {dict(cmp.missing)}'
    if stream.summary and stream.lost():
        says += f'; lost {stream.lost()}'
    print(says)
    for fault in faults:
        print('  ' + fault)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
