# frozen_string_literal: true

# Conformance of Ruby's mysql2: ruby-client.rb
# MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
require 'bigdecimal'
require 'date'
require 'digest'
require 'mysql2'
require 'tempfile'
require 'uri'

URL = URI(ENV.fetch('MYBOUNCER_TEST_URL'))
USER = URI.decode_www_form_component(URL.user)
PASSWORD = URI.decode_www_form_component(URL.password)
SCHEMA = URL.path[1..]
PREFIX = ENV.fetch('MYBOUNCER_TEST_PREFIX', 'conf_')
ITEMS, IDS, BIG, FILE, TMP, TWO, LOCK = %w[items ids big file tmp two lock].map { |name| PREFIX + name }

TEXT = 'Žluťoučký kůň 日本語 🐬'
WESTERN = 'Grüße café'
BLOB = ((0..255).to_a.pack('C*') + "\\'\"\0\n".b).freeze
# 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
BIG_BYTES = (BLOB[0, 251] * 83_557).freeze
BIG_SUM = Digest::SHA256.hexdigest(BIG_BYTES)

$stdout.sync = true
$failed = 0

def check(name)
  yield
  puts "ok #{name}"
rescue StandardError => e
  $failed += 1
  line = e.backtrace.grep(/ruby-client/).first(3).map { |frame| frame[/:(\d+):/, 1] }.join(' < ')
  puts "not ok #{name}: #{e.class}: #{e.message.gsub(/\s+/, ' ')[0, 400]} (line #{line})"
end

def same(got, want)
  raise "got #{got.inspect[0, 300]}, wanted #{want.inspect[0, 300]}" unless got == want
end

def connect(**changed)
  Mysql2::Client.new(
    host: URL.host, port: URL.port, username: USER, password: PASSWORD, database: SCHEMA, encoding: 'utf8mb4',
    local_infile: true, as: :array, flags: Mysql2::Client::MULTI_STATEMENTS, cast_booleans: false,
    database_timezone: :utc, application_timezone: :utc, **changed
  )
end

def query(client, sql)
  client.query(sql)&.to_a
end

def value(client, sql)
  query(client, sql)[0][0]
end

def execute(statement, *values)
  statement.execute(*values, as: :array, database_timezone: :utc, application_timezone: :utc)&.to_a
end

def counted(client, id)
  value(client, "SELECT COUNT(*) FROM #{ITEMS} WHERE id = #{id}")
end

def fails(errno, state)
  yield
rescue Mysql2::Error => e
  same([e.errno, e.sql_state], [errno, state])
else
  raise "no error, wanted #{errno}"
end

def results(client, sql)
  found = [client.query(sql)]
  found << client.store_result while client.next_result
  found.compact.map(&:to_a)
end

# Two connections of a check's own: what it does keeps a server session for as long as the connection lives.
def pair
  own = [connect, connect]
  yield own
ensure
  own&.each(&:close)
end

a = connect
b = connect

check('connect') do
  same(query(a, 'SELECT 1, DATABASE(), @@character_set_client'), [[1, SCHEMA, 'utf8mb4']])
  same(value(a, 'SELECT CONNECTION_ID()'), a.thread_id)
  same(value(b, 'SELECT CONNECTION_ID()'), b.thread_id)
  same(a.thread_id == b.thread_id, false)
end
[
  "DROP TABLE IF EXISTS #{ITEMS}, #{IDS}, #{BIG}, #{FILE}",
  "DROP PROCEDURE IF EXISTS #{TWO}",
  "CREATE TABLE #{ITEMS} (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6), " \
  'f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4',
  "CREATE TABLE #{IDS} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))",
  "CREATE TABLE #{BIG} (id INT PRIMARY KEY, b LONGBLOB)",
  "CREATE TABLE #{FILE} (id INT PRIMARY KEY, txt VARCHAR(100))",
  "CREATE PROCEDURE #{TWO}(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END"
].each { |sql| a.query(sql) }

check('text') do
  a.query("INSERT INTO #{ITEMS} (id,n,s,b,d,f) VALUES (1, 4611686018427387904, '#{a.escape("a'b\\c")}', " \
          "x'#{BLOB.unpack1('H*')}', '2024-02-29', 1.5), " \
          "(2, -1, NULL, NULL, NULL, NULL), (3, 0, '', '', '1999-12-31', 0)")
  same(a.affected_rows, 3)
  rows = [[1, 4_611_686_018_427_387_904, "a'b\\c", BLOB, Date.new(2024, 2, 29), 1.5], [2, -1, nil, nil, nil, nil]]
  same(query(a, "SELECT id,n,s,b,d,f FROM #{ITEMS} WHERE id < 3 ORDER BY id"), rows)
  a.query("UPDATE #{ITEMS} SET n = n + 1 WHERE id > 1")
  same([a.affected_rows, a.query_info_string], [2, 'Rows matched: 2  Changed: 2  Warnings: 0'])
  a.query("DELETE FROM #{ITEMS} WHERE id = 3")
  same(query(b, "SELECT id, n FROM #{ITEMS} WHERE id > 1"), [[2, 0]])
  same(query(b, "SELECT id FROM #{ITEMS} WHERE id = 77"), [])
