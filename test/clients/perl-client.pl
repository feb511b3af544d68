# Conformance of Perl's DBD::mysql and DBD::MariaDB: perl-client.pl mysql|MariaDB
# MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
use strict;
use warnings;
use utf8;
use DBI;
use Digest::SHA qw(sha256_hex);
use File::Temp ();

my $driver = shift @ARGV;
my $own    = lc $driver;    # prefix of the driver's own attributes
$ENV{MYBOUNCER_TEST_URL} =~ m{^mysql://([^:]+):([^@]*)@([^:]+):(\d+)/(\w+)$} or die 'MYBOUNCER_TEST_URL';
my ($user, $password, $host, $port, $schema) = ($1, $2, $3, $4, $5);
my $prefix = $ENV{MYBOUNCER_TEST_PREFIX} // 'conf_';
my ($items, $ids, $big, $file, $tmp, $two, $lock) = map { $prefix . $_ } qw(items ids big file tmp two lock);

my $text    = 'Žluťoučký kůň 日本語 🐬';
my $western = 'Grüße café';
my $blob    = join('', map { chr } 0 .. 255) . "\\'\"\0\n";
# 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
my $big_bytes = substr($blob, 0, 251) x 83557;
my $big_sum   = sha256_hex($big_bytes);

binmode STDOUT, ':utf8';
$| = 1;
my $failed = 0;

sub check {
    my ($name, $body) = @_;
    if (eval { $body->(); 1 }) {
        print "ok $name\n";
        return;
    }
    $failed++;
    my $why = "$@";
    $why =~ s/\s+/ /g;
    print "not ok $name: $why\n";
}

sub show {
    my ($value) = @_;
    return 'undef' unless defined $value;
    return '[' . join(', ', map { show($_) } @$value) . ']' if ref $value;
    return length $value > 200 ? substr($value, 0, 200) . '...' : "'$value'";
}

sub same {
    my ($got, $want) = @_;
    return if show($got) eq show($want);
    my $line = (caller)[2];
    die 'got ' . show($got) . ', wanted ' . show($want) . " at line $line\n";
}

sub connect_as {
    my (%changed) = @_;
    my $name = $changed{schema} // $schema;
    my %attributes = (
        RaiseError            => 1,
        PrintError            => 0,
        AutoCommit            => 1,
        "${own}_local_infile" => 1,
        "${own}_server_prepare"   => $changed{server_prepare} // 0,
        "${own}_multi_statements" => $changed{multi_statements} // 0,
        "${own}_auto_reconnect"   => $changed{auto_reconnect} // 0,
    );
    $attributes{mysql_enable_utf8mb4} = 1 if $driver eq 'mysql' && !$changed{latin1};
    $attributes{mysql_init_command} = 'SET NAMES latin1' if $changed{latin1};
    my $dsn = "DBI:$driver:database=$name;host=$host;port=$port";
    return DBI->connect($dsn, $user, $changed{password} // $password, \%attributes);
}

sub rows  { my ($dbh, $sql, @values) = @_; return $dbh->selectall_arrayref($sql, undef, @values) }
sub value { my ($dbh, $sql, @values) = @_; return rows($dbh, $sql, @values)->[0][0] }
sub counted { my ($dbh, $id) = @_; return value($dbh, "SELECT COUNT(*) FROM $items WHERE id = $id") }

sub fails {
    my ($errno, $state, $body) = @_;
    my $line = (caller)[2];
    die "no error, wanted $errno at line $line\n" if eval { $body->(); 1 };
    same([$DBI::err, $DBI::state], [$errno, $state]);
    return;
}

# Binds bytes as bytes: strings would be taken for text.
sub execute_with {
    my ($statement, @values) = @_;
    for my $i (0 .. $#values) {
        my $value = $values[$i];
        my $type = ref $value ? DBI::SQL_BLOB : defined $value && $value =~ /^-?\d{1,18}$/ ? DBI::SQL_BIGINT : DBI::SQL_VARCHAR;
        $statement->bind_param($i + 1, ref $value ? $$value : $value, $type);
    }
    $statement->execute;
    return $statement->{NUM_OF_FIELDS} ? $statement->fetchall_arrayref : [];
}

# Two connections of a check's own: what it does keeps a server session for as long as the connection lives.
sub pair {
    my ($body) = @_;
    my @own = (connect_as(), connect_as());
    my $done = eval { $body->(@own); 1 };
    my $error = $@;
    $_->disconnect for @own;
    die $error unless $done;
    return;
}

my $a = connect_as();
my $b = connect_as();
my $p = connect_as(server_prepare => 1);

check 'connect', sub {
    same(rows($a, 'SELECT 1, DATABASE(), @@character_set_client'), [[1, $schema, 'utf8mb4']]);
    same(value($a, 'SELECT CONNECTION_ID()'), $a->{"${own}_thread_id"});
    same(value($b, 'SELECT CONNECTION_ID()'), $b->{"${own}_thread_id"});
    same($a->{"${own}_thread_id"} == $b->{"${own}_thread_id"} ? 1 : 0, 0);
};
for my $sql (
    "DROP TABLE IF EXISTS $items, $ids, $big, $file",
    "DROP PROCEDURE IF EXISTS $two",
    "CREATE TABLE $items (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6), "
        . 'f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4',
    "CREATE TABLE $ids (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))",
    "CREATE TABLE $big (id INT PRIMARY KEY, b LONGBLOB)",
    "CREATE TABLE $file (id INT PRIMARY KEY, txt VARCHAR(100))",
    "CREATE PROCEDURE $two(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END",
) {
    $a->do($sql);
}

check 'text', sub {
    my $hex = uc unpack 'H*', $blob;
    same($a->do("INSERT INTO $items (id,n,s,b,d,f) VALUES (1, 4611686018427387904, ?, x'$hex', '2024-02-29', 1.5), "
        . "(2, -1, NULL, NULL, NULL, NULL), (3, 0, '', '', '1999-12-31', 0)", undef, "a'b\\c"), 3);
    same(rows($a, "SELECT id,n,s,b,d,f FROM $items WHERE id < 3 ORDER BY id"),
        [[1, '4611686018427387904', "a'b\\c", $blob, '2024-02-29', '1.5'], [2, -1, undef, undef, undef, undef]]);
    same($a->do("UPDATE $items SET n = n + 1 WHERE id > 1"), 2);
    same($a->do("DELETE FROM $items WHERE id = 3"), 1);
    same(rows($b, "SELECT id, n FROM $items WHERE id > 1"), [[2, 0]]);
    same(rows($b, "SELECT id FROM $items WHERE id = 77"), []);
};

# DBD::MariaDB 1.22 reads no row of a result that it did not buffer, from any server.
check 'unbuffered', sub {
    my $digits = '(SELECT 0 n ' . join(' ', map { "UNION SELECT $_" } 1 .. 9) . ')';
    my $statement = $a->prepare("SELECT x.n*100+y.n*10+z.n FROM $digits x, $digits y, $digits z", { mysql_use_result => 1 });
    $statement->execute;
    my $sum = 0;
    while (my ($n) = $statement->fetchrow_array) { $sum += $n }
    same($sum, 499500);
} if $driver eq 'mysql';

check 'asynchronous', sub {
    my $statement = $a->prepare('SELECT 1, SLEEP(0.02)', { ($driver eq 'mysql' ? 'async' : 'mariadb_async') => 1 });
    $statement->execute;
    same(value($b, 'SELECT 2'), 2);
    my $ready = "${own}_async_ready";
    select undef, undef, undef, 0.005 until $statement->$ready;
    same($statement->fetchrow_arrayref->[0], 1);
    $statement->finish;
};

check 'prepared', sub {
    my @first = (10, '-4611686018427387904', $text, \$blob, '2024-02-29', '2024-02-29 23:59:59.123456', '-0.25', '12.50000');
    my @empty = (11, (undef) x 7);
    my @last  = (12, 3, '', \'', '1000-01-01', '1999-01-01 00:00:00.500000', '0.5', '-1.00000');
    my $insert = $p->prepare("INSERT INTO $items (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)");
    for my $row (\@first, \@empty, \@last) {
        execute_with($insert, @$row);
        same($insert->rows, 1);
        same(value($p, 'SELECT 7'), 7);
    }
    my $flat = sub { [map { ref $_ ? $$_ : $_ } @_] };
    my $sql = "SELECT id,n,s,HEX(b),d,dt,f,c FROM $items WHERE id = ?";
    my ($select, $other) = ($p->prepare($sql), $b->prepare($sql));
    my ($one, $none, $three) = map { my @row = @$_; $row[3] = uc unpack 'H*', ${ $row[3] } if ref $row[3]; \@row } \@first, \@empty, \@last;
    for my $round (1 .. 3) {
        same(execute_with($select, 10), [$one]);
        same(execute_with($other, 11), [$none]);
        same(value($b, 'SELECT 5'), 5);
        same(execute_with($select, 12), [$three]);
        same(execute_with($select, 77), []);
    }
    my $bytes = $p->prepare("SELECT b FROM $items WHERE id = ?");
    same(execute_with($bytes, 10), [[$blob]]);
    $select->finish;
    undef $select;
    undef $insert;
    same(execute_with($bytes, 10), [[$blob]]);
    my $echo = $p->prepare('SELECT ? IS NULL, CAST(? AS CHAR)');
    for my $given (5, 'é', undef, 'longer than the one before') {
        same(execute_with($echo, $given, $given), [[defined $given ? 0 : 1, $given]]);
    }
};

check 'prepared-error', sub {
    my $insert = $p->prepare("INSERT INTO $items (id) VALUES (?)");
    execute_with($insert, 20);
    fails(1062, '23000', sub { execute_with($insert, 20) });
    execute_with($insert, 21);
    same(value($p, "SELECT COUNT(*) FROM $items WHERE id IN (20, 21)"), 2);
    fails(1146, '42S02', sub { $p->prepare('SELECT * FROM no_such_table_here')->execute });
};

check 'rollback', sub {
    $a->begin_work;
    $a->do("INSERT INTO $items (id) VALUES (100)");
    same([counted($a, 100), counted($b, 100)], [1, 0]);
    $a->rollback;
    same([counted($a, 100), counted($b, 100)], [0, 0]);
};

check 'commit', sub {
    $p->begin_work;
    my $insert = $p->prepare("INSERT INTO $items (id) VALUES (?)");
    $insert->execute(101);
    $p->do('SAVEPOINT one');
    $insert->execute(102);
    $p->do('ROLLBACK TO SAVEPOINT one');
    same([counted($p, 101), counted($b, 101)], [1, 0]);
    $p->commit;
    same([counted($p, 101), counted($b, 101), counted($b, 102)], [1, 1, 0]);
};
$p->disconnect;

check 'autocommit', sub {
    $a->{AutoCommit} = 0;
    $a->do("INSERT INTO $items (id) VALUES (110)");
    same([value($a, 'SELECT @@autocommit'), value($b, 'SELECT @@autocommit'), counted($b, 110)], [0, 1, 0]);
    $a->commit;
    same(counted($b, 110), 1);
    $a->do("DELETE FROM $items WHERE id = 110");
    $a->{AutoCommit} = 1;
    same([value($a, 'SELECT @@autocommit'), counted($b, 110)], [1, 0]);
};

sub results {
    my ($statement) = @_;
    my @found;
    do {
        push @found, $statement->fetchall_arrayref if $statement->{NUM_OF_FIELDS};
    } while ($statement->more_results);
    return \@found;
}

check 'procedure', sub {
    my $call = $a->prepare("CALL $two(7)");
    $call->execute;
    same(results($call), [[[7, 'first']], [[8], [9]]]);
    same(value($a, 'SELECT 1'), 1);
};

check 'multi-statements', sub {
    my $many = connect_as(multi_statements => 1);
    my $statement = $many->prepare("SELECT 1; UPDATE $items SET n = 5 WHERE id = 1; SELECT n FROM $items WHERE id = 1");
    $statement->execute;
    same(results($statement), [[[1]], [[5]]]);
    $statement->finish;
    same(value($many, 'SELECT 4'), 4);
    $many->disconnect;
    fails(1064, '42000', sub { $a->do('SELECT 1; SELECT 2') });
};

check 'local-infile', sub {
    my $rows = File::Temp->new(SUFFIX => '.tsv');
    print $rows "$_\trow-$_-", 'x' x 30, "\n" for 1 .. 40000;
    close $rows;
    same($a->do("LOAD DATA LOCAL INFILE '$rows' INTO TABLE $file (id, txt)"), 40000);
    same(rows($b, "SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM $file"),
        [[40000, 800020000, 40000]]);
};

check 'big-row', sub {
    for my $id (1, 2) {
        my $dbh = connect_as(server_prepare => $id - 1);
        $dbh->{LongReadLen} = length $big_bytes;
        execute_with($dbh->prepare("INSERT INTO $big VALUES (?, ?)"), $id, \$big_bytes);
        same(rows($dbh, "SELECT LENGTH(b), SHA2(b, 256) FROM $big WHERE id = $id"), [[length $big_bytes, $big_sum]]);
        my $found = execute_with($dbh->prepare("SELECT b, 'after' FROM $big WHERE id = ?"), $id);
        same([sha256_hex($found->[0][0]), $found->[0][1]], [$big_sum, 'after']);
        same(value($dbh, 'SELECT 1'), 1);
        $dbh->disconnect;
    }
};

sub utf8_hex { my ($string) = @_; utf8::encode($string); return uc unpack 'H*', $string }

check 'utf8mb4', sub {
    $a->do("INSERT INTO $items (id, s) VALUES (200, ?)", undef, $text);
    my $statement = $b->prepare("SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM $items WHERE id = 200 AND s = ?");
    $statement->execute($text);
    same($statement->fetchall_arrayref, [[$text, utf8_hex($text), 19]]);
};

check 'last-insert-id', sub {
    $a->do("INSERT INTO $ids (v) VALUES ('a')");
    my $mine = $a->{"${own}_insertid"};
    same($b->do("INSERT INTO $ids (v) VALUES ('b'), ('c'), ('d')"), 3);
    my $theirs = $b->last_insert_id(undef, undef, undef, undef);
    same($theirs, $mine + 1);
    value($a, 'SELECT 1');
    value($b, 'SELECT 1');
    for my $round (1, 2) {
        same(value($a, 'SELECT LAST_INSERT_ID()'), $mine);
        same(value($b, 'SELECT LAST_INSERT_ID()'), $theirs);
    }
    same(rows($b, "SELECT v FROM $ids WHERE id = LAST_INSERT_ID()"), [['b']]);
};

check 'session-state', sub {
    my ($mode, $zone) = @{ rows($a, 'SELECT @@sql_mode, @@time_zone')->[0] };
    $a->do("SET time_zone = '+03:00'");
    $a->do(q{SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')});
    my $sql = qq{SELECT "id", \@\@time_zone FROM $items WHERE id = 1};
    for my $round (1, 2) {
        same(rows($a, $sql), [[1, '+03:00']]);
        same(rows($b, $sql), [['id', $zone]]);
    }
    $a->do("SET \@\@session.sql_mode = '$mode', \@\@session.time_zone = '$zone'");
    same(rows($a, 'SELECT "id", @@time_zone'), [['id', $zone]]);
};

check 'user-variable', sub { pair(sub {
    my ($x, $y) = @_;
    for my $n (0 .. 2) {
        $x->do("SET \@mine = $n");
        same([value($y, 'SELECT @mine'), value($b, 'SELECT @mine'), value($x, 'SELECT @mine + 1')], [undef, undef, $n + 1]);
    }
}) };

check 'temporary-table', sub { pair(sub {
    my ($x, $y) = @_;
    $x->do("CREATE TEMPORARY TABLE $tmp (x INT)");
    $x->do("INSERT INTO $tmp VALUES (1), (2)");
    fails(1146, '42S02', sub { rows($y, "SELECT * FROM $tmp") });
    fails(1146, '42S02', sub { rows($b, "SELECT * FROM $tmp") });
    same(value($x, "SELECT SUM(x) FROM $tmp"), 3);
    $x->do("DROP TEMPORARY TABLE $tmp");
    fails(1146, '42S02', sub { rows($x, "SELECT * FROM $tmp") });
}) };

check 'user-lock', sub { pair(sub {
    my ($x, $y) = @_;
    same(value($x, 'SELECT GET_LOCK(?, 5)', $lock), 1);
    same(value($y, 'SELECT GET_LOCK(?, 0)', $lock), 0);
    same(value($x, 'SELECT RELEASE_LOCK(?)', $lock), 1);
    same(value($y, 'SELECT GET_LOCK(?, 0)', $lock), 1);
    $y->disconnect;
    same(value($x, 'SELECT GET_LOCK(?, 5)', $lock), 1);    # free since its holder has gone
}) };

check 'diagnostics', sub {
    $a->do("UPDATE $items SET n = 6 WHERE id = 1");
    same(value($a, 'SELECT ROW_COUNT()'), 1);
    $a->do("INSERT IGNORE INTO $items (id) VALUES (1)");
    same(rows($a, 'SHOW WARNINGS')->[0][1], 1062);
    rows($a, "SELECT id FROM $items WHERE id IN (1, 2)");
    same(value($a, 'SELECT FOUND_ROWS()'), 2);
};

check 'error-duplicate', sub {
    fails(1062, '23000', sub { $a->do("INSERT INTO $items (id) VALUES (1)") });
    $a->begin_work;
    $a->do("INSERT INTO $items (id) VALUES (120)");
    fails(1062, '23000', sub { $a->do("INSERT INTO $items (id) VALUES (1)") });
    same(counted($a, 120), 1);
    $a->rollback;
    same(counted($a, 120), 0);
};

check 'error-syntax', sub {
    fails(1064, '42000', sub { $a->do('SELEKT 1') });
    same(value($a, 'SELECT 2'), 2);
};

check 'ping', sub {
    same($a->ping ? 1 : 0, 1);
    same($a->{"${own}_stat"} =~ /^Uptime/ ? 1 : 0, 1) if $driver eq 'mysql';
};

check 'init-db', sub {
    $a->do('USE information_schema');
    same([value($a, 'SELECT DATABASE()'), value($b, 'SELECT DATABASE()')], ['information_schema', $schema]);
    fails(1049, '42000', sub { $a->do("USE ${schema}_missing") });
    $a->do("USE $schema");
};

# COM_FIELD_LIST, which of these two DBD::mysql alone still sends.
check 'field-list', sub {
    my $statement = $a->prepare("LISTFIELDS $ids");
    $statement->execute;
    same($statement->{NAME}, ['id', 'v']);
    $statement->finish;
    fails(1146, '42S02', sub { $a->prepare('LISTFIELDS no_such_table_here')->execute });
    same(value($a, 'SELECT 1'), 1);
} if $driver eq 'mysql';

check 'wrong-password', sub {
    fails(1045, '28000', sub { connect_as(password => "not-$password") });
    fails(1045, '28000', sub { connect_as(password => '') });
};

check 'unknown-database', sub {
    fails(1049, '42000', sub { connect_as(schema => "${schema}_missing") });
};

check 'kill-and-reconnect', sub {
    my $victim = connect_as(auto_reconnect => 1);
    $victim->do('SET @mine = 1');
    my $number = $victim->{"${own}_thread_id"};
    $a->do("KILL $number");
    # The driver opens another connection by itself, with nothing of the old one's state.
    eval { value($victim, 'SELECT 1') };
    same(rows($victim, 'SELECT 1, @mine, @@autocommit'), [[1, undef, 1]]);
    same(value($victim, 'SELECT CONNECTION_ID()') == $number ? 1 : 0, 0);
    $victim->disconnect;
};

# DBD::MariaDB speaks utf8mb4 and nothing else.
check 'latin1', sub {
    my $bytes = $western;
    utf8::downgrade($bytes);
    my $west = connect_as(latin1 => 1);
    same(value($west, 'SELECT @@character_set_client'), 'latin1');
    $west->do("INSERT INTO $items (id, s) VALUES (201, ?)", undef, $bytes);
    for my $round (1 .. 3) {
        same(rows($a, "SELECT s, HEX(s) FROM $items WHERE id = 201"), [[$western, utf8_hex($western)]]);
        same(rows($west, "SELECT s FROM $items WHERE s = ?", $bytes), [[$bytes]]);
        same(rows($a, "SELECT s FROM $items WHERE id = 200"), [[$text]]);
    }
    $west->disconnect;
} if $driver eq 'mysql';

$b->do("DROP TABLE $items, $ids, $big, $file");
$b->do("DROP PROCEDURE $two");
$_->disconnect for $a, $b;
exit($failed ? 1 : 0);
