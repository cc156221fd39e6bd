package lifeboat

// Reasons explains every lasting failure. docs/reasons.md is generated from it and a test keeps the two the same.
var Reasons = map[Reason]struct {
	Kind    Kind
	Meaning string
	Do      string
}{
	"usage": {Usage, "The command line has an unknown command, flag or argument.",
		"Run the command with --help."},
	"plan-invalid": {Invalid, "The plan directory holds something that cannot be right: an unknown key, a wrong unit, a name that nothing answers to, a cycle. Every problem is listed with file, line and column; nothing of the plan was used.",
		"Mend the listed places and run lifeboat check."},
	"plan-empty": {Invalid, "The plan directory has no YAML or JSON file, or none with anything in it.",
		"lifeboat init DIR --template brokerage writes a complete example."},
	"plan-too-large": {Invalid, "A plan file is larger than lifeboat reads. A plan is what a person wrote; prices and history belong in --history files.",
		"Split the file, or move data out of it."},
	"plan-secret": {Invalid, "A file in the plan directory holds a seed phrase or a private key. lifeboat never stores one and did not copy it anywhere.",
		"Remove it from the file and from the repository's history, and treat the key as exposed: move its funds."},
	"tape-invalid": {Invalid, "A price history has values or dates that cannot be right. No drill was run on it.",
		"Mend the listed rows, or run again with --quarantine to treat each bad value as missing."},
	"not-found": {NotFound, "What was named does not exist.",
		"The matching list command shows what there is."},
	"exists": {Conflict, "The target already exists, and lifeboat does not overwrite what it did not write.",
		"Choose another directory."},
	"port-in-use": {Conflict, "Another program listens on the address.",
		"Stop it, or choose another with --listen."},
	"data-in-use": {Conflict, "Another lifeboat runs on this data directory. Two of them could act twice.",
		"Use lifeboat status to look at the running one, or stop it first."},
	"clock-behind": {Conflict, "The machine's clock stands before the last entry of the journal: it was set back, or ran ahead before. Until it has caught up no time would pass, so that no series went stale and no time-out ended.",
		"Set the clock, or wait until it has caught up, and start again."},
	"not-loopback": {Denied, "The daemon has no sign-in yet, so it refuses to listen where other machines can reach it.",
		"Listen on 127.0.0.1 and use an SSH tunnel."},
	"denied": {Denied, "Nobody with the authority stood behind the act, so it was not carried out.",
		"Ask a person whom the plan names, or change the plan."},
	"daemon-unreachable": {Transient, "The command needs the running daemon and it did not answer.",
		"Start it with lifeboat serve, or give the right --data."},
	"feed-down": {Transient, "A source of readings does not answer. Its series go stale and their triggers say so.",
		"Look at the source; lifeboat keeps asking."},
	"journal-full": {Storage, "The journal could not be written: the disk is full or refuses. What was not written was not done.",
		"Free space or mend the disk, then start again: open runs resume where the journal ends."},
	"journal-unreadable": {Storage, "The journal could not be opened or read.",
		"Check the path and the rights; restore the data directory from a backup if the file is damaged."},
	"not-written": {Storage, "A report or a plan could not be written where it was asked for: the path is not a directory, the disk is full, or the rights are missing. No money is concerned.",
		"Free space, or name another directory."},
	"ledger-broken": {Storage, "The ledger of a simulated account holds something that cannot be right. The account was not opened, so that no order is placed on it twice.",
		"Restore the data directory from a backup, or set the ledger aside to start the simulated account afresh."},
	"journal-broken": {Tampered, "The journal's hash chain does not hold: an entry was changed, removed or added by something other than lifeboat.",
		"Stop acting on it. Compare with a backup; lifeboat journal verify names the first entry that does not fit."},
}
