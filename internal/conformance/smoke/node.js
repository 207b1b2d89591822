// What node's pg sees; its connection comes from the PG* environment.
const fs = require('fs')
const { Client } = require('pg')
const { from, to } = require('pg-copy-streams')
const { pipeline } = require('stream/promises')
const { Readable } = require('stream')

const options = { ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT) } }
const section = (name) => console.log('== ' + name)
const show = (value) => console.log(JSON.stringify(value))
const fields = ({ severity, code, message, detail, hint, position, where, schema, table, column, dataType, constraint, file, line, routine }) =>
  ({ severity, code, message, detail, hint, position, where, schema, table, column, dataType, constraint, file, line, routine })
const plain = (r) => ({ command: r.command, rows: r.rows, rowCount: r.rowCount, fields: r.fields.map(({ tableID, ...f }) => f) })

async function refused (promise) {
  try { await promise } catch (error) { return show(fields(error)) }
  throw new Error('no error came')
}

async function main () {
  const client = new Client(options)
  client.on('notice', (n) => show({ notice: fields(n) }))
  await client.connect()

  section('prepared')
  for (const n of [1, 2]) {
    show(plain(await client.query({ name: 'twice', text: 'SELECT $1::int + 1 AS n, upper($2) AS u', values: [n, 'a'.repeat(n)] })))
  }

  section('parameters')
  const text = 'SELECT $1::bool, $2::int8, $3::numeric, $4::float8, $5::text, $6::bytea, $7::timestamptz, $8::int[], $9::jsonb, $10::text'
  const values = [true, '1099511627776', '12.340', 1.5, 'täxt', Buffer.from([0, 255]), new Date(Date.UTC(2020, 1, 3)), [1, 2, null], { k: [1] }, null]
  show(plain(await client.query(text, values)))

  section('binary')
  show(plain(await client.query({ text: 'SELECT $1::int4 AS i, $2::text AS t, $3::float8 AS f, $4::bool AS b', values: [7, 'seven', 1.5, true], binary: true })))

  section('several statements in one message')
  show((await client.query('SELECT 1 AS a; SELECT 2 AS b')).map(plain))

  section('copy')
  await client.query("CREATE TABLE items (id int PRIMARY KEY, name text CHECK (name <> 'bad'))")
  const rows = Array.from({ length: 3000 }, (_, i) => `${i}\tname ${i}\n`)
  await pipeline(Readable.from(rows), client.query(from('COPY items FROM STDIN')))
  let copied = ''
  for await (const chunk of client.query(to('COPY (SELECT * FROM items ORDER BY id) TO STDOUT'))) copied += chunk
  show([copied.length, copied === rows.join('')])
  await refused(pipeline(Readable.from(['5\tdouble\n']), client.query(from('COPY items FROM STDIN'))))

  section('errors')
  for (const statement of ["INSERT INTO items VALUES (1, 'again')", "INSERT INTO items VALUES (-1, 'bad')", 'SELECT nosuch FROM items']) {
    await refused(client.query(statement))
  }
  await refused(client.query('SELECT 1/$1::int', [0]))

  section('notices')
  await client.query("DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'detail', HINT = 'hint'; END $$")

  section('notify')
  const heard = []
  const both = new Promise((resolve) => client.on('notification', (n) => {
    heard.push([n.channel, n.payload])
    if (heard.length === 2) resolve()
  }))
  await client.query('LISTEN smoke')
  await client.query("NOTIFY smoke, 'from itself'")
  const other = new Client(options)
  await other.connect()
  await other.query("NOTIFY smoke, 'from another'")
  await both
  show(heard)

  section('transaction')
  await client.query('BEGIN')
  await client.query("INSERT INTO items VALUES (-6, 'lost')")
  await refused(client.query('SELECT 1/0'))
  await refused(client.query('SELECT 1'))
  await client.query('ROLLBACK')
  show((await client.query('SELECT id FROM items WHERE id < 0')).rows)

  section('cancel')
  const asleep = client.query('SELECT pg_sleep(60)')
  const ended = refused(asleep)
  let active = 0
  while (!active) {
    active = (await other.query("SELECT count(*)::int AS n FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active'", [client.processID])).rows[0].n
  }
  new Client(options).cancel(client, client._getActiveQuery())
  await ended
  show((await client.query("SELECT 'usable' AS state")).rows)

  await other.end()
  await client.end()
  section('end')
}

main().catch((error) => { console.log(error); process.exitCode = 1 })