end

check('unbuffered') do
  digits = "(SELECT 0 n #{(1..9).map { |n| "UNION SELECT #{n}" }.join(' ')})"
  sql = "SELECT x.n*100+y.n*10+z.n FROM #{digits} x, #{digits} y, #{digits} z"
  sum = 0
  a.query(sql, stream: true, cache_rows: false).each { |row| sum += row[0] }
  same(sum, 499_500)
end

check('asynchronous') do
  a.query('SELECT 1, SLEEP(0.02)', async: true)
  b.query('SELECT 2', async: true)
  same([b.async_result.to_a, a.async_result.to_a], [[[2]], [[1, 0]]])
end

check('prepared') do
  insert = a.prepare("INSERT INTO #{ITEMS} (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)")
  first = [10, -2**62, TEXT, BLOB, Date.new(2024, 2, 29), Time.utc(2024, 2, 29, 23, 59, 59, 123_456), -0.25, BigDecimal('12.5')]
  empty = [11, nil, nil, nil, nil, nil, nil, nil]
  last = [12, 3, '', '', Date.new(1000, 1, 1), Time.utc(1999, 1, 1, 0, 0, 0, 500_000), 1e300, BigDecimal('-1')]
  [first, empty, last].each do |row|
    insert.execute(*row)
    same(insert.affected_rows, 1)
    same(value(a, 'SELECT 7'), 7)
  end
  sql = "SELECT id,n,s,b,d,dt,f,c FROM #{ITEMS} WHERE id = ?"
  select = a.prepare(sql)
  other = b.prepare(sql)
  same([select.param_count, select.field_count, select.fields[2]], [1, 8, 's'])
  3.times do
    same(execute(select, 10), [first])
    same(execute(other, 11), [empty])
    same(value(b, 'SELECT 5'), 5)
    same(execute(select, 12), [last])
    same(execute(select, 77), [])
  end
  select.close
  insert.close
  same(execute(other, 10), [first])
  other.close
  # The same parameter with another type each time.
  echo = a.prepare('SELECT ? IS NULL, CAST(? AS CHAR)')
  [5, 'é', nil, 'longer than the one before'].each do |given|
    same(execute(echo, given, given), [[given.nil? ? 1 : 0, given&.to_s]])
  end
  echo.close
end

check('prepared-error') do
  insert = a.prepare("INSERT INTO #{ITEMS} (id) VALUES (?)")
  insert.execute(20)
  fails(1062, '23000') { insert.execute(20) }
  insert.execute(21)
  same(value(a, "SELECT COUNT(*) FROM #{ITEMS} WHERE id IN (20, 21)"), 2)
  fails(1146, '42S02') { a.prepare('SELECT * FROM no_such_table_here') }
  insert.close
end

check('rollback') do
  a.query('BEGIN')
  a.query("INSERT INTO #{ITEMS} (id) VALUES (100)")
  same([counted(a, 100), counted(b, 100)], [1, 0])
  a.query('ROLLBACK')
  same([counted(a, 100), counted(b, 100)], [0, 0])
end

check('commit') do
  a.query('START TRANSACTION')
  insert = a.prepare("INSERT INTO #{ITEMS} (id) VALUES (?)")
  insert.execute(101)
  a.query('SAVEPOINT one')
  insert.execute(102)
  a.query('ROLLBACK TO SAVEPOINT one')
  same([counted(a, 101), counted(b, 101)], [1, 0])
  a.query('COMMIT')
  insert.close
  same([counted(a, 101), counted(b, 101), counted(b, 102)], [1, 1, 0])
end

check('autocommit') do
  a.query('SET autocommit = 0')
  a.query("INSERT INTO #{ITEMS} (id) VALUES (110)")
  same([value(a, 'SELECT @@autocommit'), value(b, 'SELECT @@autocommit'), counted(b, 110)], [0, 1, 0])
  a.query('COMMIT')
  same(counted(b, 110), 1)
  a.query("DELETE FROM #{ITEMS} WHERE id = 110")
  a.query('SET autocommit = 1')
  same([value(a, 'SELECT @@autocommit'), counted(b, 110)], [1, 0])
end

check('procedure') do
  same(results(a, "CALL #{TWO}(7)"), [[[7, 'first']], [[8], [9]]])
  same(value(a, 'SELECT 1'), 1)
