package escalate

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

var noon = time.Date(2020, 3, 16, 12, 0, 0, 0, time.UTC)

// family is Ana, whom things go to, Ben and Cy on the rungs, and Dee, who sleeps at night and has a pager.
func family() *plan.Plan {
	return &plan.Plan{
		Portfolio: plan.Portfolio{Name: "Family", TimeZone: "UTC"},
		People: []plan.Person{{Name: "Ana", Role: "owner"}, {Name: "Ben", Role: "deputy"}, {Name: "Cy", Role: "trustee"},
			{Name: "Dee", Quiet: &plan.Quiet{From: "22:00", To: "07:00"}, Channels: []plan.Channel{{PagerDuty: "${PAGER}"}}}},
		Messages: &plan.Messages{Again: plan.Duration(5 * time.Minute), Escalate: []plan.Rung{
			{To: "deputy", After: plan.Duration(10 * time.Minute)}, {To: "trustee", After: plan.Duration(20 * time.Minute), Tier: lifeboat.Emergency}}},
	}
}

// story is a ladder with its journal; what it wants said is said at once.
type story struct {
	*Ladder
	t       *testing.T
	plan    *plan.Plan
	journal []entry
	said    []string // "12:05 Ana: again: …"
	refuse  bool     // nothing of the ladder's own is permitted
}

type entry struct {
	at time.Time
	e  lifeboat.Event
}

func tell(t *testing.T) *story {
	p := family()
	return &story{Ladder: New(p), t: t, plan: p}
}

// rest lets the ladder speak until it has nothing more to say, as the flow does.
func (s *story) rest(at time.Time) {
	s.t.Helper()
	for range 100 {
		events := s.Next(at)
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			i := e.(lifeboat.Intent)
			if s.refuse {
				s.put(at, lifeboat.Refused{Key: i.Key, Why: "no"})
				continue
			}
			s.said = append(s.said, fmt.Sprintf("%s %s: %s", at.Format("15:04"), strings.Join(i.Message.To, "+"), i.Message.Subject))
			s.put(at, i)
		}
	}
	s.t.Fatalf("the ladder does not come to rest at %s", at)
}

func (s *story) put(at time.Time, e lifeboat.Event) {
	s.journal = append(s.journal, entry{at, e})
	s.Apply(at, e)
}

// until lets time pass, stopping wherever something is due.
func (s *story) until(end time.Time) {
	s.t.Helper()
	for range 10_000 {
		due := s.Due()
		if due.IsZero() || due.After(end) {
			return
		}
		s.rest(due)
		if again := s.Due(); !again.IsZero() && !again.After(due) {
			s.t.Fatalf("due at %s and again at %s", due, again)
		}
	}
	s.t.Fatal("time does not pass")
}

func (s *story) message(at time.Time, key lifeboat.Key, m lifeboat.Message) {
	s.put(at, lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: &m})
	s.rest(at)
}

func (s *story) happens(at time.Time, e lifeboat.Event) {
	s.until(at)
	s.put(at, e)
	s.rest(at)
}

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func ack(key lifeboat.Key, by string) lifeboat.Request {
	return lifeboat.Request{Verb: lifeboat.Acknowledge, Object: string(key), By: by}
}

