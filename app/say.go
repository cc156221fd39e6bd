package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/act/decide/breaker"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

// saying waits for its turn in the flow.
type saying struct {
	said lifeboat.Event
	done chan error
}

// Say verifies a second factor outside the flow, since it may take a person's minute, then queues what was said and waits
// until it is in the journal.
func (d *Daemon) Say(ctx context.Context, said lifeboat.Event, proof *api.Proof) (string, error) {
	said, id, err := d.named(said)
	if err != nil {
		return "", err
	}
	if proof.Given() {
		if said, err = d.proven(ctx, said, *proof); err != nil {
			return "", err
		}
	}
	queued := saying{said, make(chan error, 1)}
	select {
	case d.sayings <- queued:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case err := <-queued.done:
		return id, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Challenge begins to sign what will be said with a passkey.
func (d *Daemon) Challenge(ctx context.Context, said lifeboat.Event) (json.RawMessage, error) {
	said, id, err := d.named(said)
	if err != nil {
		return nil, err
	}
	person, content := d.signed(said)
	options, err := d.checker.Challenge(ctx, d.Clock.Now(), person, content)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		ID      string          `json:"id"`
		Content string          `json:"content"`
		Options json.RawMessage `json:"options"`
	}{id, content, options})
}

// TypedData is what an owner's wallet signs for a yes to a question.
func (d *Daemon) TypedData(question string) (json.RawMessage, error) {
	q := d.question(question)
	if q.Key == "" {
		return nil, notAsked(question)
	}
	tx, err := approve.SafeTx(q.Proposal)
	if err != nil {
		return nil, err
	}
	return tx.Payload(), nil
}

// named gives a request its name, and an answer the content of its question where it says none itself.
func (d *Daemon) named(said lifeboat.Event) (_ lifeboat.Event, id string, err error) {
	switch e := said.(type) {
	case lifeboat.Request:
		if e.ID == "" {
			e.ID = newID(d.Clock.Now())
		}
		return e, e.ID, nil
	case lifeboat.Answer:
		if e.Content == "" {
			e.Content = d.question(e.Question).Content
		}
		return e, e.Question, nil
	}
	return nil, "", fmt.Errorf("nobody can say a %s", said.Word())
}

// newID names a request by its day and by chance: nobody can know it beforehand.
func newID(at time.Time) string {
	chance := make([]byte, 6)
	_, _ = rand.Read(chance) // never fails: it ends the program instead
	return "Q" + at.UTC().Format("060102") + "-" + hex.EncodeToString(chance)
}

// question that is open, as last published.
func (d *Daemon) question(key string) api.Question {
	for _, q := range d.Status().Questions {
		if q.Key == key {
			return q
		}
	}
	return api.Question{}
}

// signed says whose factor signs what.
func (d *Daemon) signed(said lifeboat.Event) (person, content string) {
	switch e := said.(type) {
	case lifeboat.Answer:
		return e.By, e.Content
	case lifeboat.Request:
		return e.By, approve.DigestRequest(e)
	}
	return "", ""
}

// shown are the words that stand behind what is signed.
func (d *Daemon) shown(said lifeboat.Event) string {
	switch e := said.(type) {
	case lifeboat.Answer:
		return d.question(e.Question).Text
	case lifeboat.Request:
		return approve.ShowRequest(e)
	}
	return ""
}

// proven adds the verified factor.
func (d *Daemon) proven(ctx context.Context, said lifeboat.Event, proof api.Proof) (lifeboat.Event, error) {
	if a, answers := said.(lifeboat.Answer); answers && d.question(a.Question).Key == "" {
		return nil, notAsked(a.Question) // before a code is used up for it
	}
	person, content := d.signed(said)
	if content == "" {
		return nil, &lifeboat.Problem{Reason: "factor", What: "the question takes no second factor: there is nothing of it to sign", Money: "nothing was decided",
			Next: "answer without one"}
	}
	claim := approve.Claim{Person: person, Kind: cmp.Or(proof.Kind, "totp"), Content: content, Shown: d.shown(said), Code: proof.Code, Assertion: proof.Assertion}
	if a, answers := said.(lifeboat.Answer); answers && (proof.Kind == "wallet" || proof.Kind == "" && proof.Signature != "") {
		claim.Kind, claim.Signature, claim.Proposal, claim.Wallets = "wallet", proof.Signature, d.question(a.Question).Proposal, d.DaemonOptions.Plan.Wallets(person)
	}
	factor, err := d.checker.Check(ctx, d.Clock.Now(), claim)
	if err != nil {
		return nil, err
	}
	switch e := said.(type) {
	case lifeboat.Answer:
		e.Factor = &factor
		return e, nil
	case lifeboat.Request:
		e.Factor = &factor
		return e, nil
	}
	return said, nil
}

// hear lets what was said into the flow, if the person may say it.
func (d *Daemon) hear(ctx context.Context, s saying) error {
	at := d.now()
	if err := d.permitted(at, s.said); err != nil {
		s.done <- err
		return nil
	}
	err := d.Flow.Tell(ctx, at, s.said)
	for _, more := range d.meant(s.said) {
		if err == nil {
			err = d.Flow.Tell(ctx, at, more)
		}
	}
	s.done <- err
	return err
}

