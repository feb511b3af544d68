// Conformance of Go's go-sql-driver/mysql, built from Debian's package without the network:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= go build -o FILE go-client.go
//
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	text    = "Žluťoučký kůň 日本語 🐬"
	western = "Grüße café"
	latin1  = "Gr\xfc\xdfe caf\xe9"
)

var (
	ctx    = context.Background()
	target *url.URL
	schema string
	failed int
	blob   []byte
	// 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
	bigBytes                              []byte
	items, ids, big, file, tmp, two, lock string
)

// problem is what a check panics with; anything else is a bug of this script.
type problem struct{ error }

func fatal(format string, values ...interface{}) { panic(problem{fmt.Errorf(format, values...)}) }

func must(err error) {
	if err != nil {
		panic(problem{err})
	}
}

func check(name string, body func()) {
	defer func() {
		switch found := recover().(type) {
		case nil:
			fmt.Println("ok " + name)
		case problem:
			failed++
			fmt.Println("not ok " + name + ": " + strings.ReplaceAll(found.Error(), "\n", " "))
		default:
			panic(found)
		}
	}()
	body()
}

func show(value interface{}) string {
	shown := fmt.Sprintf("%#v", value)
	if len(shown) > 300 {
		return shown[:300]
	}
	return shown
}

func same(what string, got, want interface{}) {
	if !reflect.DeepEqual(got, want) {
		fatal("%s: got %s, wanted %s", what, show(got), show(want))
	}
}

func fails(errno uint16, what string, err error) {
	var found *mysql.MySQLError
	if !errors.As(err, &found) {
		fatal("%s: got %v, wanted %d", what, err, errno)
	}
	same(what, found.Number, errno)
}

// open gives a pool, which connects when it is first used.
func open(change func(*mysql.Config)) *sql.DB {
	config := mysql.NewConfig()
	config.User = target.User.Username()
	config.Passwd, _ = target.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", target.Host, schema
	config.Collation = "utf8mb4_general_ci"
	config.MaxAllowedPacket = 64 << 20
	config.ParseTime = true
	change(config)
	pool, err := sql.Open("mysql", config.FormatDSN())
	must(err)
	return pool
}

// connect gives one connection, which ends when it is closed.
func connect(change func(*mysql.Config)) *sql.Conn {
	pool := open(change)
	pool.SetMaxIdleConns(-1)
	connection, err := pool.Conn(ctx)
	must(err)
	return connection
}

func plain(*mysql.Config) {}

type querier interface {
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
}

func read(rows *sql.Rows) [][]interface{} {
	columns, err := rows.Columns()
	must(err)
	found := [][]interface{}{}
	for rows.Next() {
		row := make([]interface{}, len(columns))
		places := make([]interface{}, len(columns))
		for i := range row {
			places[i] = &row[i]
		}
		must(rows.Scan(places...))
		for i, value := range row {
			if raw, isBytes := value.([]byte); isBytes {
				row[i] = string(raw)
			}
		}
		found = append(found, row)
	}
	must(rows.Err())
	return found
}

func query(on querier, statement string, values ...interface{}) [][]interface{} {
	rows, err := on.QueryContext(ctx, statement, values...)
	must(err)
	defer rows.Close()
	return read(rows)
}

// value is what one cell says, whatever type the driver gives it.
func value(on querier, statement string, values ...interface{}) string {
	return fmt.Sprint(query(on, statement, values...)[0][0])
}

func exec(on querier, statement string, values ...interface{}) sql.Result {
	result, err := on.ExecContext(ctx, statement, values...)
	must(err)
	return result
}

func affected(result sql.Result) int64 {
	count, err := result.RowsAffected()
	must(err)
	return count
}

func execError(on querier, statement string, values ...interface{}) error {
	_, err := on.ExecContext(ctx, statement, values...)
	return err
}

