package conformance

import (
	"fmt"
	"io"
	"strings"

	"lifeboat/prose"
)

// WriteText tells the result to people: what is broken first, because it is what they must act on.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, plan %.12s: %s of the breaker tried in the shadow; nothing was sent.\n", r.Plan, r.Hash, prose.Count(len(r.Findings), "promise"))
	fmt.Fprintf(&b, "%d held, %d broken, %d not applicable.\n", r.Count(Held), r.Count(Broken), r.Count(NotApplicable))
	for _, section := range []struct {
		verdict Verdict
		heading string
	}{{Broken, "BROKEN"}, {NotApplicable, "Not applicable: nothing was proved about these"}, {Held, "Held"}} {
		if r.Count(section.verdict) > 0 {
			fmt.Fprintf(&b, "\n%s\n", section.heading)
		}
		for _, f := range r.Findings {
			if f.Verdict == section.verdict {
				f.write(&b)
			}
		}
	}
	if len(r.Added) > 0 {
		b.WriteString("\nWhat the plan does not say and the check put in its place\n")
		for _, a := range r.Added {
			fmt.Fprintf(&b, "  - %s\n", a)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Finding) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s: %s\n", f.Name, f.Sentence)
	switch f.Verdict {
	case Broken:
		fmt.Fprintf(b, "    Seen instead: %s.\n", strings.TrimSuffix(f.Seen, "."))
		if len(f.Journal) > 0 {
			b.WriteString("    The journal of the attempt ends with\n")
		}
		for _, line := range f.Journal {
			fmt.Fprintf(b, "      %s\n", line)
		}
	case NotApplicable:
		fmt.Fprintf(b, "    Because %s.\n", strings.TrimSuffix(f.Seen, "."))
	}
	for _, n := range f.Notes {
		fmt.Fprintf(b, "    Not tried: %s.\n", strings.TrimSuffix(n, "."))
	}
}
