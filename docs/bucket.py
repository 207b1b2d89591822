#!/usr/bin/env python3
"""The bucket of a session, without Crossfade: bucket.py SALT KEY VALUE

XXH64 (seed 0) of SALT 0x00 KEY 0x00 VALUE in UTF-8, modulo 10000. A session is
in the canary iff its bucket is below 100 times the share in percent.
"""
import sys

P = (11400714785074694791, 14029467366897019727, 1609587929392839161,
     9650029242287828579, 2870177450012600261)
M = (1 << 64) - 1


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & M


def round_(acc, lane):
    return rotate((acc + lane * P[1]) & M, 31) * P[0] & M


def xxh64(data):
    at, n = 0, len(data)
    word = lambda i, size: int.from_bytes(data[i:i + size], "little")
    if n >= 32:
        v = [(P[0] + P[1]) & M, P[1], 0, -P[0] & M]
        while at + 32 <= n:
            v = [round_(v[i], word(at + 8 * i, 8)) for i in range(4)]
            at += 32
        h = sum(rotate(x, r) for x, r in zip(v, (1, 7, 12, 18))) & M
        for x in v:
            h = ((h ^ round_(0, x)) * P[0] + P[3]) & M
    else:
        h = P[4]
    h = (h + n) & M
    while at + 8 <= n:
        h = (rotate(h ^ round_(0, word(at, 8)), 27) * P[0] + P[3]) & M
        at += 8
    if at + 4 <= n:
        h = (rotate(h ^ word(at, 4) * P[0] & M, 23) * P[1] + P[2]) & M
        at += 4
    for b in data[at:]:
        h = rotate(h ^ b * P[4] & M, 11) * P[0] & M
    for shift, p in ((33, P[1]), (29, P[2])):
        h = (h ^ h >> shift) * p & M
    return h ^ h >> 32


if __name__ == "__main__":
    print(xxh64(b"\0".join(a.encode() for a in sys.argv[1:4])) % 10000)
