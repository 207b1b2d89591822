import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.sql.*;
import java.util.Arrays;
import java.util.Objects;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.jdbc.PgResultSetMetaData;
import org.postgresql.util.PGobject;

/** pgJDBC: what it makes of results, of their metadata and of the catalogs. Its connection comes from the PG* environment. */
public class Jdbc {
  static final String BY = "'answered by ' || inet_server_port() AS answered";
  static Connection conn;

  static void section(String name) { System.out.println("== " + name); }

  static String text(Object value) throws SQLException {
    if (value instanceof java.sql.Array) {
      return "array of " + ((java.sql.Array) value).getBaseTypeName() + " " + Arrays.toString((Object[]) ((java.sql.Array) value).getArray());
    }
    if (value instanceof PGobject) return ((PGobject) value).getType() + " " + value;
    return Objects.toString(value);
  }

  /** The numbers as they arrived, and what the driver finds in the catalogs by them. */
  static void describe(ResultSetMetaData about) throws Exception {
    Field kept = PgResultSetMetaData.class.getDeclaredField("fields");
    kept.setAccessible(true);
    org.postgresql.core.Field[] fields = (org.postgresql.core.Field[]) kept.get(about);
    for (int i = 1; i <= about.getColumnCount(); i++) {
      org.postgresql.core.Field f = fields[i - 1];
      System.out.println(about.getColumnLabel(i) + " type " + f.getOID() + " table " + f.getTableOid() + " column " + f.getPositionInTable()
          + " typmod " + f.getMod() + ": " + about.getColumnTypeName(i) + " " + about.getColumnType(i) + " of " + about.getSchemaName(i) + "."
          + about.getTableName(i) + "." + ((org.postgresql.PGResultSetMetaData) about).getBaseColumnName(i) + " nullable " + about.isNullable(i)
          + " auto " + about.isAutoIncrement(i) + " precision " + about.getPrecision(i) + "," + about.getScale(i));
    }
  }

  static void show(ResultSet rows) throws Exception {
    int columns = rows.getMetaData().getColumnCount();
    while (rows.next()) {
      StringBuilder line = new StringBuilder();
      for (int i = 1; i <= columns; i++) line.append(i > 1 ? ", " : "").append(text(rows.getObject(i)));
      System.out.println(line);
    }
  }

  static void ask(String statement, Object... values) throws Exception {
    try (PreparedStatement prepared = conn.prepareStatement(statement)) {
      for (int i = 0; i < values.length; i++) prepared.setObject(i + 1, values[i]);
      try (ResultSet rows = prepared.executeQuery()) {
        describe(rows.getMetaData());
        show(rows);
      }
    }
  }

  static void catalogs() throws Exception {
    DatabaseMetaData about = conn.getMetaData();
    try (ResultSet rows = about.getColumns(null, "public", "%", "%")) {
      while (rows.next()) {
        System.out.println(rows.getString("TABLE_NAME") + "." + rows.getString("COLUMN_NAME") + " " + rows.getInt("DATA_TYPE") + " "
            + rows.getString("TYPE_NAME") + " " + rows.getInt("COLUMN_SIZE") + " " + rows.getString("IS_NULLABLE") + " " + rows.getString("IS_AUTOINCREMENT"));
      }
    }
    try (ResultSet rows = about.getUDTs(null, "public", "%", null)) { show(rows); }
  }

  static void types() throws Exception {
    section("types");
    ask("SELECT id, name, feels, felt, best, home, homes, open, opens, " + BY + " FROM people ORDER BY id");
    section("types of one column");
    for (String column : new String[] {"feels", "felt", "best", "home", "homes", "open", "opens"}) {
      ask("SELECT id, " + column + ", " + BY + " FROM people ORDER BY id");
    }
    section("types as parameters");
    PGobject happy = new PGobject();
    happy.setType("mood");
    happy.setValue("happy");
    ask("SELECT id, " + BY + " FROM people WHERE feels = ?", happy);
    ask("SELECT id, " + BY + " FROM people WHERE felt @> ?", conn.createArrayOf("mood", new String[] {"ok"}));
    ask("SELECT ?::mood, ?::mood[], ?::place, " + BY, "sad", "{ok}", "(x,1,sad)");
    section("plain texts that are cast to types");
    ask("SELECT id, " + BY + " FROM people WHERE feels = ?::mood", "happy");
    ask("SELECT id, " + BY + " FROM people WHERE ?::place = home", "(\"High Street\",3,ok)");
  }

  static void round(int number) throws Exception {
    for (int n = 1; n <= 2; n++) {
      section("plain, time " + n);
      ask("SELECT id, label, price, cost, stock, made, tags, extra, " + BY + " FROM items WHERE id <= ? ORDER BY id", 4);
    }
    section("plain join");
    ask("SELECT v.note, i.label, c.price, p.name, " + BY + " FROM visits v JOIN items i USING (id) JOIN cheap c USING (id) JOIN people p USING (id) ORDER BY 1");
    section("plain, a new statement");
    ask("SELECT label AS label_" + number + ", price AS price_" + number + ", " + BY + " FROM items ORDER BY id LIMIT 2");
    types();
    section("types, new statements");
    ask("SELECT feels AS feels_" + number + ", home AS home_" + number + ", " + BY + " FROM people ORDER BY id");
    for (String expression : new String[] {"'ok'::mood", "ARRAY['ok'::mood]", "ROW('x', 1, 'sad')::place"}) {
      ask("SELECT " + expression + " AS expression_" + number + ", " + BY);
    }
    ask("SELECT ?::mood AS mood_" + number + ", " + BY, "happy");
    section("numbers of the catalog");
    ask("SELECT 'mood'::regtype::oid, 'items'::regclass::oid, pg_typeof('ok'::mood)::oid, " + BY);
    ask("SELECT tableoid, id, " + BY + " FROM items ORDER BY id LIMIT 2");
    section("catalogs");
    catalogs();
    conn.setAutoCommit(false);
    section("plain in a transaction");
    ask("SELECT count(*), sum(price), " + BY + " FROM items");
    ask("SELECT label, " + BY + " FROM items WHERE id = ?", 7);
    conn.commit();
    section("types in a transaction");
    ask("SELECT feels, home, " + BY + " FROM people ORDER BY id");
    conn.commit();
    conn.setAutoCommit(true);
  }

  public static void main(String[] arguments) throws Exception {
    Properties options = new Properties();
    options.setProperty("user", System.getenv("PGUSER"));
    options.setProperty("password", System.getenv("PGPASSWORD"));
    options.setProperty("sslmode", "disable");
    options.setProperty("prepareThreshold", "1"); // a named statement and binary results from the first time
    options.setProperty("assumeMinServerVersion", "12");
    conn = DriverManager.getConnection(
        "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), options);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (int number = 1; number <= 3; number++) {
      round(number);
      System.out.println("-- next");
      System.out.flush();
      input.readLine();
    }
    conn.close();
  }
}
