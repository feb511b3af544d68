// Conformance of MariaDB Connector/J:
//   javac -d DIR java-client.java; java -cp DIR:/usr/share/java/mariadb-java-client.jar JavaClient text|binary
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.

import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.mariadb.jdbc.MariaDbDataSource;

class JavaClient {
  static final String TEXT = "Žluťoučký kůň 日本語 🐬";
  static final byte[] BLOB = blob();
  // 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
  static final byte[] BIG_BYTES = bigBytes();

  interface Body {
    void run() throws Exception;
  }

  final URI url = URI.create(System.getenv("MYBOUNCER_TEST_URL"));
  final String schema = url.getPath().substring(1);
  final String user = url.getUserInfo().split(":")[0];
  final String password = url.getUserInfo().split(":")[1];
  final String items;
  final String ids;
  final String big;
  final String file;
  final String tmp;
  final String two;
  final String lock;
  final boolean binary;
  int failed;
  Connection a;
  Connection b;

  JavaClient(boolean binary) {
    this.binary = binary;
    String prefix = Objects.requireNonNullElse(System.getenv("MYBOUNCER_TEST_PREFIX"), "conf_");
    items = prefix + "items";
    ids = prefix + "ids";
    big = prefix + "big";
    file = prefix + "file";
    tmp = prefix + "tmp";
    two = prefix + "two";
    lock = prefix + "lock";
  }

  static byte[] blob() {
    byte[] tail = {'\\', '\'', '"', 0, '\n'};
    byte[] all = new byte[256 + tail.length];
    for (int i = 0; i < 256; i++) all[i] = (byte) i;
    System.arraycopy(tail, 0, all, 256, tail.length);
    return all;
  }

  static byte[] bigBytes() {
    byte[] all = new byte[251 * 83557];
    for (int i = 0; i < all.length; i++) all[i] = (byte) (i % 251);
    return all;
  }

  void check(String name, Body body) {
    try {
      body.run();
      System.out.println("ok " + name);
    } catch (Exception error) {
      failed++;
      int line = 0;
      for (StackTraceElement frame : error.getStackTrace()) {
        if (frame.getMethodName().startsWith("lambda$") || frame.getMethodName().startsWith("check")) {
          line = frame.getLineNumber();
          break;
        }
      }
      System.out.println("not ok " + name + ": " + error.toString().replaceAll("\\s+", " ") + " (line " + line + ")");
    }
  }

  static String show(Object value) {
    if (value instanceof byte[] bytes) return "x" + HexFormat.of().formatHex(bytes, 0, Math.min(bytes.length, 600));
    if (value instanceof List<?> list) return list.stream().map(JavaClient::show).toList().toString();
    return String.valueOf(value);
  }

  static void same(Object got, Object want) {
    if (!show(got).equals(show(want))) throw new IllegalStateException("got " + show(got) + ", wanted " + show(want));
  }

  void fails(int errno, String state, Body body) throws Exception {
    try {
      body.run();
    } catch (SQLException error) {
      same(List.of(error.getErrorCode(), String.valueOf(error.getSQLState())), List.of(errno, state));
      return;
    }
    throw new IllegalStateException("no error, wanted " + errno);
  }

  String address(String name, String more) {
    return "jdbc:mariadb://" + url.getHost() + ":" + url.getPort() + "/" + name
        + "?allowPublicKeyRetrieval=true&allowLocalInfile=true&useServerPrepStmts=" + binary + more;
  }

  Connection connect(String more) throws SQLException {
    return DriverManager.getConnection(address(schema, more), user, password);
  }

  static List<List<Object>> rows(ResultSet set) throws SQLException {
    List<List<Object>> found = new ArrayList<>();
    int width = set.getMetaData().getColumnCount();
    while (set.next()) {
      List<Object> row = new ArrayList<>();
      for (int i = 1; i <= width; i++) row.add(set.getObject(i));
      found.add(row);
    }
    return found;
  }

  static List<List<Object>> query(Connection on, String sql) throws SQLException {
    try (Statement statement = on.createStatement()) {
      return rows(statement.executeQuery(sql));
    }
  }

  static Object value(Connection on, String sql) throws SQLException {
    return query(on, sql).get(0).get(0);
  }

  static int run(Connection on, String sql) throws SQLException {
    try (Statement statement = on.createStatement()) {
      return statement.executeUpdate(sql);
    }
  }

