package simtest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"lifeboat/keep/postgres/postgrestest"
)

// TestWorlds lives through worlds of every kind. LIFEBOAT_SIM_SEED lives through the world of one seed again and prints its
// journal.
func TestWorlds(t *testing.T) {
	if elsewhere(t) {
		return
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			total := through(t, k, seeds(k.seeds))
			t.Logf("%s: %s", k.name, total)
			for _, reached := range k.reaches(total) {
				if reached.n < reached.least {
					t.Errorf("%d %s, want at least %d: the seeds prove too little", reached.n, reached.what, reached.least)
				}
			}
		})
	}
}

// A kind of world, and how much must have happened in all of its seeds together.
type kind struct {
	name    string
	seeds   int
	mishaps func(seed uint64) Mishaps
	shelf   func(t *testing.T) func(t *testing.T) (shelf Shelf, restart func()) // opened once, then asked for each world
	reaches func(Tally) []reach
}

type reach struct {
	what     string
	n, least int
}

var kinds = []kind{
	{name: "killed at random instants, SQLite", seeds: 48, shelf: inDirectories, mishaps: func(seed uint64) Mishaps {
		return Mishaps{Kill: 0.012, Wire: 0.15, Unreliable: true, Forgets: forgets(seed)}
	}, reaches: func(t Tally) []reach {
		return []reach{{"kills", t.Kills, 500}, {"orders", t.Orders, 200}, {"resent", t.Resent, 2}, {"given to people", t.Lost, 1}, {"halts", t.Halts, 5}}
	}},
	{name: "killed at random instants, PostgreSQL", seeds: 24, shelf: inSchemas, mishaps: func(seed uint64) Mishaps {
		return Mishaps{Kill: 0.02, Wire: 0.15, Unreliable: true, Forgets: forgets(seed)}
	}, reaches: func(t Tally) []reach {
		return []reach{{"kills", t.Kills, 500}, {"orders", t.Orders, 60}}
	}},
	{name: "PostgreSQL restarted in the middle", seeds: 4, shelf: inSchemas, mishaps: func(uint64) Mishaps {
		return Mishaps{Wire: 0.1, Restarts: 3}
	}, reaches: func(t Tally) []reach { return []reach{{"restarts", t.Restarts, 12}, {"orders", t.Orders, 20}} }},
	{name: "an older backup put back, SQLite", seeds: 16, shelf: inDirectories, mishaps: func(uint64) Mishaps {
		return Mishaps{Kill: 0.005, Wire: 0.05, Restores: 2, Unreliable: true}
	}, reaches: func(t Tally) []reach { return []reach{{"restores", t.Restores, 20}, {"strange orders", t.Strange, 10}} }},
	{name: "an older backup put back, PostgreSQL", seeds: 6, shelf: inSchemas, mishaps: func(uint64) Mishaps {
		return Mishaps{Kill: 0.005, Wire: 0.05, Restores: 2}
	}, reaches: func(t Tally) []reach { return []reach{{"restores", t.Restores, 10}, {"strange orders", t.Strange, 5}} }},
	{name: "another takes over, and the first wakes up", seeds: 30, shelf: inMemory, mishaps: func(uint64) Mishaps {
		return Mishaps{Kill: 0.003, Wire: 0.1, Zombies: 3}
	}, reaches: func(t Tally) []reach { return []reach{{"takeovers", t.Takeovers, 40}} }},
	{name: "disk full, disk read-only, clock jumps, standing still", seeds: 20, shelf: inDirectories, mishaps: func(uint64) Mishaps {
		return Mishaps{Kill: 0.003, Wire: 0.1, Full: 1, ReadOnly: 1, Jumps: 2, Stops: 3, Unreliable: true}
	}, reaches: func(t Tally) []reach {
		return []reach{{"stops on a full disk", t.Stopped["journal-full"], 20}, {"stops on the clock", t.Stopped["clock-behind"], 20}, {"minutes still", t.Stopped["SIGSTOP"], 20}}
	}},
}

// forgets gives every third world venues that forget.
func forgets(seed uint64) time.Duration {
	if seed%3 == 0 {
		return time2h
	}
	return 0
}

const (
	seedVariable = "LIFEBOAT_SIM_SEED"
	time2h       = 2 * time.Hour
)

