#!/usr/bin/env python3
"""doctor_check.py DOCTOR STREAM: what `doctor --json` says will work must be
what node.attach of a stream says does work, from the same sources; and its
figures must hold together."""
import json
import sys

bad = []


def want(ok, text):
    if not ok:
        bad.append(text)


doctor = json.load(open(sys.argv[1]))
attach = None
for line in open(sys.argv[2]):
    ev = json.loads(line)
    if ev["kind"] == "node.attach":
        attach = ev
        break

events = {e["kind"]: e for e in doctor["node"]["events"]}
on = {k: v for k, v in attach["events"].items() if k != "proc.info"}
off = attach.get("unavailable", {})
want({k for k, e in events.items() if e["available"]} == set(on),
     f"available: {sorted(k for k, e in events.items() if e['available'])}, "
     f"attached: {sorted(on)}")
want({k for k, e in events.items() if not e["available"]} == set(off),
     f"not available: {sorted(k for k, e in events.items() if not e['available'])}"
     f", not attached: {sorted(off)}")
for kind, source in on.items():
    want(events.get(kind, {}).get("source") == source,
         f"{kind}: {events.get(kind)} is not from {source}")
for kind, why in off.items():
    want(events.get(kind, {}).get("why") == why, f"{kind}: {why}")
    want(events.get(kind, {}).get("fix"), f"{kind}: no fix")

costs = doctor["host"]["costs"]
want(costs["from"] == "measured", f"costs are {costs['from']}")
nop = costs["uprobe_ns"]["nop"]["ns"]
for insn, c in costs["uprobe_ns"].items():
    if insn != "other" and c["ns"]:
        want(c["emulated"] == (c["ns"] < 1.5 * nop), f"{insn}: {c}, nop {nop}")
for name in ("pair", "usdt", "record", "contents", "call"):
    want(costs["ns"][name], f"{name} was not measured")
for e in events.values():
    for s in e.get("sites", []):
        want(s["ns"] > 0 and e["ns"] >= s["ns"] / 2, f"cost of {e}")
        want(s["emulated"] == costs["uprobe_ns"][s["insn"]]["emulated"]
             or "return" in s["at"] or "+0" in s["at"], f"site {s}")
for c in doctor["host"]["checks"] + doctor["host"]["capabilities"]:
    want(c["state"] in ("yes", "limited", "no", "unknown", "info"), f"{c}")
    want(c["state"] in ("yes", "info") or c.get("fix"), f"no fix: {c}")
    want(not c["needed"] or c["state"] == "yes", f"needed: {c}")
node = doctor["node"]
for key in ("otp", "erts", "flavor"):
    want(node[key] == attach[key], f"{key}: {node[key]}, {attach[key]}")
want(node["build_id"] == attach["stats"]["build_id"], "build-id")
want(node["processes"] > 10, "processes")
want(doctor["ok"] == node["ok"] == all(e["available"] or not e["needed"]
                                       for e in events.values()), "ok")
for text in bad:
    print(text)
print(f"{len(events)} kinds, {len(on)} of them available")
sys.exit(1 if bad else 0)
