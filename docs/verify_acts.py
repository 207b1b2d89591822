#!/usr/bin/env python3
"""Checks the chain of acts that `crossfade audit export` wrote (docs/evidence.md).

    python3 verify_acts.py < acts.jsonl

Exit 0: every record holds. Compare the number and the head with what was noted
elsewhere: a file cannot show that its end is missing. Exit 1: a record does not.
"""
import hashlib
import json
import sys

Number = type("Number", (str,), {})  # a number as it was written


def members(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("it has one name twice")
    return dict(pairs)


def refuse(name):
    raise ValueError(name + " is not JSON")


def canonical(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(canonical(k) + ":" + canonical(value[k]) for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # a string, true, false, null


def fault(text, seq, head):
    """What is wrong with a line ("" for nothing), and its hash."""
    if len(text) > 512 * 1024:
        return "the line is too long", ""
    try:
        record = json.loads(text.decode(), object_pairs_hook=members, parse_int=Number, parse_float=Number, parse_constant=refuse)
        claimed = record.pop("hash", None)
        found = hashlib.sha256(canonical(record).encode()).hexdigest()
    except (ValueError, AttributeError, TypeError, RecursionError) as e:
        return "the line cannot be read: %s" % e, ""
    if record.get("seq") != Number(seq):
        return "record %d is not in its place" % seq, ""
    if record.get("prev") != head:
        return "prev is not the hash of the record before", ""
    return "" if claimed == found else "hash is not the hash of what the record says", found


count, head = 0, "0" * 64
for line in sys.stdin.buffer:
    why, found = fault(line, count + 1, head)
    if why:
        print("broken at record %d: %s" % (count + 1, why))
        sys.exit(1)
    count, head = count + 1, found
print("ok: %d records, head %s" % (count, head))