// seeds of a kind: the first so many, ten times as many in a soak, or the one that somebody asks for.
func seeds(n int) (all []uint64) {
	if one, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64); err == nil {
		return []uint64{one}
	}
	if os.Getenv("LIFEBOAT_SOAK") != "" {
		n *= 10
	}
	for seed := range uint64(n) {
		all = append(all, seed)
	}
	return all
}

// through lives through the worlds of a kind, and tells of those that broke a rule.
func through(t *testing.T, k kind, seeds []uint64) (total Tally) {
	t.Helper()
	shelf := k.shelf(t)
	for _, seed := range seeds {
		kept, restart := shelf(t)
		v := live(t, Setting{Seed: seed, Shelf: kept, Restart: restart, Mishaps: k.mishaps(seed)})
		total.Add(v.Tally)
		tell(t, v, len(seeds) == 1)
	}
	return total
}

func live(t *testing.T, s Setting) Verdict {
	t.Helper()
	w, err := New(s)
	if err != nil {
		t.Fatalf("seed %d: %v", s.Seed, err)
	}
	return w.Run()
}

func tell(t *testing.T, v Verdict, all bool) {
	t.Helper()
	if err := v.Err(); err != nil {
		t.Errorf("%v\nLIFEBOAT_SIM_SEED=%d go test -v -run '%s' ./app/simtest\n%s", err, v.Seed, t.Name(), strings.Join(v.Faults, "\n"))
	}
	if all {
		t.Log("\n" + strings.Join(v.Journal, "\n"))
	}
}

// elsewhere runs a test in a program that was built without the race detector: in a world one thing happens after another, and
// the detector makes a store ten times slower. TestEverythingAtOnce runs under it.
func elsewhere(t *testing.T) bool {
	t.Helper()
	if !racing {
		return false
	}
	program := filepath.Join(t.TempDir(), "worlds")
	if out, err := exec.Command("go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the worlds: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "-test.v", "-test.run", "^"+t.Name()+"$").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if figure := strings.TrimSpace(line); strings.HasPrefix(figure, "sim_test.go:") {
			t.Log(figure)
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

func inDirectories(*testing.T) func(*testing.T) (Shelf, func()) {
	return func(t *testing.T) (Shelf, func()) { return SQLite(t.TempDir()), nil }
}

func inMemory(*testing.T) func(*testing.T) (Shelf, func()) {
	return func(*testing.T) (Shelf, func()) { return Shared(), nil }
}

// inSchemas starts a server for the worlds of a test.
func inSchemas(t *testing.T) func(*testing.T) (Shelf, func()) {
	server := postgrestest.Start(t)
	db, err := sql.Open("pgx", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return func(t *testing.T) (Shelf, func()) {
		url := server.NewJournal()
		_, schema, _ := strings.Cut(url, "search_path=")
		return Postgres(db, url, schema), func() { server.Restart(t) }
	}
}

// TestKilledAtEveryNamedPoint dies once at each point that has a name, at its first passing, and at some later ones.
func TestKilledAtEveryNamedPoint(t *testing.T) {
	if elsewhere(t) {
		return
	}
	var total Tally
	for i, p := range Points {
		for j, nth := range []int{1, 2, 5} {
			v := live(t, Setting{Seed: uint64(100*i + j), Shelf: SQLite(t.TempDir()), Mishaps: Mishaps{KillAt: p, Nth: nth, Wire: 0.1}})
			total.Add(v.Tally)
			tell(t, v, false)
		}
		if total.Died[p] == 0 {
			t.Errorf("nobody died at %s", p)
		}
	}
	t.Logf("killed at %d named points: %s", len(total.Died), list(total.Died))
}

// TestSameSeedSameWorld: a failure can be looked at again only if the seed is all there is to it.
func TestSameSeedSameWorld(t *testing.T) {
	for seed := range uint64(4) {
		once := func() string {
			v := live(t, Setting{Seed: seed, Shelf: Shared(), Mishaps: Mishaps{Kill: 0.02, Wire: 0.2, Restores: 1, Zombies: 1, Jumps: 1, Stops: 1, Full: 1, Unreliable: true}})
			return fmt.Sprint(v.Tally, v.Faults, v.Tally.Died, strings.Join(v.Journal, "\n"))
		}
		if a, b := once(), once(); a != b {
			x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
			i := slices.IndexFunc(x, func(l string) bool { return !slices.Contains(y, l) })
			t.Errorf("seed %d gives two worlds: %s", seed, x[max(0, i)])
		}
	}
}
