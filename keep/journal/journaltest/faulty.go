package journaltest

import (
	"sync"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

// Faulty is a store whose disk fills up: the append number At (the first is 1) fails, and so does every later one, as a
// store on disk does until it is opened again. Set its fields before the first append.
type Faulty struct {
	journal.Keeper
	At  int
	Err error // what the failing appends return; [DiskFull] when nil

	mu      sync.Mutex
	appends int
}

// DiskFull is what a store on a full disk says.
func DiskFull() error {
	return &lifeboat.Problem{
		Reason: "journal-full",
		What:   "the journal could not be written: no space left on device",
		Money:  "nothing was sent that is not in the journal",
		Next:   "free space or mend the disk and start lifeboat again: open runs resume where the journal ends",
	}
}

// Append fails when its time has come, before anything is kept.
func (f *Faulty) Append(at time.Time, events ...lifeboat.Event) error {
	f.mu.Lock()
	f.appends++
	fails := f.At > 0 && f.appends >= f.At
	f.mu.Unlock()
	switch {
	case !fails:
		return f.Keeper.Append(at, events...)
	case f.Err != nil:
		return f.Err
	}
	return DiskFull()
}

// Appends counts the attempts so far, failed ones too.
func (f *Faulty) Appends() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appends
}
