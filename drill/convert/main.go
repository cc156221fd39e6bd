// Command convert makes the price tables of drill/scenario from public histories, so that every figure in them can be
// made again, and the cuts of dirty data that the tests of package drill play:
//
//	go run ./drill/convert --history DIR --out drill/scenario --dirty drill/testdata/dirty
//
// DIR holds the histories under the names that tables.go gives; each scenario.yaml says from which repository and
// commit each one comes and under which terms. A table is cut to its scenario's dates, rounded, and stamped with the
// time at which a bar was complete, so that a drill never sees a price before anybody could have.
//
// It downloads nothing, fills no hole (a blank stays a blank) and computes one series only: the price of a ten-year
// note, marked as computed where it is used.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	history := flag.String("history", "", "directory of the public histories")
	out := flag.String("out", "drill/scenario", "directory of the scenarios; each table is written to <scenario>/tape.csv")
	cuts := flag.String("dirty", "drill/testdata/dirty", "directory of the cuts of dirty data")
	flag.Parse()
	err := convert(*history, *out)
	if err == nil {
		err = cutDirty(*history, *cuts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

func convert(history, out string) error {
	if history == "" {
		return fmt.Errorf("--history is missing: name the directory of the public histories")
	}
	total := 0
	for _, t := range tables {
		made, err := t.make(archive(history))
		if err != nil {
			return fmt.Errorf("make %s: %w", t.scenario, err)
		}
		text := made.csv()
		if err := os.WriteFile(filepath.Join(out, t.scenario, "tape.csv"), text, 0o644); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
		fmt.Printf("%-14s %5d rows %3d columns %7d bytes\n", t.scenario, len(made.stamps), len(made.columns), len(text))
		total += len(text)
	}
	fmt.Printf("%-14s %32d bytes\n", "in all", total)
	return nil
}