end

check('multi-statements') do
  same(results(a, "SELECT 1; UPDATE #{ITEMS} SET n = 5 WHERE id = 1; SELECT n FROM #{ITEMS} WHERE id = 1"), [[[1]], [[5]]])
  same(query(a, 'SELECT 2; SELECT * FROM no_such_table_here; SELECT 3'), [[2]])
  fails(1146, '42S02') { a.next_result }
  same(value(a, 'SELECT 4'), 4)
  a.set_server_option(Mysql2::Client::OPTION_MULTI_STATEMENTS_OFF)
  fails(1064, '42000') { a.query('SELECT 1; SELECT 2') }
  a.set_server_option(Mysql2::Client::OPTION_MULTI_STATEMENTS_ON)
  same(results(a, 'SELECT 1; SELECT 2'), [[[1]], [[2]]])
end

check('local-infile') do
  Tempfile.create('mybouncer-infile') do |file|
    (1..40_000).each { |i| file.puts("#{i}\trow-#{i}-#{'x' * 30}") }
    file.flush
    a.query("LOAD DATA LOCAL INFILE '#{file.path}' INTO TABLE #{FILE} (id, txt)")
    same(a.affected_rows, 40_000)
  end
  summary = "SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM #{FILE}"
  same(query(b, summary), [[40_000, 800_020_000, 40_000]])
end

check('big-row') do
  a.query("INSERT INTO #{BIG} VALUES (1, x'#{BIG_BYTES.unpack1('H*')}')")
  insert = a.prepare("INSERT INTO #{BIG} VALUES (?, ?)")
  insert.execute(2, BIG_BYTES)
  insert.close
  same(query(a, "SELECT LENGTH(b), SHA2(b, 256) FROM #{BIG}"), [[BIG_BYTES.bytesize, BIG_SUM]] * 2)
  bytes, after = query(a, "SELECT b, 'after' FROM #{BIG} WHERE id = 1")[0]
  same([Digest::SHA256.hexdigest(bytes), after], [BIG_SUM, 'after'])
  select = a.prepare("SELECT b, 'after' FROM #{BIG} WHERE id = ?")
  bytes, after = execute(select, 2)[0]
  same([Digest::SHA256.hexdigest(bytes), after], [BIG_SUM, 'after'])
  select.close
  same(value(a, 'SELECT 1'), 1)
end

check('utf8mb4') do
  a.query("INSERT INTO #{ITEMS} (id, s) VALUES (200, '#{TEXT}')")
  found = b.query("SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM #{ITEMS} WHERE id = 200 AND s = '#{TEXT}'")
  same([found.fields[0], found.to_a], ['kůň', [[TEXT, TEXT.unpack1('H*').upcase, 19]]])
end

check('last-insert-id') do
  a.query("INSERT INTO #{IDS} (v) VALUES ('a')")
  mine = a.last_id
  b.query("INSERT INTO #{IDS} (v) VALUES ('b'), ('c'), ('d')")
  theirs = b.last_id
  same([theirs, b.affected_rows], [mine + 1, 3])
  value(a, 'SELECT 1')
  value(b, 'SELECT 1')
  2.times do
    same(value(a, 'SELECT LAST_INSERT_ID()'), mine)
    same(value(b, 'SELECT LAST_INSERT_ID()'), theirs)
  end
  insert = a.prepare("INSERT INTO #{IDS} (v) VALUES (?)")
  insert.execute('e')
  same(insert.last_id, mine + 4)
  insert.close
  same(query(b, "SELECT v FROM #{IDS} WHERE id = LAST_INSERT_ID()"), [['b']])
end

