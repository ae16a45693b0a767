#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare what scope-bpf stack says with what the node says of its stacks.

usage: stacks.py STACKS TRUTH [AT_LEAST]

STACKS is the output of `stack --json`, TRUTH that of tests/live/erl/stacks.erl.
Places are held against current_stacktrace, which leaves out frames that repeat
the one before; how many frames there are, and what is in registers, against the
text of backtrace. A value that was cut (...) must begin and go on as the
node's does. AT_LEAST processes must have been compared.
"""

import json
import re
import sys

RETURN = re.compile(r"^0x[0-9a-f]+ Return addr 0x[0-9a-f]+ \((.*)\)$")
REGISTER = re.compile(r"^y\((\d+)\) +(.*)$")
DEPTH_MAX = 64  # of current_stacktrace: MAX_BACKTRACE_SIZE
CATCH = re.compile(r"^Catch 0x[0-9a-f]+ \(.*\)$")


def backtrace(text):
    """A list of registers for each frame, the last of which ends the process."""
    frames = [[]]
    for line in text.split("\n"):
        found = REGISTER.match(line)
        if found:
            value = found.group(2)
            frames[-1].append("catch" if CATCH.match(value) else value)
            continue
        # Before the first return address, registers are not numbered.
        found = re.match(r"^0x[0-9a-f]+ (.*)$", line)
        if not found:
            continue
        code = RETURN.match(line)
        # A frame pointer is printed as if it were one, too.
        if code and code.group(1) in ("unknown function", "invalid"):
            continue
        if code:
            frames.append([])
        elif CATCH.match(found.group(1)):
            frames[-1].append("catch")
        else:
            frames[-1].append(found.group(1))
    return frames


def same(ours, theirs):
    """Whether a term is the node's, as far as it was copied."""
    if ours == theirs:
        return True
    # The node's text is of another printer: no spaces, no cut, other escapes.
    def plain(s):
        return re.sub(r"[\s']", "", s)

    parts = [re.escape(p) for p in plain(ours).split("...")]
    pattern = ".*".join(parts)
    return re.fullmatch(pattern, plain(theirs), re.S) is not None


def opaque(value):
    """Terms that the node's printer shows otherwise, or in its own way."""
    return any(mark in value for mark in ("#Fun<", "fun ", "#Ref<", "#{", "<<",
                                          "\\", "#Port", "e+", "."))


def runs(frames):
    out = []
    for frame in frames:
        if not out or out[-1] != frame:
            out.append(frame)
    return out


def main(stacks, truth, at_least=10):
    ours = {}
    for line in open(stacks, encoding="utf-8"):
        one = json.loads(line)
        ours[one["pid"]] = one
    bad, compared, values, loose = [], 0, 0, 0
    for line in open(truth, encoding="utf-8"):
        fact = json.loads(line)
        if fact.get("t") != "stack":
            continue
        got = ours.get(fact["pid"])
        if not got:
            bad.append(f"{fact['pid']}: not there")
            continue
        compared += 1
        who = f"{fact['pid']} {fact['name']}"
        if got.get("name", "") != fact["name"]:
            bad.append(f"{who}: named {got.get('name')}")
        if not got["complete"] or got["torn"] or got["truncated"]:
            bad.append(f"{who}: {json.dumps(got)[-90:]}")
        places = [(f["mfa"], f.get("file", ""), f.get("line", 0))
                  for f in got["frames"] if "mfa" in f and "from" not in f]
        want = [(f["mfa"], f["file"], f["line"]) for f in fact["trace"]]
        mine, theirs = runs(places), runs(want)
        if len(want) >= DEPTH_MAX:
            mine = mine[:len(theirs)]
        if mine != theirs:
            bad.append(f"{who}: is at {mine}, not {theirs}")
        words = backtrace(fact["backtrace"])
        if len(words) - 1 != len(got["frames"]):
            bad.append(f"{who}: {len(got['frames'])} frames, not {len(words) - 1}")
            continue
        for i, (frame, regs) in enumerate(zip(got["frames"], words)):
            if len(frame["y"]) != len(regs):
                bad.append(f"{who}: frame {i} has {frame['y']}, not {regs}")
                break
            for mine, theirs in zip(frame["y"], regs):
                values += 1
                if same(mine, theirs):
                    continue
                if opaque(theirs):
                    loose += 1
                    continue
                bad.append(f"{who}: frame {i}: {mine} is not {theirs}")
    for text in bad[:20]:
        print(text[:1500])
    print(f"{compared} processes, {values} values, {loose} that are printed "
          f"otherwise, {len(bad)} differences")
    return 1 if bad or compared < int(at_least) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
