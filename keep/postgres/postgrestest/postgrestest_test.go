package postgrestest

import (
	"database/sql"
	"testing"
)

// A server keeps what it was told over a stop and over a kill, at the same address.
func TestServer(t *testing.T) {
	s := Start(t)
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE t (n int)`); err != nil {
		t.Fatal(err)
	}
	for n, again := range []func(){func() { s.Restart(t) }, func() { s.Kill(t); s.StartAgain(t) }} {
		if _, err := db.Exec(`INSERT INTO t VALUES ($1)`, n); err != nil {
			t.Fatal(err)
		}
		db.SetMaxIdleConns(0) // what is open now is cut
		again()
		var count int
		if err := db.QueryRow(`SELECT count(*) FROM t`).Scan(&count); err != nil || count != n+1 {
			t.Errorf("%d rows, want %d: %v", count, n+1, err)
		}
	}
	var fsync string
	if err := db.QueryRow(`SHOW fsync`).Scan(&fsync); err != nil || fsync != "on" {
		t.Errorf("fsync is %q, %v", fsync, err)
	}
}
