"""What psycopg2 sees; its connection comes from the PG* environment."""
import datetime, decimal, io, threading
import psycopg2, psycopg2.extensions

FIELDS = ("severity severity_nonlocalized sqlstate message_primary message_detail message_hint statement_position "
          "context schema_name table_name column_name datatype_name constraint_name source_file source_line source_function").split()

def section(name):
    print("==", name, flush=True)

def diagnosis(error):
    return {f: getattr(error.diag, f) for f in FIELDS if getattr(error.diag, f) is not None}

def query(statement, values=None):
    cursor.execute(statement, values)
    return cursor.fetchall()

conn = psycopg2.connect("")
conn.autocommit = True
cursor = conn.cursor()

section("server")
print(conn.server_version, conn.encoding, conn.info.user, conn.info.dbname, conn.protocol_version, conn.info.transaction_status)

section("prepared")
cursor.execute("PREPARE twice AS SELECT $1::int + 1, upper($2)")
for n in (1, 2):
    print(query("EXECUTE twice(%s, %s)", (n, "a" * n)))

section("parameters")
print(query("SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s::text",
            (True, 7, decimal.Decimal("12.340"), 1.5, "täxt", datetime.date(2020, 2, 3),
             datetime.datetime(2020, 2, 3, 4, 5, 6, 789), [1, 2, None], None)),
      [(c.name, c.type_code, c.display_size, c.internal_size) for c in cursor.description])

section("copy")
cursor.execute("CREATE TABLE items (id int PRIMARY KEY, name text CHECK (name <> 'bad'))")
cursor.copy_expert("COPY items FROM STDIN", io.StringIO("".join(f"{i}\tname {i}\n" for i in range(3000))))
print(cursor.rowcount, cursor.statusmessage)
out = io.StringIO()
cursor.copy_expert("COPY (SELECT * FROM items ORDER BY id) TO STDOUT WITH CSV", out)
print(len(out.getvalue()), out.getvalue()[:80])
try:
    cursor.copy_expert("COPY items FROM STDIN", io.StringIO("5\tdouble\n"))
except psycopg2.Error as error:
    print(diagnosis(error))

section("errors")
for statement in ("INSERT INTO items VALUES (1, 'again')", "INSERT INTO items VALUES (-1, 'bad')", "SELECT nosuch FROM items", "SELECT 1/0"):
    try:
        cursor.execute(statement)
    except psycopg2.Error as error:
        print(type(error).__name__, error.pgcode, diagnosis(error))

section("notices")
cursor.execute("DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'detail', HINT = 'hint'; END $$")
print(conn.notices)

section("notify")
cursor.execute("LISTEN smoke")
cursor.execute("NOTIFY smoke, 'from itself'")
other = psycopg2.connect("")
other.autocommit = True
other.cursor().execute("NOTIFY smoke, 'from another'")
other.close()
while len(conn.notifies) < 2:
    conn.poll()
print([(n.channel, n.payload) for n in conn.notifies])

section("transaction")
conn.autocommit = False
cursor.execute("INSERT INTO items VALUES (-5, 'kept')")
conn.commit()
try:
    cursor.execute("INSERT INTO items VALUES (-6, 'lost')")
    cursor.execute("SELECT 1/0")
except psycopg2.Error:
    print(conn.info.transaction_status)
conn.rollback()
print(query("SELECT id FROM items WHERE id < 0"), conn.info.transaction_status)
conn.rollback()

section("cursor of the server")
with conn.cursor(name="c") as named:
    named.itersize = 70
    named.execute("SELECT g FROM generate_series(1, 500) g")
    print(sum(row[0] for row in named))
conn.rollback()
conn.autocommit = True

section("cancel")
pid = conn.info.backend_pid
def cancel():
    watcher = psycopg2.connect("")
    watcher.autocommit = True
    look = watcher.cursor()
    active = 0
    while not active:
        look.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'", (pid,))
        active = look.fetchone()[0]
    watcher.close()
    conn.cancel()
thread = threading.Thread(target=cancel)
thread.start()
try:
    cursor.execute("SELECT pg_sleep(60)")
except psycopg2.Error as error:
    print(diagnosis(error))
thread.join()
print(query("SELECT 'usable', pg_backend_pid() = %s", (pid,)))