// What is said when, for one matter after the other.
func TestLadder(t *testing.T) {
	emergency := lifeboat.Message{To: []string{"Ana"}, Text: "SPY fell", Tier: lifeboat.Emergency}
	question := lifeboat.Message{To: []string{"Ana"}, Text: "Sell?", Question: true}
	for _, tc := range []struct {
		name string
		play func(s *story)
		want []string
	}{
		{"nobody answers an emergency: again and up", func(s *story) {
			s.message(noon, "e", emergency)
			s.until(after(22))
		}, []string{"12:05 Ana: again: SPY fell", "12:10 Ben: SPY fell", "12:10 Ana: again: SPY fell", "12:15 Ana: again: SPY fell", "12:15 Ben: again: SPY fell",
			"12:20 Cy: SPY fell", "12:20 Ana: again: SPY fell", "12:20 Ben: again: SPY fell"}},
		{"tier 2 climbs only the rungs that are for it", func(s *story) {
			s.message(noon, "a", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: lifeboat.Action})
			s.until(after(21))
		}, []string{"12:05 Ana: again: look", "12:10 Ben: look", "12:10 Ana: again: look", "12:15 Ana: again: look", "12:15 Ben: again: look", "12:20 Ana: again: look", "12:20 Ben: again: look"}},
		{"a word of information is said once", func(s *story) {
			s.message(noon, "w", lifeboat.Message{To: []string{"Ana"}, Text: "fine", Tier: lifeboat.Watch})
			s.until(after(60))
		}, nil},
		{"an acknowledgement ends it, and the others learn of it", func(s *story) {
			s.message(noon, "e", emergency)
			s.happens(after(11), ack("e", "Ben"))
			s.until(after(90))
		}, []string{"12:05 Ana: again: SPY fell", "12:10 Ben: SPY fell", "12:10 Ana: again: SPY fell", "12:11 Ana: Ben has it: SPY fell"}},
		{"somebody who was not told cannot end it", func(s *story) {
			s.message(noon, "e", emergency)
			s.happens(after(1), ack("e", "Cy"))
			s.until(after(6))
		}, []string{"12:05 Ana: again: SPY fell"}},
		{"a repeat can be acknowledged too", func(s *story) {
			s.message(noon, "e", emergency)
			s.until(after(5))
			s.happens(after(6), ack(lifeboat.NewKey("again", "e", "Ana", 0), "Ana"))
			s.until(after(90))
		}, []string{"12:05 Ana: again: SPY fell"}},
		{"an acknowledged question that nobody answers comes back", func(s *story) {
			s.message(noon, "q", question)
			s.happens(after(1), ack("q", "Ana"))
			s.until(after(37))
		}, []string{"12:31 Ana: again: Sell?", "12:36 Ana: again: Sell?"}},
		{"an answer ends it for whoever gave it, and a decision for all", func(s *story) {
			s.put(noon, lifeboat.Decision{Trigger: "crash", Verdict: lifeboat.Ask, Question: "q", By: "plan"})
			s.message(noon, "q", lifeboat.Message{To: []string{"Ana", "Ben"}, Text: "Sell?", Question: true, Tier: 2})
			s.happens(after(1), lifeboat.Answer{Question: "q", By: "Ana", Yes: true})
			s.happens(after(7), lifeboat.Decision{Trigger: "crash", Verdict: lifeboat.Hold, By: "plan", Why: "another firing"})
			s.happens(after(12), lifeboat.Decision{Trigger: "crash", Verdict: lifeboat.Start, By: "Ana and Ben", Why: "Ana and Ben said yes"})
			s.until(after(60))
		}, []string{"12:05 Ben: again: Sell?", "12:10 Ben: again: Sell?", "12:12 Ben: settled: Sell?"}},
		{"the end of its step ends a question", func(s *story) {
			s.put(noon, lifeboat.Intent{Key: "q", Act: lifeboat.SendMessage, Run: "r", Step: "2", Message: &question})
			s.happens(after(1), lifeboat.StepFinished{Run: "r", Step: "1", Status: lifeboat.Done})
			s.happens(after(6), lifeboat.StepFinished{Run: "r", Step: "2", Status: lifeboat.TimedOut, Why: "nobody answered"})
			s.until(after(60))
		}, []string{"12:05 Ana: again: Sell?", "12:06 Ana: settled: Sell?"}},
		{"the end of the incident ends what it said", func(s *story) {
			s.put(noon, lifeboat.IncidentChange{ID: "i", State: lifeboat.IncidentOpened})
			s.message(noon, "e", emergency)
			s.happens(after(6), lifeboat.IncidentChange{ID: "i", State: lifeboat.IncidentClosed})
			s.until(after(60))
		}, []string{"12:05 Ana: again: SPY fell"}},
		{"what no channel took is handed on at once", func(s *story) {
			s.message(noon, "e", emergency)
			s.happens(after(1), lifeboat.Receipt{Key: "e", Status: lifeboat.OrderRejected, Why: "nobody took it"})
			s.until(after(2))
		}, []string{"12:01 Ben: SPY fell", "12:01 Cy: SPY fell"}},
		{"what one person has open is one message, the gravest first", func(s *story) {
			s.message(noon, "a", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: 2})
			s.message(after(1), "e", emergency)
			s.message(after(2), "q", question)
			s.until(after(5))
			s.happens(after(6), ack(lifeboat.NewKey("again", "e", "Ana", 0), "Ana"))
			s.until(after(30))
		}, []string{"12:05 Ana: again: 3 matters, first: SPY fell"}},
		{"an emergency wakes, and its pager learns the end", func(s *story) {
			s.put(noon, lifeboat.IncidentChange{ID: "i", State: lifeboat.IncidentOpened})
			s.message(noon.Add(11*time.Hour), "e", lifeboat.Message{To: []string{"Dee"}, Text: "SPY fell", Tier: 3})
			s.happens(noon.Add(11*time.Hour+6*time.Minute), ack("e", "Dee"))
			s.happens(noon.Add(12*time.Hour), lifeboat.IncidentChange{ID: "i", State: lifeboat.IncidentClosed})
		}, []string{"23:05 Dee: again: SPY fell", "23:06 Dee: Dee has it: SPY fell", "00:00 Dee: settled: SPY fell"}},
		{"silence is kept below tier 3", func(s *story) {
			s.put(noon, lifeboat.Request{Verb: lifeboat.KeepSilent, Object: "1h", By: "Ana"})
			s.message(noon, "a", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: 2})
			s.until(after(9))
			s.message(after(9), "e", emergency)
			s.until(after(14))
		}, []string{"12:10 Ben: look", "12:14 Ana: again: 2 matters, first: SPY fell"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tell(t)
			tc.play(s)
			got := s.said
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

// Who rests is told again only after waking; whoever is on the rungs is told so many times and no more.
func TestRest(t *testing.T) {
	s := tell(t)
	s.message(noon.Add(11*time.Hour), "a", lifeboat.Message{To: []string{"Dee"}, Text: "look", Tier: 2})
	s.happens(noon.Add(19*time.Hour+6*time.Minute), ack("a", "Dee"))
	var dee []string
	ben := 0
	for _, line := range s.said {
		if strings.Contains(line, "Dee") {
			dee = append(dee, line)
		} else {
			ben++
		}
	}
	if want := []string{"07:05 Dee: again: look", "07:06 Dee+Ben: Dee has it: look", "07:06 Dee: settled: look"}; !slices.Equal(dee, want) {
		t.Errorf("Dee was told %q", dee)
	}
	if ben != 1+timesMax {
		t.Errorf("Ben was told %d times", ben)
	}
}

// Somebody who was told as often as can be, and then acknowledged, is told again when nothing came of it.
func TestCountsAnew(t *testing.T) {
	s := tell(t)
	s.message(noon, "q", lifeboat.Message{To: []string{"Ana"}, Text: "Sell?", Question: true})
	s.until(after(300))
	if n := len(s.said); n != 1+2*timesMax || !s.Due().IsZero() {
		t.Fatalf("said %d times in all, due %s", n, s.Due())
	}
	s.happens(after(301), ack("q", "Ana"))
	s.until(after(332))
	if last := s.said[len(s.said)-2:]; last[0] != "17:31 Ana: again: Sell?" {
		t.Errorf("the last words are %q", last)
	}
}

// A message that is not permitted is not wanted for ever.
func TestRefused(t *testing.T) {
	s := tell(t)
	s.refuse = true
	s.message(noon, "e", lifeboat.Message{To: []string{"Ana"}, Text: "SPY fell", Tier: 3})
	s.until(after(60))
	s.happens(after(61), ack("e", "Ana"))
	if len(s.said) != 0 || s.Next(after(62)) != nil {
		t.Errorf("said %q", s.said)
	}
}

// What makes no sense is refused in one sentence before it is written.
func TestFits(t *testing.T) {
	s := tell(t)
	s.message(noon, "e", lifeboat.Message{To: []string{"Ana"}, Text: "SPY fell", Tier: 3})
	s.until(after(5))
	for _, tc := range []struct {
		r      lifeboat.Request
		reason lifeboat.Reason
	}{
		{ack("e", "Ana"), ""}, {ack(lifeboat.NewKey("again", "e", "Ana", 0), "Ana"), ""}, {ack("e", "Ben"), "denied"}, {ack("nothing", "Ana"), "not-found"},
		{lifeboat.Request{Verb: lifeboat.KeepSilent, Object: "2h", By: "Ana"}, ""}, {lifeboat.Request{Verb: lifeboat.KeepSilent, Object: "2d", By: "Ana"}, "usage"},
		{lifeboat.Request{Verb: lifeboat.KeepSilent, Object: "a while", By: "Ana"}, "usage"}, {lifeboat.Request{Verb: lifeboat.PauseRun}, ""},
	} {
		err := s.Fits(tc.r)
		var problem *lifeboat.Problem
		if (tc.reason == "") != (err == nil) || err != nil && (!errors.As(err, &problem) || problem.Reason != tc.reason) {
			t.Errorf("%+v: %v", tc.r, err)
		}
	}
}

// A call-tree test is read from the journal: who was told when, and who acknowledged it after how long.
func TestCallTree(t *testing.T) {
	s := tell(t)
	s.message(noon, "e", lifeboat.Message{To: []string{"Ana", "Cy"}, Text: "a test of the call tree", Tier: 3})
	s.happens(after(0), lifeboat.Receipt{Key: "e", Status: lifeboat.Sent, Why: "Ana by mail; Cy by SMS"})
	s.happens(after(2), ack("e", "Ana"))
	s.happens(after(7), ack("e", "Cy"))
	tree, ok := CallTree(s.plan, "e", func(yield func(time.Time, lifeboat.Event) bool) {
		for _, one := range s.journal {
			if !yield(one.at, one.e) {
				return
			}
		}
	})
	want := []Told{{Person: "Ana", First: noon, Acknowledged: after(2), Took: 2 * time.Minute}, {Person: "Cy", First: noon, Acknowledged: after(7), Took: 7 * time.Minute}}
	if !ok || !reflect.DeepEqual(tree.Told, want) || tree.How != "Ana by mail; Cy by SMS" {
		t.Errorf("got %+v", tree)
	}
}

// Whatever happens in whatever order: no emergency that nobody acknowledged, and that is not over, leaves anybody who was
// told of it in silence for longer than the interval; no key is used twice; what somebody has is quiet; and a ladder that is
// folded again from the journal stands where the living one does.
func TestNeverSilent(t *testing.T) {
	for seed := range uint64(50) {
		playSeed(t, seed)
	}
}

func FuzzNeverSilent(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(playSeed)
}

func playSeed(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 17))
	s := tell(t)
	c := &checker{t: t, seed: seed, story: s, open: map[lifeboat.Key]*matter{}, keys: map[lifeboat.Key]bool{}}
	at := noon
	for n := range 60 {
		at = at.Add(time.Duration(random.IntN(900)) * time.Second)
		c.upTo(at)
		s.put(at, c.event(random, n))
		s.rest(at)
		c.heed(at)
		if random.IntN(5) == 0 {
			c.refold(at)
		}
	}
	c.upTo(at.Add(2 * time.Hour))
}

