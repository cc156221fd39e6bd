// Package lifeboat holds the words of a disaster-recovery system for a portfolio, in the order in which news travels:
//
//	reading → signal → firing → decision → run → order → receipt
//
// and a receipt comes back in as news. Every step is an [Event] in one append-only journal; everything a person is
// shown is derived from it.
//
//   - A [Reading] is one observed value of one series at one time from one source, with its quality.
//   - A [Firing] says that a trigger's condition became true or cleared, with every value that made it so.
//   - An [Incident] is an episode opened by a firing and closed by an all-clear.
//   - A [Decision] is to start a playbook now, to ask people first, or to hold.
//   - A run ([RunStarted], [StepStarted], [StepFinished], [RunFinished]) is one durable execution of one pinned playbook.
//   - An [Intent] is one act on money or people, written down before it is carried out.
//   - A [Receipt] says what the venue did.
//
// The promises, each held by a test:
//
//   - An act is carried out only after its intent is durable; if the intent cannot be written, nothing happens.
//   - An order is placed at most once per key: in doubt the venue is asked, never sent to again.
//   - The same tape gives the same journal, byte for byte.
//   - A series without fresh data is never taken for a calm one.
//
// [Flow] is the whole path on one screen. The package does no I/O and knows no stage: watch, act, keep and talk import
// it, and only app, drill and cmd know who is who.
package lifeboat
