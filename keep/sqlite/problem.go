package sqlite

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"lifeboat"
)

// openProblem tells why a journal could not be opened.
func openProblem(dir string, err error) error {
	if refuses(err) {
		return fullProblem(dir, "nothing was started", err)
	}
	return unreadableProblem(dir, "opened", err)
}

// writeProblem tells why an append failed. Whatever the disk's reason, the act that was to be recorded did not happen.
func writeProblem(dir string, err error) error {
	switch primary(err) {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return unreadableProblem(dir, "written", err)
	}
	return fullProblem(dir, "nothing was sent that is not in the journal", err)
}

// readProblem tells why reading stopped.
func readProblem(dir string, err error) error {
	return unreadableProblem(dir, "read", err)
}

func fullProblem(dir, money string, err error) error {
	return &lifeboat.Problem{
		Reason: "journal-full",
		What:   fmt.Sprintf("the journal in %s could not be written: %s", dir, cause(err)),
		Money:  money,
		Next:   "free space or mend the disk and start lifeboat again: open runs resume where the journal ends",
		Err:    err,
	}
}

func unreadableProblem(dir, done string, err error) error {
	return &lifeboat.Problem{
		Reason: "journal-unreadable",
		What:   fmt.Sprintf("the journal in %s could not be %s: %s", dir, done, cause(err)),
		Money:  "nothing was sent that is not in the journal",
		Next:   "check the path and the rights, and restore the data directory from a backup if the file is damaged",
		Err:    err,
	}
}

// refuses reports a disk that takes no more, as the system or as SQLite says it.
func refuses(err error) bool {
	for _, errno := range []error{unix.ENOSPC, unix.EDQUOT, unix.EFBIG, unix.EROFS, unix.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	switch code(err) {
	case codes.SQLITE_IOERR_WRITE, codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC, codes.SQLITE_IOERR_TRUNCATE, codes.SQLITE_IOERR_SHMSIZE:
		return true
	}
	return primary(err) == codes.SQLITE_FULL || primary(err) == codes.SQLITE_READONLY
}

// code is SQLite's own; SQLITE_OK when the error is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return codes.SQLITE_OK
}

// primary is the code without its refinement, which SQLite keeps in the higher bytes.
func primary(err error) int { return code(err) & 0xff }

// cause says in plain words what SQLite says in its own.
func cause(err error) string {
	switch code(err) {
	case codes.SQLITE_IOERR_WRITE, codes.SQLITE_IOERR_TRUNCATE, codes.SQLITE_IOERR_SHMSIZE:
		return "the system refused the write, as it does at a limit on the size of files or with a failing disk"
	case codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC:
		return "the disk did not confirm that it kept what was written"
	}
	switch primary(err) {
	case codes.SQLITE_FULL:
		return "no space left on device"
	case codes.SQLITE_IOERR:
		return "the disk reports an error"
	case codes.SQLITE_READONLY:
		return "it may only be read"
	case codes.SQLITE_BUSY:
		return "another program has locked the database"
	case codes.SQLITE_CORRUPT:
		return "the file is damaged"
	case codes.SQLITE_NOTADB:
		return "the file is not a database"
	case codes.SQLITE_CANTOPEN:
		return "the system does not let it be opened"
	}
	return err.Error()
}
