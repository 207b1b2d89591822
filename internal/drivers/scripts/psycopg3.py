"""psycopg 3 with a registered enum, composite and range. Its connection comes from the PG* environment."""
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
import psycopg
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.range import Range, RangeInfo, register_range

BY = "'answered by ' || inet_server_port() AS answered"
Mood = Enum("Mood", {"sad": "sad", "ok": "ok", "happy": "happy"}, type=str)

def section(name):
    print("==", name)

def next_round():
    print("-- next", flush=True)
    sys.stdin.readline()

def show(cursor):
    """The numbers that the driver was given, and the rows as it has them."""
    result = cursor.pgresult
    for i, c in enumerate(cursor.description or ()):
        print(c.name, "type", c.type_code, "table", result.ftable(i), "column", result.ftablecol(i), "typmod", result.fmod(i))
    for row in cursor.fetchall():
        print(row)

def ask(statement, values=None, **options):
    show(conn.execute(statement, values, **options))

conn = psycopg.connect(autocommit=True)
for fetch, register, name, options in ((EnumInfo, register_enum, "mood", {"enum": Mood}),
                                       (CompositeInfo, register_composite, "place", {}),
                                       (RangeInfo, register_range, "span", {})):
    info = fetch.fetch(conn, name)
    print("registered", info.name, info.oid, info.array_oid)
    register(info, conn, **options)
    if name == "place":
        Place = info.python_type

for number in (1, 2, 3):
    for binary in (False, True):
        form = "binary" if binary else "text"
        section("plain, " + form)
        ask("SELECT id, label, price, cost, stock, made, tags, extra, " + BY + " FROM items WHERE id <= %s ORDER BY id", (4,), prepare=True, binary=binary)
        section("plain join, " + form)
        ask("SELECT v.note, i.label, c.price, p.name, " + BY + " FROM visits v JOIN items i USING (id) JOIN cheap c USING (id) JOIN people p USING (id) ORDER BY 1", binary=binary)
        section("types, " + form)
        ask("SELECT id, name, feels, felt, best, home, homes, open, opens, " + BY + " FROM people ORDER BY id", prepare=True, binary=binary)
        section("types of one column, " + form)
        for column in ("feels", "felt", "best", "home", "homes", "open", "opens"):
            ask("SELECT id, " + column + ", " + BY + " FROM people ORDER BY id", binary=binary)
        section("types as parameters, " + form)
        ask("SELECT id, " + BY + " FROM people WHERE feels = %s", (Mood.happy,), prepare=True, binary=binary)
        ask("SELECT id, " + BY + " FROM people WHERE felt @> %s", ([Mood.ok],), binary=binary)
        ask("SELECT id, " + BY + " FROM people WHERE home = %s", (Place("High Street", 3, Mood.ok),), binary=binary)
        ask("SELECT id, " + BY + " FROM people WHERE open && %s::span", (Range(Decimal(2), Decimal(3), "[)"),), binary=binary)
        ask("SELECT %s::mood, %s::mood[], %s::place, " + BY, (Mood.sad, [Mood.ok], Place("x", 1, Mood.sad)), binary=binary)
        section("types, new statements, " + form)
        ask(f"SELECT feels AS feels_{number}, home AS home_{number}, " + BY + " FROM people ORDER BY id", binary=binary)
        for expression in ("'ok'::mood", "ARRAY['ok'::mood]", "ROW('x', 1, 'sad')::place"):
            ask(f"SELECT {expression} AS expression_{number}, " + BY, binary=binary)
        ask(f"SELECT %s::mood AS mood_{number}, " + BY, ("happy",), binary=binary)
        ask(f"SELECT count(*) AS count_{number}, " + BY + " FROM people WHERE feels = %s", ("happy",), binary=binary)
    section("types in a copy")
    with conn.cursor() as cursor, cursor.copy("COPY (SELECT feels, felt, home FROM people ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        print(b"".join(copy))
    section("numbers of the catalog")
    ask("SELECT 'mood'::regtype::oid, 'items'::regclass::oid, pg_typeof('ok'::mood)::oid, 'place[]'::regtype::oid, " + BY)
    ask("SELECT t.typname, t.oid, t.typarray, " + BY + " FROM pg_type t WHERE t.typname IN ('mood', 'place', 'span', 'spirit', 'euro', 'people') ORDER BY 1")
    ask("SELECT tableoid, id, " + BY + " FROM items ORDER BY id LIMIT 2")
    section("plain in a transaction")
    with conn.transaction():
        ask("SELECT count(*), sum(price), " + BY + " FROM items")
        ask("SELECT label, " + BY + " FROM items WHERE id = %s", (7,))
    section("types in a transaction")
    with conn.transaction():
        ask("SELECT feels, home, " + BY + " FROM people ORDER BY id")
    next_round()