func counted(on querier, id int) string {
	return value(on, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE id = %d", items, id))
}

func results(on querier, statement string) [][][]interface{} {
	rows, err := on.QueryContext(ctx, statement)
	must(err)
	defer rows.Close()
	found := [][][]interface{}{}
	for {
		if set := read(rows); len(set) > 0 {
			found = append(found, set)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	must(rows.Err())
	return found
}

type row = []interface{}

func upperHex(value string) string { return strings.ToUpper(hex.EncodeToString([]byte(value))) }

func main() {
	var err error
	target, err = url.Parse(os.Getenv("MYBOUNCER_TEST_URL"))
	must(err)
	schema = strings.TrimPrefix(target.Path, "/")
	prefix := os.Getenv("MYBOUNCER_TEST_PREFIX")
	if prefix == "" {
		prefix = "conf_"
	}
	for name, place := range map[string]*string{"items": &items, "ids": &ids, "big": &big, "file": &file, "tmp": &tmp, "two": &two, "lock": &lock} {
		*place = prefix + name
	}
	for i := 0; i < 256; i++ {
		blob = append(blob, byte(i))
	}
	blob = append(blob, "\\'\"\x00\n"...)
	bigBytes = bytes.Repeat(blob[:251], 83557)

	// The driver reports connections that others ended; the checks say so themselves.
	must(mysql.SetLogger(log.New(io.Discard, "", 0)))
	a, b := connect(plain), connect(plain)
	checkConnect(a, b)
	for _, statement := range []string{
		fmt.Sprintf("DROP TABLE IF EXISTS %s, %s, %s, %s", items, ids, big, file),
		"DROP PROCEDURE IF EXISTS " + two,
		"CREATE TABLE " + items + " (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6), " +
			"f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4",
		"CREATE TABLE " + ids + " (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))",
		"CREATE TABLE " + big + " (id INT PRIMARY KEY, b LONGBLOB)",
		"CREATE TABLE " + file + " (id INT PRIMARY KEY, txt VARCHAR(100))",
		"CREATE PROCEDURE " + two + "(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END",
	} {
		exec(a, statement)
	}
	checkStatements(a, b)
	checkTransactions(a, b)
	checkResults(a, b)
	checkState(a, b)
	checkErrors(a, b)
	checkConnections(a, b)
	exec(b, fmt.Sprintf("DROP TABLE %s, %s, %s, %s", items, ids, big, file))
	exec(b, "DROP PROCEDURE "+two)
	must(a.Close())
	must(b.Close())
	if failed > 0 {
		os.Exit(1)
	}
}

func checkConnect(a, b *sql.Conn) {
	check("connect", func() {
		same("first", query(a, "SELECT 'x', DATABASE(), @@character_set_client"), [][]interface{}{{"x", schema, "utf8mb4"}})
		same("same ids", value(a, "SELECT CONNECTION_ID()") == value(b, "SELECT CONNECTION_ID()"), false)
	})
}

func checkStatements(a, b *sql.Conn) {
	check("text", func() {
		same("insert", affected(exec(a, "INSERT INTO "+items+" (id,n,s,b,d) VALUES (1, 4611686018427387904, 'a\\'b\\\\c', x'"+
			hex.EncodeToString(blob)+"', '2024-02-29'), (2, -1, NULL, NULL, NULL), (3, 0, '', '', '1999-12-31')")), int64(3))
		same("select", query(a, "SELECT id,n,s,b,d FROM "+items+" WHERE id < 3 ORDER BY id"), [][]interface{}{
			{"1", "4611686018427387904", "a'b\\c", string(blob), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
			{"2", "-1", nil, nil, nil},
		})
		same("update", affected(exec(a, "UPDATE "+items+" SET n = n + 1 WHERE id > 1")), int64(2))
		same("delete", affected(exec(a, "DELETE FROM "+items+" WHERE id = 3")), int64(1))
		same("other", query(b, "SELECT id, n FROM "+items+" WHERE id > 1"), [][]interface{}{{"2", "0"}})
		same("none", query(b, "SELECT id FROM "+items+" WHERE id = 77"), [][]interface{}{})
	})

	check("interpolated", func() {
		mine := connect(func(config *mysql.Config) { config.InterpolateParams = true })
		defer mine.Close()
		exec(mine, "INSERT INTO "+items+" (id,n,s,b) VALUES (?,?,?,?)", 5, 1, text, blob)
		same("select", query(mine, "SELECT s, b FROM "+items+" WHERE id = ?", 5), [][]interface{}{{text, string(blob)}})
		exec(mine, "DELETE FROM "+items+" WHERE id = ?", 5)
	})

	check("prepared", func() {
		at := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
		first := row{int64(10), int64(-1 << 62), text, string(blob), at.Truncate(24 * time.Hour), at, -0.25, "12.50000"}
		empty := row{int64(11), nil, nil, nil, nil, nil, nil, nil}
		last := row{int64(12), int64(3), "", "", time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), at, 1e300, "-1.00000"}
		insert, err := a.PrepareContext(ctx, "INSERT INTO "+items+" (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)")
		must(err)
		for _, values := range []row{first, empty, last} {
			given := append(row{}, values...)
			if bytesGiven, isText := given[3].(string); isText {
				given[3] = []byte(bytesGiven)
			}
			result, err := insert.ExecContext(ctx, given...)
			must(err)
			same("inserted", affected(result), int64(1))
			same("between", value(a, "SELECT 7"), "7")
		}
		statement := "SELECT id,n,s,b,d,dt,f,c FROM " + items + " WHERE id = ?"
		selectA, err := a.PrepareContext(ctx, statement)
		must(err)
		selectB, err := b.PrepareContext(ctx, statement)
		must(err)
		executed := func(prepared *sql.Stmt, values ...interface{}) [][]interface{} {
			rows, err := prepared.QueryContext(ctx, values...)
			must(err)
			defer rows.Close()
			return read(rows)
		}
		for round := 0; round < 3; round++ {
			same("first", executed(selectA, 10), [][]interface{}{first})
			same("empty", executed(selectB, 11), [][]interface{}{empty})
			same("between", value(b, "SELECT 5"), "5")
			same("last", executed(selectA, 12), [][]interface{}{last})
			same("none", executed(selectA, 77), [][]interface{}{})
		}
		must(selectA.Close())
		must(insert.Close())
		same("after close", executed(selectB, 10), [][]interface{}{first})
		must(selectB.Close())
		// The same parameter with another type each time.
		echo, err := a.PrepareContext(ctx, "SELECT CAST(? AS CHAR)")
		must(err)
		for _, given := range []interface{}{5, "é", nil, "longer than the one before"} {
			want := given
			if given == 5 {
				want = "5"
			}
			same("echo", executed(echo, given), [][]interface{}{{want}})
		}
		must(echo.Close())
		fails(1146, "prepare", func() error { _, err := a.PrepareContext(ctx, "SELECT * FROM no_such_table_here"); return err }())
	})

	check("prepared-error", func() {
		insert, err := a.PrepareContext(ctx, "INSERT INTO "+items+" (id) VALUES (?)")
		must(err)
		defer insert.Close()
		run := func(id int) error { _, err := insert.ExecContext(ctx, id); return err }
		must(run(20))
		fails(1062, "duplicate", run(20))
		must(run(21))
		same("count", value(a, "SELECT COUNT(*) FROM "+items+" WHERE id IN (20, 21)"), "2")
	})

	check("long-data", func() {
		// Longer than what fits beside the other parameters: sent in pieces with COM_STMT_SEND_LONG_DATA.
		small := connect(func(config *mysql.Config) { config.MaxAllowedPacket = 1 << 16 })
		defer small.Close()
		insert, err := small.PrepareContext(ctx, "INSERT INTO "+big+" VALUES (?, ?)")
		must(err)
		defer insert.Close()
		given := bigBytes[:1<<18]
		for id := 50; id < 52; id++ {
			_, err = insert.ExecContext(ctx, id, given)
			must(err)
			same("stored", value(b, "SELECT SHA2(b, 256) FROM "+big+" WHERE id = ?", id), fmt.Sprintf("%x", sha256.Sum256(given)))
		}
		exec(a, "DELETE FROM "+big)
	})
}

func checkTransactions(a, b *sql.Conn) {
	check("rollback", func() {
		transaction, err := a.BeginTx(ctx, nil)
		must(err)
		exec(transaction, "INSERT INTO "+items+" (id) VALUES (100)")
		same("inside", counted(transaction, 100)+counted(b, 100), "10")
		must(transaction.Rollback())
		same("after", counted(a, 100)+counted(b, 100), "00")
	})

	check("commit", func() {
		transaction, err := a.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
		must(err)
		exec(transaction, "INSERT INTO "+items+" (id) VALUES (?)", 101)
		exec(transaction, "SAVEPOINT one")
		exec(transaction, "INSERT INTO "+items+" (id) VALUES (?)", 102)
		exec(transaction, "ROLLBACK TO SAVEPOINT one")
		same("inside", counted(transaction, 101), "1")
		must(transaction.Commit())
		same("after", counted(a, 101)+counted(b, 101)+counted(b, 102), "110")
	})

	check("read-only", func() {
		transaction, err := a.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		must(err)
		same("read", counted(transaction, 101), "1")
		fails(1792, "write", execError(transaction, "INSERT INTO "+items+" (id) VALUES (103)"))
		must(transaction.Rollback())
		exec(a, "INSERT INTO "+items+" (id) VALUES (103)")
	})

	check("autocommit", func() {
		exec(a, "SET autocommit = 0")
		exec(a, "INSERT INTO "+items+" (id) VALUES (110)")
		same("off", value(a, "SELECT @@autocommit")+value(b, "SELECT @@autocommit")+counted(b, 110), "010")
		exec(a, "COMMIT")
		same("committed", counted(b, 110), "1")
		exec(a, "DELETE FROM "+items+" WHERE id = 110")
		exec(a, "SET autocommit = 1")
		same("on", value(a, "SELECT @@autocommit")+counted(b, 110), "10")
	})
}

func checkResults(a, b *sql.Conn) {
	check("procedure", func() {
		want := [][][]interface{}{{{"7", "first"}}, {{"8"}, {"9"}}}
		same("call", results(a, "CALL "+two+"(7)"), want)
		same("after", value(a, "SELECT 1"), "1")
	})

	check("multi-statements", func() {
		many := connect(func(config *mysql.Config) { config.MultiStatements = true })
		defer many.Close()
		sets := results(many, "SELECT 1; UPDATE "+items+" SET n = 5 WHERE id = 1; SELECT n FROM "+items+" WHERE id = 1")
		same("results", sets, [][][]interface{}{{{"1"}}, {{"5"}}})
		same("after", value(many, "SELECT 4"), "4")
		fails(1064, "single", execError(a, "SELECT 1; SELECT 2"))
	})

	check("local-infile", func() {
		mysql.RegisterReaderHandler("rows", func() io.Reader {
			var rows bytes.Buffer
			for i := 1; i <= 40000; i++ {
				fmt.Fprintf(&rows, "%d\trow-%d-%s\n", i, i, strings.Repeat("x", 30))
			}
			return &rows
		})
		same("loaded", affected(exec(a, "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE "+file+" (id, txt)")), int64(40000))
		same("found", query(b, "SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM "+file),
			[][]interface{}{{"40000", "800020000", "40000"}})
	})

	check("big-row", func() {
		sum := fmt.Sprintf("%x", sha256.Sum256(bigBytes))
		exec(a, "INSERT INTO "+big+" VALUES (?, ?)", 1, bigBytes)
		same("stored", query(a, "SELECT LENGTH(b), SHA2(b, 256) FROM "+big), [][]interface{}{{fmt.Sprint(len(bigBytes)), sum}})
		for _, values := range []row{{}, {1}} {
			found := query(a, "SELECT b, 'after' FROM "+big+" WHERE id = "+map[int]string{0: "1", 1: "?"}[len(values)], values...)[0]
			same("read", fmt.Sprintf("%x", sha256.Sum256([]byte(found[0].(string)))), sum)
			same("after", found[1], "after")
		}
		same("next", value(a, "SELECT 1"), "1")
	})

	check("utf8mb4", func() {
		exec(a, "INSERT INTO "+items+" (id, s) VALUES (200, '"+text+"')")
		rows, err := b.QueryContext(ctx, "SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM "+items+" WHERE id = 200 AND s = ?", text)
		must(err)
		defer rows.Close()
		columns, err := rows.Columns()
		must(err)
		same("column", columns[0], "kůň")
		same("row", read(rows), [][]interface{}{{text, upperHex(text), int64(19)}})
	})

	check("last-insert-id", func() {
		mine, err := exec(a, "INSERT INTO "+ids+" (v) VALUES ('a')").LastInsertId()
		must(err)
		result := exec(b, "INSERT INTO "+ids+" (v) VALUES ('b'), ('c'), ('d')")
		theirs, err := result.LastInsertId()
		must(err)
		same("next", theirs, mine+1)
		same("rows", affected(result), int64(3))
		value(a, "SELECT 1")
		value(b, "SELECT 1")
		for round := 0; round < 2; round++ {
			same("mine", value(a, "SELECT LAST_INSERT_ID()"), fmt.Sprint(mine))
			same("theirs", value(b, "SELECT LAST_INSERT_ID()"), fmt.Sprint(theirs))
		}
		prepared, err := exec(a, "INSERT INTO "+ids+" (v) VALUES (?)", "e").LastInsertId()
		must(err)
		same("prepared", prepared, mine+4)
		same("row", value(b, "SELECT v FROM "+ids+" WHERE id = LAST_INSERT_ID()"), "b")
	})
}

// pair gives two connections of a check's own: what it does keeps a server session for as long as the connection lives.
func pair(body func(x, y *sql.Conn)) {
	x, y := connect(plain), connect(plain)
	defer x.Close()
	defer y.Close()
	body(x, y)
}

func checkState(a, b *sql.Conn) {
	check("session-state", func() {
		mode, zone := value(a, "SELECT @@sql_mode"), value(a, "SELECT @@time_zone")
		exec(a, "SET time_zone = '+03:00'")
		exec(a, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
		for round := 0; round < 2; round++ {
			statement := `SELECT "id", @@time_zone FROM ` + items + " WHERE id = 1"
			same("set", query(a, statement), [][]interface{}{{"1", "+03:00"}})
			same("other", query(b, statement), [][]interface{}{{"id", zone}})
		}
		exec(a, "SET @@session.sql_mode = ?, @@session.time_zone = ?", mode, zone)
		same("back", query(a, `SELECT "id", @@time_zone`), [][]interface{}{{"id", zone}})
	})

	check("user-variable", func() {
		pair(func(x, y *sql.Conn) {
			for n := 0; n < 3; n++ {
				exec(x, fmt.Sprintf("SET @mine = %d", n))
				same("others", value(y, "SELECT @mine")+value(b, "SELECT @mine"), "<nil><nil>")
				same("own", value(x, "SELECT @mine + 1"), fmt.Sprint(n+1))
			}
		})
	})

	check("temporary-table", func() {
		pair(func(x, y *sql.Conn) {
			exec(x, "CREATE TEMPORARY TABLE "+tmp+" (x INT)")
			exec(x, "INSERT INTO "+tmp+" VALUES (1), (2)")
			fails(1146, "other", execError(y, "SELECT * FROM "+tmp))
			fails(1146, "another", execError(b, "SELECT * FROM "+tmp))
			same("sum", value(x, "SELECT SUM(x) FROM "+tmp), "3")
			exec(x, "DROP TEMPORARY TABLE "+tmp)
			fails(1146, "dropped", execError(x, "SELECT * FROM "+tmp))
		})
	})

	check("user-lock", func() {
		pair(func(x, y *sql.Conn) {
			same("get", value(x, "SELECT GET_LOCK(?, 5)", lock), "1")
			same("taken", value(y, "SELECT GET_LOCK(?, 0)", lock), "0")
			same("release", value(x, "SELECT RELEASE_LOCK(?)", lock), "1")
			same("free", value(y, "SELECT GET_LOCK(?, 0)", lock), "1")
			must(y.Close())
			same("free since its holder has gone", value(x, "SELECT GET_LOCK(?, 5)", lock), "1")
		})
	})

	check("diagnostics", func() {
		exec(a, "UPDATE "+items+" SET n = 6 WHERE id = 1")
		same("rows", value(a, "SELECT ROW_COUNT()"), "1")
		exec(a, "INSERT IGNORE INTO "+items+" (id) VALUES (1)")
		same("warnings", fmt.Sprint(query(a, "SHOW WARNINGS")[0][1]), "1062")
		query(a, "SELECT id FROM "+items+" WHERE id IN (1, 2)")
		same("found", value(a, "SELECT FOUND_ROWS()"), "2")
	})
}

func checkErrors(a, b *sql.Conn) {
	check("error-duplicate", func() {
		fails(1062, "insert", execError(a, "INSERT INTO "+items+" (id) VALUES (1)"))
		transaction, err := a.BeginTx(ctx, nil)
		must(err)
		exec(transaction, "INSERT INTO "+items+" (id) VALUES (120)")
		fails(1062, "inside", execError(transaction, "INSERT INTO "+items+" (id) VALUES (1)"))
		same("goes on", counted(transaction, 120), "1")
		must(transaction.Rollback())
		same("after", counted(a, 120)+counted(b, 120), "00")
	})

	check("error-syntax", func() {
		fails(1064, "syntax", execError(a, "SELEKT 1"))
		same("goes on", value(a, "SELECT 2"), "2")
	})

	check("wrong-password", func() {
		fails(1045, "wrong", open(func(config *mysql.Config) { config.Passwd = "not-" + config.Passwd }).Ping())
		fails(1045, "empty", open(func(config *mysql.Config) { config.Passwd = "" }).Ping())
	})

	check("unknown-database", func() {
		fails(1049, "connect", open(func(config *mysql.Config) { config.DBName += "_missing" }).Ping())
	})

	check("init-db", func() {
		exec(a, "USE information_schema")
		same("used", value(a, "SELECT DATABASE()")+" "+value(b, "SELECT DATABASE()"), "information_schema "+schema)
		fails(1049, "use", execError(a, "USE "+schema+"_missing"))
		exec(a, "USE "+schema)
	})
}

func checkConnections(a, b *sql.Conn) {
	check("ping", func() { must(a.PingContext(ctx)) })

	// Not every server offers TLS; the proxy does.
	if os.Getenv("MYBOUNCER_TEST_DIRECT") != "1" {
		check("tls", func() {
			secure := connect(func(config *mysql.Config) { config.TLSConfig = "skip-verify" })
			same("short", value(secure, "SELECT 'over TLS'"), "over TLS")
			same("long", value(secure, "SELECT LENGTH(REPEAT('x', 3000000))"), "3000000")
			must(secure.Close())
		})
	}

	check("cancel", func() {
		// The driver gives up by closing the socket in the middle of the statement.
		mine := connect(plain)
		limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err := mine.QueryContext(limited, "SELECT SLEEP(20)")
		same("given up", errors.Is(err, context.DeadlineExceeded), true)
		if mine.PingContext(ctx) == nil {
			fatal("a connection that was given up answers")
		}
		same("others go on", value(a, "SELECT 1")+value(b, "SELECT 2"), "12")
	})

	check("pool", func() {
		// database/sql shares four connections among twenty goroutines.
		pool := open(plain)
		defer pool.Close()
		pool.SetMaxOpenConns(4)
		answers := make(chan error)
		for i := 0; i < 20; i++ {
			go func(i int) {
				var found int
				err := pool.QueryRow("SELECT ? + 0", i).Scan(&found)
				if err == nil && found != i {
					err = fmt.Errorf("asked for %d, got %d", i, found)
				}
				answers <- err
			}(i)
		}
		var first error
		for i := 0; i < 20; i++ {
			if err := <-answers; first == nil {
				first = err
			}
		}
		must(first)
	})

	check("kill-and-reconnect", func() {
		pool := open(plain)
		defer pool.Close()
		pool.SetMaxOpenConns(1)
		var number int64
		must(pool.QueryRow("SELECT CONNECTION_ID()").Scan(&number))
		exec(pool, "SET @mine = 1")
		exec(a, fmt.Sprintf("KILL %d", number))
		time.Sleep(50 * time.Millisecond)
		// The pool sees that the connection has ended and opens another, with nothing of the old one's state.
		same("state", query(pool, "SELECT @mine, @@autocommit, CONNECTION_ID() = ?", number), [][]interface{}{{nil, int64(1), int64(0)}})
	})

	check("latin1", func() {
		west := connect(func(config *mysql.Config) { config.Collation = "latin1_swedish_ci" })
		defer west.Close()
		same("charset", value(west, "SELECT @@character_set_client"), "latin1")
		exec(west, "INSERT INTO "+items+" (id, s) VALUES (201, '"+latin1+"')")
		for round := 0; round < 3; round++ {
			same("seen", query(a, "SELECT s, HEX(s) FROM "+items+" WHERE id = 201"), [][]interface{}{{western, upperHex(western)}})
			same("text", value(west, "SELECT s FROM "+items+" WHERE s = '"+latin1+"'"), latin1)
			same("prepared", value(west, "SELECT s FROM "+items+" WHERE s = ?", latin1), latin1)
			same("utf8mb4", value(a, "SELECT s FROM "+items+" WHERE id = 200"), text)
		}
	})
}
