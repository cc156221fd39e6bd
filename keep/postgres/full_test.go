package postgres

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"lifeboat"
	"lifeboat/keep/postgres/postgrestest"
)

// TestFullDisk lets the system refuse the server's writes, at a limit on the size of its files that lies above that of its
// log: so the transaction fails, and not the server.
func TestFullDisk(t *testing.T) {
	server := postgrestest.Start(t)
	server.Stop(t)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 17<<20 + 1000, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	server.StartAgain(t) // it inherits the limit
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	o := Options{URL: server.NewJournal()}
	s := open(t, o)
	write(t, s, 3)
	random := rand.NewChaCha8([32]byte{}) // what does not shrink
	noise := make([]byte, 1<<20)
	var err error
	kept := int64(3)
	for ; err == nil && kept < 100; kept++ {
		random.Read(noise)
		err = s.Append(noon, lifeboat.RunFinished{Run: "large", Why: hex.EncodeToString(noise)})
	}
	kept-- // the last was not acknowledged
	expectProblem(t, err, "journal-full", "no space left on the server's disk")
	if again := s.Append(noon, lifeboat.Refused{}); again != err {
		t.Errorf("after a failed append the store did not refuse a small one in the same words: %v", again)
	}
	if s.Fence() == nil {
		t.Error("who cannot write may act")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server.Restart(t) // without the limit
	s = open(t, o)
	if head, _ := s.Head(); head.Seq != kept || kept < 4 {
		t.Errorf("the journal ends at entry %d, entry %d was acknowledged", head.Seq, kept)
	}
	if err := s.Append(noon, said(1)); err != nil {
		t.Error(err)
	}
}