  static List<List<Object>> executed(PreparedStatement statement, Object... values) throws SQLException {
    for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
    return statement.execute() ? rows(statement.getResultSet()) : List.of();
  }

  Object counted(Connection on, int id) throws SQLException {
    return value(on, "SELECT COUNT(*) FROM " + items + " WHERE id = " + id);
  }

  static List<Object> results(Statement statement, boolean isSet) throws SQLException {
    List<Object> found = new ArrayList<>();
    for (boolean set = isSet; set || statement.getUpdateCount() != -1; set = statement.getMoreResults()) {
      if (set) found.add(rows(statement.getResultSet()));
    }
    return found;
  }

  static String sum(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  static List<Object> row(Object... values) {
    return Arrays.asList(values);
  }

  void create() throws SQLException {
    run(a, "DROP TABLE IF EXISTS " + items + ", " + ids + ", " + big + ", " + file);
    run(a, "DROP PROCEDURE IF EXISTS " + two);
    run(a, "CREATE TABLE " + items + " (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6), "
        + "f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4");
    run(a, "CREATE TABLE " + ids + " (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))");
    run(a, "CREATE TABLE " + big + " (id INT PRIMARY KEY, b LONGBLOB)");
    run(a, "CREATE TABLE " + file + " (id INT PRIMARY KEY, txt VARCHAR(100))");
    run(a, "CREATE PROCEDURE " + two + "(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END");
  }

  void all() throws Exception {
    a = connect("");
    b = connect("");
    check("connect", () -> {
      same(query(a, "SELECT 1, DATABASE(), @@character_set_client"), List.of(row(1, schema, "utf8mb4")));
      same(value(a, "SELECT CONNECTION_ID()").equals(value(b, "SELECT CONNECTION_ID()")), false);
    });
    create();
    checkStatements();
    checkTransactions();
    checkResults();
    checkState();
    checkErrors();
    checkConnections();
    run(b, "DROP TABLE " + items + ", " + ids + ", " + big + ", " + file);
    run(b, "DROP PROCEDURE " + two);
    a.close();
    b.close();
  }

  void checkStatements() {
    check("text", () -> {
      same(run(a, "INSERT INTO " + items + " (id,n,s,b,d,f) VALUES (1, 4611686018427387904, 'a\\'b\\\\c', x'"
          + HexFormat.of().formatHex(BLOB) + "', '2024-02-29', 1.5), (2, -1, NULL, NULL, NULL, NULL), "
          + "(3, 0, '', '', '1999-12-31', 0)"), 3);
      same(query(a, "SELECT id,n,s,b,d,f FROM " + items + " WHERE id < 3 ORDER BY id"), List.of(
          row(1, 4611686018427387904L, "a'b\\c", BLOB, Date.valueOf("2024-02-29"), 1.5),
          row(2, -1, null, null, null, null)));
      same(run(a, "UPDATE " + items + " SET n = n + 1 WHERE id > 1"), 2);
      same(run(a, "DELETE FROM " + items + " WHERE id = 3"), 1);
      same(query(b, "SELECT id, n FROM " + items + " WHERE id > 1"), List.of(row(2, 0)));
      same(query(b, "SELECT id FROM " + items + " WHERE id = 77"), List.of());
    });

    check("stream", () -> {
      String digits = "(SELECT 0 n";
      for (int n = 1; n < 10; n++) digits += " UNION SELECT " + n;
      digits += ")";
      try (Statement statement = a.createStatement()) {
        statement.setFetchSize(10);
        ResultSet set = statement.executeQuery(
            "SELECT x.n*100+y.n*10+z.n FROM " + digits + " x, " + digits + " y, " + digits + " z");
        int sum = 0;
        while (set.next()) sum += set.getInt(1);
        same(sum, 499500);
      }
    });

    check("prepared", () -> {
      Timestamp at = Timestamp.valueOf("2024-02-29 23:59:59.123456");
      // MySQL refuses this driver's binary dates, which carry a time of day.
      boolean asText = binary && !a.getMetaData().getDatabaseProductName().equals("MariaDB");
      Object leap = asText ? "2024-02-29" : Date.valueOf("2024-02-29");
      Object[] first = {10, -4611686018427387904L, TEXT, BLOB, leap, at, -0.25, new BigDecimal("12.50000")};
      Object[] empty = {11, null, null, null, null, null, null, null};
      Object[] last = {12, 3L, "", new byte[0], leap, at, 1e300, new BigDecimal("-1.00000")};
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + items + " (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)")) {
        for (Object[] values : List.of(first, empty, last)) {
          executed(insert, values);
          same(insert.getUpdateCount(), 1);
          same(value(a, "SELECT 7"), 7);
        }
      }
      String sql = "SELECT id,n,s,b,d,dt,f,c FROM " + items + " WHERE id = ?";
      PreparedStatement other = b.prepareStatement(sql);
      try (PreparedStatement select = a.prepareStatement(sql)) {
        for (int round = 0; round < 3; round++) {
          same(executed(select, 10), List.of(row(first)));
          same(executed(other, 11), List.of(row(empty)));
          same(value(b, "SELECT 5"), 5);
          same(executed(select, 12), List.of(row(last)));
          same(executed(select, 77), List.of());
        }
      }
      same(executed(other, 10), List.of(row(first)));
      other.close();
      // The same parameter with another type each time.
      try (PreparedStatement echo = a.prepareStatement("SELECT ? IS NULL, CAST(? AS CHAR)")) {
        for (Object given : row(5, "é", null, "longer than the one before")) {
          same(executed(echo, given, given), List.of(row(given == null ? 1 : 0, given)));
        }
      }
    });

