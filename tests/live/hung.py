#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold what `stack --hung --json` says against what tests/live/erl/stuck.erl did.

usage: hung.py PHASE OUTPUT, PHASE being waits, loop, nif or stopped.
"""

import json
import sys


def name(who):
    return who.get("name") or who["pid"]


def mfas(row):
    return [f.get("mfa") for f in row.get("process", {}).get("frames", [])]


def main(phase, path):
    text = open(path, encoding="utf-8").read()
    said = json.loads(text)
    bad = []

    def check(ok, text):
        if not ok:
            bad.append(text)

    check(text.count("\n") == 1, "not one line")
    rows = {r["scheduler"]: r for r in said["schedulers"] if r["type"] == "normal"}
    waits = {name(w): w for w in said["waits"]}
    why = {}
    for c in said["culprits"]:
        why.setdefault(c["why"], set()).add(name(c))
    check(set(rows) == {1, 2}, f"schedulers {set(rows)}")
    check(said["stopped"] == (phase == "stopped"), "stopped or not")

    # Whoever waits does so all the time.
    for who, on in (("s_a", "s_b"), ("s_b", "s_a"), ("s_c", "s_a"),
                    ("s_first", "s_busy"), ("s_second", "s_busy")):
        w = waits.get(who, {})
        check(w.get("on_name") == on, f"{who} waits for {w}")
    check({n for n, w in waits.items() if w["cycle"]} == {"s_a", "s_b"}, "cycle")
    check(not waits["s_first"]["queued"], "s_busy works for s_first")
    check(waits["s_second"]["queued"], "s_second is queued")
    check(waits["s_c"]["queued"], "s_c is queued")
    check(why.get("cycle") == {"s_a", "s_b"}, f"culprits {why}")
    check(why.get("awaited") == {"s_busy"}, f"culprits {why}")

    if phase == "loop":
        for r in rows.values():
            check(r["does"] == "keeps", f"scheduler {r['scheduler']} {r['does']}")
            check("stuck:loops/1" in mfas(r), f"is at {mfas(r)}")
        check(len(why.get("keeps", ())) == 2 and said["all_taken"], f"culprits {why}")
    if phase in ("nif", "stopped"):
        for n, does, top, c in ((1, "blocked", "stuck:asleep/1", "stuck_asleep"),
                                (2, "spins", "stuck:busy/1", "stuck_busy")):
            r = rows[n]
            process = r.get("process", {})
            if phase == "stopped":
                does = "stopped"
            # On a machine that is busy otherwise it may get next to no CPU time.
            if does == "spins" and r["cpu"] < 0.04:
                does = "starved"
            check(r["does"] == does, f"scheduler {n} {r['does']}, not {does}")
            check(r["for_ns"] > 0, "for how long")
            check("queue" in r, "no queue")
            check(mfas(r)[:1] == [top], f"scheduler {n} is at {mfas(r)}")
            check(c in process.get("native", []), f"native {process.get('native')}")
            kept = [y for f in process.get("frames", []) for y in f["y"]]
            check(any("kept" in y for y in kept), f"scheduler {n} keeps {kept}")
            check(process.get("complete"), f"scheduler {n}: not complete")
        stuck = [n for w in ("blocked", "spins", "stopped") for n in why.get(w, ())]
        want = sum(r["does"] != "starved" for r in rows.values())
        check(len(stuck) == want, f"culprits {why}")
        if phase == "nif":
            check(said["all_taken"] == (want == 2), "all taken or not")
        dirty = [r for r in said["schedulers"] if r["type"] == "dirty_io"]
        check(len(dirty) == 1 and "stuck:asleep_dirty/1" in mfas(dirty[0]),
              f"dirty: {dirty}")
        check(dirty and "stuck_asleep" in dirty[0].get("process", {}).get("native", []),
              f"dirty: {dirty}")
    for text in bad:
        print(text)
    print(f"{phase}: {len(bad)} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
