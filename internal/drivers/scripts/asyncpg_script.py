"""asyncpg, which asks the catalogs by itself. Its connection comes from the PG* environment."""
import asyncio, sys
import asyncpg

BY = "'answered by ' || inet_server_port() AS answered"

def section(name):
    print("==", name)

def next_round():
    print("-- next", flush=True)
    sys.stdin.readline()

async def ask(conn, text, *values):
    statement = await conn.prepare(text)
    for p in statement.get_parameters():
        print("parameter", p.name, p.oid, p.kind)
    for a in statement.get_attributes():
        print(a.name, "type", a.type.oid, a.type.name, a.type.kind)
    for row in await statement.fetch(*values):
        print(tuple(row))

async def main():
    conn = await asyncpg.connect(ssl=False)
    for number in (1, 2, 3):
        section("plain")
        await ask(conn, "SELECT id, label, price, cost, stock, made, tags, extra, " + BY + " FROM items WHERE id <= $1 ORDER BY id", 4)
        print(await conn.fetchval("SELECT " + BY))
        section("plain, the driver's own cache of statements")
        for n in (1, 2):
            print(await conn.fetch("SELECT label, price, " + BY + " FROM items WHERE id = $1", n))
        section("types")
        await ask(conn, "SELECT id, name, feels, felt, best, home, homes, open, opens, " + BY + " FROM people ORDER BY id")
        section("types with a codec of the program's")
        await conn.set_type_codec("mood", encoder=str.lower, decoder=str.upper, schema="public")
        await ask(conn, "SELECT id, feels, felt, " + BY + " FROM people WHERE feels = $1", "HAPPY")
        await conn.reset_type_codec("mood", schema="public")
        section("types of one column")
        for column in ("feels", "felt", "best", "home", "homes", "open", "opens"):
            await ask(conn, "SELECT id, " + column + ", " + BY + " FROM people ORDER BY id")
        section("types as parameters")
        await ask(conn, "SELECT id, " + BY + " FROM people WHERE feels = $1", "happy")
        await ask(conn, "SELECT id, " + BY + " FROM people WHERE felt @> $1", ["ok"])
        await ask(conn, "SELECT id, " + BY + " FROM people WHERE home = $1::place", ("High Street", 3, "ok"))
        await ask(conn, "SELECT id, " + BY + " FROM people WHERE open && $1", asyncpg.Range(2, 3))
        await ask(conn, "SELECT $1::mood, $2::mood[], $3::place, $4::place[], " + BY, "sad", ["ok", None], ("x", 1, "sad"), [("y", 2, "ok")])
        section("types, new statements")
        await ask(conn, f"SELECT feels AS feels_{number}, home AS home_{number}, " + BY + " FROM people ORDER BY id")
        for expression in ("'ok'::mood", "ARRAY['ok'::mood]", "ROW('x', 1, 'sad')::place"):
            await ask(conn, f"SELECT {expression} AS expression_{number}, " + BY)
        await ask(conn, f"SELECT $1::mood AS mood_{number}, " + BY, "happy")
        await ask(conn, f"SELECT count(*) AS count_{number}, " + BY + " FROM people WHERE feels = $1", "happy")
        section("types, introspected again")
        await conn.reload_schema_state()
        await ask(conn, "SELECT feels, homes, " + BY + " FROM people ORDER BY id")
        section("numbers of the catalog")
        await ask(conn, "SELECT 'mood'::regtype::oid, 'items'::regclass::oid, 'place[]'::regtype::oid, " + BY)
        await ask(conn, "SELECT t.typname, t.oid, t.typarray, " + BY + " FROM pg_type t WHERE t.typname IN ('mood', 'place', 'span', 'spirit', 'euro', 'people') ORDER BY 1")
        await ask(conn, "SELECT tableoid, id, " + BY + " FROM items ORDER BY id LIMIT 2")
        section("plain in a transaction")
        async with conn.transaction():
            await ask(conn, "SELECT count(*), sum(price), " + BY + " FROM items")
            await ask(conn, "SELECT label, " + BY + " FROM items WHERE id = $1", 7)
        section("types in a transaction")
        async with conn.transaction():
            await ask(conn, "SELECT feels, home, " + BY + " FROM people ORDER BY id")
        next_round()
    await conn.close()

asyncio.run(main())