// matter is a thread as somebody sees it who only reads the journal and knows the promise.
type matter struct {
	text string
	told map[string]time.Time
}

type checker struct {
	t     *testing.T
	seed  uint64
	story *story
	read  int // entries of the journal so far
	open  map[lifeboat.Key]*matter
	keys  map[lifeboat.Key]bool
}

// event of any kind, mostly about what is there.
func (c *checker) event(random *rand.Rand, n int) lifeboat.Event {
	people := []string{"Ana", "Ben", "Cy", "Dee"}
	key := lifeboat.NewKey("none")
	if keys := slices.Sorted(maps.Keys(c.keys)); len(keys) > 0 {
		key = keys[random.IntN(len(keys))]
	}
	by := people[random.IntN(len(people))]
	switch random.IntN(10) {
	case 0, 1:
		if len(c.open) >= 4 { // of more than five not every text is repeated in full
			return lifeboat.Instant{}
		}
		return lifeboat.Intent{Key: lifeboat.NewKey("first", n), Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{by}, Text: fmt.Sprintf("[matter %d]", n), Tier: 3}}
	case 2:
		return lifeboat.Intent{Key: lifeboat.NewKey("first", n), Act: lifeboat.SendMessage, Run: "r", Step: fmt.Sprint(n % 3), Message: &lifeboat.Message{To: []string{by}, Text: fmt.Sprintf("[matter %d]", n), Tier: 2, Question: n%2 == 0}}
	case 3, 4:
		return ack(key, by)
	case 5:
		return lifeboat.Answer{Question: string(key), By: by, Yes: true}
	case 6:
		return lifeboat.StepFinished{Run: "r", Step: fmt.Sprint(n % 3), Status: lifeboat.Done}
	case 7:
		return lifeboat.Receipt{Key: key, Status: lifeboat.OrderRejected}
	case 8:
		return lifeboat.IncidentChange{ID: "i", State: []lifeboat.IncidentState{lifeboat.IncidentOpened, lifeboat.IncidentClosed}[n%2]}
	}
	return lifeboat.Request{Verb: lifeboat.KeepSilent, Object: "1h", By: by}
}