    check("prepared-error", () -> {
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + items + " (id) VALUES (?)")) {
        executed(insert, 20);
        fails(1062, "23000", () -> executed(insert, 20));
        executed(insert, 21);
      }
      same(value(a, "SELECT COUNT(*) FROM " + items + " WHERE id IN (20, 21)"), 2);
      fails(1146, "42S02", () -> {
        try (PreparedStatement missing = a.prepareStatement("SELECT * FROM no_such_table_here WHERE 1 = ?")) {
          executed(missing, 1);
        }
      });
    });

    // Sent at once, before any answer, or in one bulk execute.
    check("batch", () -> {
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + items + " (id, n, s) VALUES (?,?,?)")) {
        for (int i = 0; i < 200; i++) {
          insert.setInt(1, 1000 + i);
          if (i % 3 == 0) insert.setNull(2, Types.BIGINT); else insert.setLong(2, i);
          insert.setString(3, "row " + i + " 🐬");
          insert.addBatch();
        }
        same(insert.executeBatch().length, 200);
      }
      same(query(b, "SELECT COUNT(*), SUM(id), SUM(n IS NULL), SUM(s = CONCAT('row ', id - 1000, ' 🐬')) FROM " + items
          + " WHERE id >= 1000"), List.of(row(200, 219900, 67, 200)));
      try (Statement statement = a.createStatement()) {
        for (int i = 0; i < 20; i++) statement.addBatch("DELETE FROM " + items + " WHERE id = " + (1000 + i));
        same(Arrays.stream(statement.executeBatch()).sum(), 20);
      }
      same(value(b, "SELECT COUNT(*) FROM " + items + " WHERE id >= 1000"), 180);
    });
  }

  void checkTransactions() {
    check("rollback", () -> {
      a.setAutoCommit(false);
      run(a, "INSERT INTO " + items + " (id) VALUES (100)");
      same(row(counted(a, 100), counted(b, 100)), row(1, 0));
      a.rollback();
      a.setAutoCommit(true);
      same(row(counted(a, 100), counted(b, 100)), row(0, 0));
    });

    check("commit", () -> {
      a.setAutoCommit(false);
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + items + " (id) VALUES (?)")) {
        executed(insert, 101);
        Savepoint one = a.setSavepoint("one");
        executed(insert, 102);
        a.rollback(one);
      }
      same(row(counted(a, 101), counted(b, 101)), row(1, 0));
      a.commit();
      a.setAutoCommit(true);
      same(row(counted(a, 101), counted(b, 101), counted(b, 102)), row(1, 1, 0));
    });

    check("autocommit", () -> {
      a.setAutoCommit(false);
      run(a, "INSERT INTO " + items + " (id) VALUES (110)");
      same(row(value(a, "SELECT @@autocommit"), value(b, "SELECT @@autocommit"), counted(b, 110)), row(0, 1, 0));
      a.commit();
      run(a, "DELETE FROM " + items + " WHERE id = 110");
      same(counted(b, 110), 1);
      a.setAutoCommit(true); // commits
      same(row(value(a, "SELECT @@autocommit"), counted(b, 110)), row(1, 0));
    });

    check("isolation", () -> {
      int usual = a.getTransactionIsolation();
      a.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      same(a.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
      same(b.getTransactionIsolation(), usual);
      same(a.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
      a.setTransactionIsolation(usual);
      same(a.getTransactionIsolation(), usual);
    });

    check("xa", () -> {
      MariaDbDataSource source = new MariaDbDataSource(address(schema, ""));
      source.setUser(user);
      source.setPassword(password);
      XAConnection connection = source.getXAConnection();
      XAResource resource = connection.getXAResource();
      for (boolean kept : new boolean[] {true, false}) {
        Xid xid = new BranchId(items + kept);
        resource.start(xid, XAResource.TMNOFLAGS);
        run(connection.getConnection(), "INSERT INTO " + items + " (id) VALUES (" + (kept ? 130 : 131) + ")");
        resource.end(xid, XAResource.TMSUCCESS);
        resource.prepare(xid);
        same(counted(b, 130), kept ? 0 : 1);
        if (kept) resource.commit(xid, false); else resource.rollback(xid);
      }
      connection.close();
      same(row(counted(b, 130), counted(b, 131)), row(1, 0));
    });
  }

  record BranchId(String name) implements Xid {
    public int getFormatId() {
      return 1;
    }

    public byte[] getGlobalTransactionId() {
      return name.getBytes(StandardCharsets.UTF_8);
    }

    public byte[] getBranchQualifier() {
      return new byte[] {1};
    }
  }

  void checkResults() {
    check("procedure", () -> {
      try (var call = a.prepareCall("{CALL " + two + "(?)}")) {
        for (int n : new int[] {7, 1}) {
          call.setInt(1, n);
          same(results(call, call.execute()), row(List.of(row(n, "first")), List.of(row(n + 1), row(n + 2))));
        }
      }
      same(value(a, "SELECT 1"), 1);
    });

    check("multi-statements", () -> {
      try (Connection many = connect("&allowMultiQueries=true"); Statement statement = many.createStatement()) {
        boolean isSet = statement.execute(
            "SELECT 1; UPDATE " + items + " SET n = 5 WHERE id = 1; SELECT n FROM " + items + " WHERE id = 1");
        same(results(statement, isSet), row(List.of(row(1)), List.of(row(5))));
        fails(1146, "42S02", () -> results(statement, statement.execute("SELECT 2; SELECT * FROM no_such_table_here; SELECT 3")));
        same(value(many, "SELECT 4"), 4);
      }
      fails(1064, "42000", () -> run(a, "SELECT 1; SELECT 2"));
    });

    check("local-infile", () -> {
      Path path = Files.createTempFile("mybouncer-infile", ".tsv");
      try {
        StringBuilder lines = new StringBuilder();
        for (int i = 1; i <= 40000; i++) lines.append(i).append("\trow-").append(i).append('-').append("x".repeat(30)).append('\n');
        Files.writeString(path, lines);
        same(run(a, "LOAD DATA LOCAL INFILE '" + path + "' INTO TABLE " + file + " (id, txt)"), 40000);
      } finally {
        Files.delete(path);
      }
      same(query(b, "SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM " + file),
          List.of(row(40000, 800020000, 40000)));
    });

    check("big-row", () -> {
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + big + " VALUES (?, ?)")) {
        executed(insert, 1, BIG_BYTES);
      }
      same(query(a, "SELECT LENGTH(b), SHA2(b, 256) FROM " + big), List.of(row(BIG_BYTES.length, sum(BIG_BYTES))));
      try (PreparedStatement select = a.prepareStatement("SELECT b, 'after' FROM " + big + " WHERE id = ?")) {
        List<Object> found = executed(select, 1).get(0);
        same(row(sum((byte[]) found.get(0)), found.get(1)), row(sum(BIG_BYTES), "after"));
      }
      same(value(a, "SELECT 1"), 1);
    });

    check("utf8mb4", () -> {
      run(a, "INSERT INTO " + items + " (id, s) VALUES (200, '" + TEXT + "')");
      String sql = "SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM " + items + " WHERE id = 200 AND s = ?";
      try (PreparedStatement select = b.prepareStatement(sql)) {
        select.setString(1, TEXT);
        ResultSet set = select.executeQuery();
        same(set.getMetaData().getColumnLabel(1), "kůň");
        String hex = HexFormat.of().withUpperCase().formatHex(TEXT.getBytes(StandardCharsets.UTF_8));
        same(rows(set), List.of(row(TEXT, hex, 19)));
      }
    });

    check("last-insert-id", () -> {
      long mine = generated(a, "'a'").get(0);
      List<Long> theirs = generated(b, "'b'), ('c'), ('d'");
      same(theirs.get(0), mine + 1);
      value(a, "SELECT 1");
      value(b, "SELECT 1");
      for (int round = 0; round < 2; round++) {
        same(value(a, "SELECT LAST_INSERT_ID()"), mine);
        same(value(b, "SELECT LAST_INSERT_ID()"), theirs.get(0));
      }
      try (PreparedStatement insert = a.prepareStatement("INSERT INTO " + ids + " (v) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
        executed(insert, "e");
        ResultSet keys = insert.getGeneratedKeys();
        keys.next();
        same(keys.getLong(1), mine + 4);
      }
      same(value(b, "SELECT v FROM " + ids + " WHERE id = LAST_INSERT_ID()"), "b");
    });
  }

  List<Long> generated(Connection on, String values) throws SQLException {
    try (Statement statement = on.createStatement()) {
      statement.executeUpdate("INSERT INTO " + ids + " (v) VALUES (" + values + ")", Statement.RETURN_GENERATED_KEYS);
      List<Long> keys = new ArrayList<>();
      ResultSet set = statement.getGeneratedKeys();
      while (set.next()) keys.add(set.getLong(1));
      return keys;
    }
  }

  void checkState() {
    check("session-state", () -> {
      List<Object> usual = query(a, "SELECT @@sql_mode, @@time_zone").get(0);
      run(a, "SET time_zone = '+03:00'");
      run(a, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
      for (int round = 0; round < 2; round++) {
        String sql = "SELECT \"id\", @@time_zone FROM " + items + " WHERE id = 1";
        same(query(a, sql), List.of(row(1, "+03:00")));
        same(query(b, sql), List.of(row("id", usual.get(1))));
      }
      run(a, "SET @@session.sql_mode = '" + usual.get(0) + "', @@session.time_zone = '" + usual.get(1) + "'");
      same(query(a, "SELECT \"id\", @@time_zone"), List.of(row("id", usual.get(1))));
    });

    // What x and y do keeps a server session for as long as the connection lives.
    check("user-variable", () -> {
      try (Connection x = connect(""); Connection y = connect("")) {
        for (int n = 0; n < 3; n++) {
          run(x, "SET @mine = " + n);
          same(row(value(y, "SELECT @mine"), value(b, "SELECT @mine"), value(x, "SELECT @mine + 1")), row(null, null, n + 1));
        }
      }
    });

    check("temporary-table", () -> {
      try (Connection x = connect(""); Connection y = connect("")) {
        run(x, "CREATE TEMPORARY TABLE " + tmp + " (x INT)");
        run(x, "INSERT INTO " + tmp + " VALUES (1), (2)");
        fails(1146, "42S02", () -> query(y, "SELECT * FROM " + tmp));
        fails(1146, "42S02", () -> query(b, "SELECT * FROM " + tmp));
        same(value(x, "SELECT SUM(x) FROM " + tmp), 3);
        run(x, "DROP TEMPORARY TABLE " + tmp);
        fails(1146, "42S02", () -> query(x, "SELECT * FROM " + tmp));
      }
    });

    check("user-lock", () -> {
      try (Connection x = connect(""); Connection y = connect("")) {
        same(value(x, "SELECT GET_LOCK('" + lock + "', 5)"), 1);
        same(value(y, "SELECT GET_LOCK('" + lock + "', 0)"), 0);
        same(value(x, "SELECT RELEASE_LOCK('" + lock + "')"), 1);
        same(value(y, "SELECT GET_LOCK('" + lock + "', 0)"), 1);
        y.close();
        same(value(x, "SELECT GET_LOCK('" + lock + "', 5)"), 1); // free since its holder has gone
      }
    });

    check("diagnostics", () -> {
      run(a, "UPDATE " + items + " SET n = 6 WHERE id = 1");
      same(value(a, "SELECT ROW_COUNT()"), 1);
      try (Statement statement = a.createStatement()) {
        statement.executeUpdate("INSERT IGNORE INTO " + items + " (id) VALUES (1)");
        same(statement.getWarnings().getErrorCode(), 1062);
      }
      query(a, "SELECT id FROM " + items + " WHERE id IN (1, 2)");
      same(value(a, "SELECT FOUND_ROWS()"), 2);
    });
  }

  void checkErrors() {
    check("error-duplicate", () -> {
      fails(1062, "23000", () -> run(a, "INSERT INTO " + items + " (id) VALUES (1)"));
      a.setAutoCommit(false);
      run(a, "INSERT INTO " + items + " (id) VALUES (120)");
      fails(1062, "23000", () -> run(a, "INSERT INTO " + items + " (id) VALUES (1)"));
      same(counted(a, 120), 1);
      a.rollback();
      a.setAutoCommit(true);
      same(counted(b, 120), 0);
    });

    check("error-syntax", () -> {
      fails(1064, "42000", () -> run(a, "SELEKT 1"));
      same(value(a, "SELECT 2"), 2);
    });

    check("wrong-password", () -> {
      fails(1045, "28000", () -> DriverManager.getConnection(address(schema, ""), user, "not-" + password));
      fails(1045, "28000", () -> DriverManager.getConnection(address(schema, ""), user, ""));
    });

    check("unknown-database", () ->
        fails(1049, "42000", () -> DriverManager.getConnection(address(schema + "_missing", ""), user, password)));

    check("init-db", () -> {
      a.setCatalog("information_schema");
      same(row(a.getCatalog(), b.getCatalog()), row("information_schema", schema));
      try {
        a.setCatalog(schema + "_missing");
        throw new IllegalStateException("no error");
      } catch (SQLException error) {
        same(error.getMessage().contains("_missing"), true); // the driver has no errno for this one
      }
      a.setCatalog(schema);
      same(value(a, "SELECT DATABASE()"), schema);
    });
  }

  void checkConnections() {
    check("ping", () -> same(a.isValid(5), true));

    // Not every server offers TLS; the proxy does.
    if (!"1".equals(System.getenv("MYBOUNCER_TEST_DIRECT"))) {
      check("tls", () -> {
        try (Connection secure = connect("&useSsl=true&trustServerCertificate=true");
            Statement statement = secure.createStatement()) {
          ResultSet set = statement.executeQuery("SELECT REPEAT('x', 3000000)");
          set.next();
          same(set.getString(1).length(), 3000000);
        }
      });
    }

    check("cancel", () -> {
      try (Statement statement = b.createStatement()) {
        // The driver connects once more and says KILL QUERY with the id of this connection.
        CompletableFuture<String> answer = CompletableFuture.supplyAsync(() -> {
          try {
            ResultSet set = statement.executeQuery("SELECT SLEEP(20)");
            set.next();
            return "slept " + set.getInt(1);
          } catch (SQLException error) {
            return "interrupted";
          }
        });
        Thread.sleep(200);
        statement.cancel();
        String found = answer.get();
        same(found.equals("interrupted") || found.equals("slept 1"), true);
      }
      same(value(b, "SELECT 3"), 3);
    });

    check("kill-and-reconnect", () -> {
      Connection victim = connect("");
      run(a, "KILL " + value(victim, "SELECT CONNECTION_ID()"));
      try {
        value(victim, "SELECT 1");
        throw new IllegalStateException("a killed connection answered");
      } catch (SQLException error) {
        same(victim.isValid(1), false);
      }
      try (Connection next = connect("")) {
        run(next, "SET @mine = 1");
      }
      try (Connection again = connect("&sessionVariables=sql_mode='ANSI_QUOTES'")) {
        same(query(again, "SELECT @mine, @@autocommit, @@sql_mode"), List.of(row(null, 1, "ANSI_QUOTES")));
      }
    });
  }

  public static void main(String[] arguments) throws Exception {
    JavaClient client = new JavaClient(arguments[0].equals("binary"));
    client.all();
    System.exit(client.failed == 0 ? 0 : 1);
  }
}
