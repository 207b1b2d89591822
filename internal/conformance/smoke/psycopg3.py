"""What psycopg 3 sees; its connection comes from the PG* environment."""
import datetime, decimal, threading, uuid
import psycopg
from psycopg.types.json import Jsonb

FIELDS = ("severity severity_nonlocalized sqlstate message_primary message_detail message_hint statement_position "
          "context schema_name table_name column_name datatype_name constraint_name source_file source_line source_function").split()

def section(name):
    print("==", name, flush=True)

def diagnosis(error):
    return {f: getattr(error.diag, f) for f in FIELDS if getattr(error.diag, f) is not None}

conn = psycopg.connect(autocommit=True)
conn.add_notice_handler(lambda d: print("notice", d.severity, d.sqlstate, d.message_primary, d.message_detail, d.message_hint))

section("server")
print(conn.info.server_version, conn.info.encoding, conn.info.user, conn.info.dbname, conn.info.transaction_status)
for name in ("server_encoding", "client_encoding", "is_superuser", "DateStyle", "IntervalStyle", "TimeZone",
             "integer_datetimes", "standard_conforming_strings", "session_authorization", "in_hot_standby",
             "default_transaction_read_only", "application_name"):
    print(name, conn.info.parameter_status(name))

section("prepared")
for n in (1, 2):
    print(conn.execute("SELECT %s::int + 1, upper(%s)", (n, "a" * n), prepare=True).fetchall())

section("parameters")
values = (True, 7, 1 << 40, decimal.Decimal("12.340"), 1.5, "täxt", b"\x00\xff", datetime.date(2020, 2, 3),
          datetime.datetime(2020, 2, 3, 4, 5, 6, 789, datetime.timezone.utc), datetime.timedelta(days=1, seconds=2),
          uuid.UUID(int=5), [1, 2, None], Jsonb({"k": [1]}), None)
slots = "%s, %s, %s, %s, %s, %s::text, %s, %s, %s, %s, %s, %s::int[], %s, %s::text"
print(conn.execute("SELECT " + slots, values).fetchone())

section("binary")
with conn.cursor(binary=True) as cursor:
    cursor.execute("SELECT " + slots, values)
    print(cursor.fetchone(), [(c.name, c.type_code, c.display_size, c.internal_size) for c in cursor.description])

section("copy")
conn.execute("CREATE TABLE items (id int PRIMARY KEY, name text CHECK (name <> 'bad'))")
with conn.cursor() as cursor:
    with cursor.copy("COPY items FROM STDIN") as copy:
        for i in range(3000):
            copy.write_row((i, f"name {i}"))
    print(cursor.rowcount)
    with cursor.copy("COPY (SELECT * FROM items ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        data = b"".join(copy)
    print(len(data), data[:64])
    try:
        with cursor.copy("COPY items FROM STDIN") as copy:
            copy.write("5\tdouble\n")
    except psycopg.Error as error:
        print(diagnosis(error))
    try:
        with cursor.copy("COPY items FROM STDIN") as copy:
            copy.write("9999\tx\n")
            raise ValueError("changed my mind")
    except psycopg.Error as error:
        print(diagnosis(error), conn.execute("SELECT count(*) FROM items").fetchone())

section("errors")
for statement in ("INSERT INTO items VALUES (1, 'again')", "INSERT INTO items VALUES (-1, 'bad')", "SELECT nosuch FROM items",
                  "SELECT 1/0", "SELECT 'x'::int"):
    try:
        conn.execute(statement)
    except psycopg.Error as error:
        print(type(error).__name__, diagnosis(error))

section("notices")
conn.execute("DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'detail', HINT = 'hint'; END $$")

section("notify")
heard = []
conn.add_notify_handler(lambda n: heard.append((n.channel, n.payload)))
conn.execute("LISTEN smoke")
conn.execute("NOTIFY smoke, 'from itself'")
with psycopg.connect(autocommit=True) as other:
    other.execute("NOTIFY smoke, 'from another'")
while len(heard) < 2:
    conn.execute("SELECT 1")
print(heard)
conn.execute("UNLISTEN *")

section("transaction")
with conn.transaction():
    conn.execute("INSERT INTO items VALUES (-5, 'kept')")
    try:
        with conn.transaction():
            conn.execute("INSERT INTO items VALUES (-6, 'lost')")
            conn.execute("SELECT 1/0")
    except psycopg.errors.DivisionByZero:
        print(conn.info.transaction_status)
print(conn.info.transaction_status, conn.execute("SELECT id FROM items WHERE id < 0").fetchall())

section("cursor of the server")
with conn.transaction(), conn.cursor(name="c") as cursor:
    cursor.itersize = 70
    cursor.execute("SELECT g FROM generate_series(1, 500) g")
    print(sum(row[0] for row in cursor))

section("pipeline")
with conn.pipeline():
    futures = [conn.execute("SELECT %s::int", (i,)) for i in range(50)]
print([f.fetchone()[0] for f in futures])
with conn.pipeline() as pipeline:
    try:
        conn.execute("SELECT 1/0")
        pipeline.sync()
    except psycopg.Error as error:
        print(type(error).__name__)
    print(conn.execute("SELECT 2").fetchall())
print(conn.info.transaction_status)

section("executemany")
with conn.cursor() as cursor:
    cursor.executemany("INSERT INTO items VALUES (%s, %s) RETURNING id", [(i, "many") for i in range(5000, 5010)], returning=True)
    print(cursor.rowcount, cursor.fetchone())

section("cancel")
def cancel():
    with psycopg.connect(autocommit=True) as watcher:
        while not watcher.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'",
                                  (conn.info.backend_pid,)).fetchone()[0]:
            pass
    conn.cancel()
thread = threading.Thread(target=cancel)
thread.start()
try:
    conn.execute("SELECT pg_sleep(60)")
except psycopg.Error as error:
    print(diagnosis(error))
thread.join()
print(conn.execute("SELECT 'usable', pg_backend_pid() = %s", (conn.info.backend_pid,)).fetchone())

section("wrong logins")
for change in ({"password": "wrong"}, {"dbname": "nosuch"}):
    try:
        psycopg.connect(**change)
    except psycopg.OperationalError as error:
        print(error)

section("terminated")
try:
    conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
except psycopg.Error as error:
    print(type(error).__name__, diagnosis(error), conn.closed, conn.broken)