// upTo lets time pass and looks at every stop.
func (c *checker) upTo(end time.Time) {
	for {
		due := c.story.Due()
		if due.IsZero() || due.After(end) {
			break
		}
		c.story.rest(due)
		c.heed(due)
	}
	c.silent(end)
}

// heed reads what is new in the journal.
func (c *checker) heed(at time.Time) {
	for _, one := range c.story.journal[c.read:] {
		c.silent(one.at)
		switch e := one.e.(type) {
		case lifeboat.Intent:
			c.hears(one.at, e)
		case lifeboat.Request:
			if e.Verb == lifeboat.Acknowledge {
				for _, key := range c.story.About(lifeboat.Key(e.Object)) {
					if m := c.open[key]; m != nil && !m.told[e.By].IsZero() {
						delete(c.open, key) // an emergency that somebody has
					}
				}
			}
		case lifeboat.IncidentChange:
			if e.State == lifeboat.IncidentClosed {
				clear(c.open)
			}
		}
	}
	c.read = len(c.story.journal)
	c.silent(at)
}

func (c *checker) hears(at time.Time, e lifeboat.Intent) {
	if c.keys[e.Key] {
		c.t.Fatalf("seed %d: the key %s is used twice", c.seed, e.Key)
	}
	c.keys[e.Key] = true
	if e.Message.Thread == "" {
		if e.Message.Tier == lifeboat.Emergency {
			c.open[e.Key] = &matter{text: e.Message.Text, told: map[string]time.Time{e.Message.To[0]: at}}
		}
		return
	}
	for _, m := range c.open {
		if strings.Contains(e.Message.Text, m.text) {
			for _, name := range e.Message.To {
				m.told[name] = at
			}
		}
	}
}

func (c *checker) silent(at time.Time) {
	for key, m := range c.open {
		for name, last := range m.told {
			if gap := at.Sub(last); gap > 5*time.Minute {
				c.t.Fatalf("seed %d: nobody has %s (%s), and %s heard nothing for %s until %s", c.seed, key, m.text, name, gap, at)
			}
		}
	}
}

// refold compares the living ladder with one that is folded anew, and with what it would say.
func (c *checker) refold(at time.Time) {
	again := New(c.story.plan)
	for _, one := range c.story.journal {
		again.Apply(one.at, one.e)
	}
	living, folded := c.story.Threads(), again.Threads()
	if !reflect.DeepEqual(living, folded) || !again.Due().Equal(c.story.Due()) || !reflect.DeepEqual(again.Next(at), c.story.Next(at)) {
		c.t.Fatalf("seed %d: at %s the living ladder has\n%+v\nand the folded one\n%+v", c.seed, at, living, folded)
	}
}