// meant are the first messages that an acknowledged one repeats: people may acknowledge any of them.
func (d *Daemon) meant(said lifeboat.Event) []lifeboat.Event {
	r, ok := said.(lifeboat.Request)
	if !ok || r.Verb != lifeboat.Acknowledge {
		return nil
	}
	var all []lifeboat.Event
	for _, key := range d.Ladder.About(lifeboat.Key(r.Object)) {
		if string(key) != r.Object {
			first := r
			first.ID, first.Object = r.ID+"-"+string(key), string(key)
			all = append(all, first)
		}
	}
	return all
}

// permitted asks those whom it concerns whether what was said can count; what cannot is refused before it is written.
func (d *Daemon) permitted(at time.Time, said lifeboat.Event) error {
	switch e := said.(type) {
	case lifeboat.Answer:
		return d.mayAnswer(at, e)
	case lifeboat.Request:
		if (e.By == api.KillSwitch || e.By == breaker.KillFile) && e.Verb == lifeboat.MoveBreaker && e.Object == string(lifeboat.Halted) {
			return nil // what stands in for a person can halt, and nothing else
		}
		if err := d.Desk.Permit(at, e); err != nil {
			return err
		}
		if err := d.Player.Fits(e); err != nil {
			return err
		}
		if err := d.Ladder.Fits(e); err != nil {
			return err
		}
		return d.fits(at, e)
	}
	return nil
}

// mayAnswer refuses an answer to what is not asked any more, one that would not count, and one that lacks what it should have.
func (d *Daemon) mayAnswer(at time.Time, a lifeboat.Answer) error {
	if !slices.ContainsFunc(d.record.Questions, func(q Question) bool { return string(q.Key) == a.Question }) {
		return notAsked(a.Question)
	}
	if err := d.Desk.PermitAnswer(at, a); err != nil {
		return err
	}
	return d.Player.AnswerFits(a)
}

func notAsked(key string) error {
	return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("no open question has the key %s", key),
		Money: "nothing was decided", Next: "lifeboat status lists the open questions"}
}

// fits refuses requests that are neither about runs nor the desk's: of accounts, of approvals in advance.
func (d *Daemon) fits(at time.Time, r lifeboat.Request) error {
	switch r.Verb {
	case lifeboat.Preauthorise, lifeboat.RevokeAuthority:
		if b := r.Bound; b != nil && !d.DaemonOptions.Plan.Tradable(b.Account) {
			return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the plan has no account %q that lifeboat may trade in", b.Account), Money: "nothing was approved",
				Next: "such accounts: " + strings.Join(d.accounts(), ", ")}
		}
		return d.Player.Advance().Fits(at, r)
	case lifeboat.ReleaseAccount:
		if !slices.Contains(d.record.Held.Strange(), r.Object) {
			return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the account %q does not wait for a release", r.Object), Money: "nothing was changed",
				Next: "lifeboat status lists the accounts that are held"}
		}
	}
	return nil
}

// killFile is the kill switch on disk; a path that is not absolute lies in the data directory.
func killFile(p *plan.Plan, dataDir string) string {
	file := "HALT"
	if p.Breaker != nil && p.Breaker.File != "" {
		file = p.Breaker.File
	}
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dataDir, file)
}

// killed reports the kill file, whatever the journal says yet. A file that cannot be looked for counts as there.
func (d *Daemon) killed() bool {
	_, err := os.Stat(d.killFile)
	return !errors.Is(err, fs.ErrNotExist)
}

// allow is the authority behind every act, and the kill file before it: between its appearing and its halt in the journal
// nothing automatic may slip out.
func (d *Daemon) allow(i lifeboat.Intent) error {
	if err := d.Desk.Allow(i); err != nil {
		return err
	}
	if (i.Act == lifeboat.PlaceOrder || i.Act == lifeboat.PerformTask) && d.Breaker.State() != lifeboat.Halted && d.killed() {
		return &lifeboat.Problem{Reason: "halted", What: fmt.Sprintf("the kill file %s is there", d.killFile), Money: "nothing was sent",
			Next: "remove it, then have the breaker let go"}
	}
	return nil
}

// hold tells the crew of which tasks nothing more may begin as things stand.
func (d *Daemon) hold() {
	var why map[lifeboat.Key]string
	for task := range d.Flow.Tasks() {
		if held := d.holds(task); held != "" {
			if why == nil {
				why = map[lifeboat.Key]string{}
			}
			why[task.Key] = held
		}
	}
	d.crew.Hold(why)
}

// holds says why nothing more of a task may begin; "" when it may.
func (d *Daemon) holds(task lifeboat.Intent) string {
	if d.Breaker.State() != lifeboat.Halted && d.killed() {
		return fmt.Sprintf("the kill file %s is there", d.killFile)
	}
	return d.Holds(task)
}

// killEvery is how often the kill file is looked for while nothing happens.
const killEvery = time.Second

// watchKillFile turns the file's appearing into a request that halts. Its going away lets nothing go. It looks by the machine's
// own clock: a file is of the real world, whatever time the flow lives in.
func (d *Daemon) watchKillFile(ctx context.Context) error {
	var clock lifeboat.WallClock
	for {
		if d.killed() && d.Status().Breaker.State != string(lifeboat.Halted) {
			request := lifeboat.Request{Verb: lifeboat.MoveBreaker, Object: string(lifeboat.Halted), By: breaker.KillFile, Note: d.killFile + " is there"}
			if _, err := d.Say(ctx, request, nil); err != nil {
				return err
			}
		}
		if err := clock.Sleep(ctx, clock.Now().Add(killEvery)); err != nil {
			return err
		}
	}
}