check('session-state') do
  mode, zone = query(a, 'SELECT @@sql_mode, @@time_zone')[0]
  a.query("SET time_zone = '+03:00'")
  a.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
  2.times do
    sql = %(SELECT "id", @@time_zone FROM #{ITEMS} WHERE id = 1)
    same(query(a, sql), [[1, '+03:00']])
    same(query(b, sql), [['id', zone]])
  end
  a.query("SET @@session.sql_mode = '#{mode}', @@session.time_zone = '#{zone}'")
  same(query(a, 'SELECT "id", @@time_zone'), [['id', zone]])
end

check('user-variable') do
  pair do |x, y|
    3.times do |n|
      x.query("SET @mine = #{n}")
      same([value(y, 'SELECT @mine'), value(b, 'SELECT @mine'), value(x, 'SELECT @mine + 1')], [nil, nil, n + 1])
    end
  end
end

check('temporary-table') do
  pair do |x, y|
    x.query("CREATE TEMPORARY TABLE #{TMP} (x INT)")
    x.query("INSERT INTO #{TMP} VALUES (1), (2)")
    fails(1146, '42S02') { y.query("SELECT * FROM #{TMP}") }
    fails(1146, '42S02') { b.query("SELECT * FROM #{TMP}") }
    same(value(x, "SELECT SUM(x) FROM #{TMP}"), 3)
    x.query("DROP TEMPORARY TABLE #{TMP}")
    fails(1146, '42S02') { x.query("SELECT * FROM #{TMP}") }
  end
end

check('user-lock') do
  pair do |x, y|
    same(value(x, "SELECT GET_LOCK('#{LOCK}', 5)"), 1)
    same(value(y, "SELECT GET_LOCK('#{LOCK}', 0)"), 0)
    same(value(x, "SELECT RELEASE_LOCK('#{LOCK}')"), 1)
    same(value(y, "SELECT GET_LOCK('#{LOCK}', 0)"), 1)
    y.close
    same(value(x, "SELECT GET_LOCK('#{LOCK}', 5)"), 1) # free since its holder has gone
  end
end

check('diagnostics') do
  a.query("UPDATE #{ITEMS} SET n = 6 WHERE id = 1")
  same(value(a, 'SELECT ROW_COUNT()'), 1)
  a.query("INSERT IGNORE INTO #{ITEMS} (id) VALUES (1)")
  same(a.warning_count, 1)
  same(query(a, 'SHOW WARNINGS')[0][1], 1062)
  query(a, "SELECT id FROM #{ITEMS} WHERE id IN (1, 2)")
  same(value(a, 'SELECT FOUND_ROWS()'), 2)
end

check('error-duplicate') do
  fails(1062, '23000') { a.query("INSERT INTO #{ITEMS} (id) VALUES (1)") }
  a.query('BEGIN')
  a.query("INSERT INTO #{ITEMS} (id) VALUES (120)")
  fails(1062, '23000') { a.query("INSERT INTO #{ITEMS} (id) VALUES (1)") }
  same(counted(a, 120), 1)
  a.query('ROLLBACK')
  same(counted(a, 120), 0)
end

check('error-syntax') do
  fails(1064, '42000') { a.query('SELEKT 1') }
  same(value(a, 'SELECT 2'), 2)
end

check('ping') { same(a.ping, true) }

check('init-db') do
  a.select_db('information_schema')
  same([value(a, 'SELECT DATABASE()'), value(b, 'SELECT DATABASE()')], ['information_schema', SCHEMA])
  fails(1049, '42000') { a.select_db("#{SCHEMA}_missing") }
  a.query("USE #{SCHEMA}")
end

check('wrong-password') do
  fails(1045, '28000') { connect(password: "not-#{PASSWORD}") }
  fails(1045, '28000') { connect(password: '') }
end

check('unknown-database') { fails(1049, '42000') { connect(database: "#{SCHEMA}_missing") } }

check('kill-and-reconnect') do
  victim = connect(reconnect: true)
  victim.query('SET @mine = 1')
  number = victim.thread_id
  a.query("KILL #{number}")
  # The driver opens another connection by itself, with nothing of the old one's state.
  begin
    victim.ping
    query(victim, 'SELECT 1')
  rescue Mysql2::Error
    nil
  end
  same(query(victim, 'SELECT 1, @mine, @@autocommit'), [[1, nil, 1]])
  same(value(victim, 'SELECT CONNECTION_ID()') == number, false)
  victim.close
end

check('latin1') do
  west = connect(encoding: 'latin1')
  same(value(west, 'SELECT @@character_set_client').encode('UTF-8'), 'latin1')
  west.query("INSERT INTO #{ITEMS} (id, s) VALUES (201, '#{WESTERN}')".encode('ISO-8859-1'))
  statement = west.prepare("SELECT s FROM #{ITEMS} WHERE s = ?")
  3.times do
    same(query(a, "SELECT s, HEX(s) FROM #{ITEMS} WHERE id = 201"), [[WESTERN, WESTERN.unpack1('H*').upcase]])
    found = value(west, "SELECT s FROM #{ITEMS} WHERE s = '#{WESTERN}'".encode('ISO-8859-1'))
    same([found.encoding, found.encode('UTF-8')], [Encoding::ISO_8859_1, WESTERN])
    same(execute(statement, WESTERN.encode('ISO-8859-1'))[0][0].encode('UTF-8'), WESTERN)
    same(query(a, "SELECT s FROM #{ITEMS} WHERE id = 200"), [[TEXT]])
  end
  west.close
end

b.query("DROP TABLE #{ITEMS}, #{IDS}, #{BIG}, #{FILE}")
b.query("DROP PROCEDURE #{TWO}")
a.close
b.close
exit($failed.zero? ? 0 : 1)
