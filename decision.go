package lifeboat

// Verdict of a decision.
type Verdict string

const (
	// Start the playbook now.
	Start Verdict = "start"
	// Ask people first; a later decision on their answer starts or holds.
	Ask Verdict = "ask"
	// Hold: do nothing beyond watching. Sometimes this is right.
	Hold Verdict = "hold"
)

// Decision answers a firing: start this playbook now, ask first, or hold; with the authority that permits it.
type Decision struct {
	Incident string  `json:"incident"`
	Trigger  string  `json:"trigger"`
	Tier     Tier    `json:"tier"`
	Playbook string  `json:"playbook,omitempty"`
	Verdict  Verdict `json:"verdict"`
	By       string  `json:"by"`  // "plan" for what the owner wrote down in advance, else a person's name
	Why      string  `json:"why"` // one sentence
	Run      string  `json:"run,omitempty"`
	// Question is the key under which a person answers an Ask.
	Question string `json:"question,omitempty"`
	// Repeats is the run that carried the playbook out before in this incident, when an Ask is about doing it again.
	Repeats string `json:"repeats,omitempty"`
}

// Answer is what a person said to a question: an approval, a confirmation that a manual step is done, or a no.
type Answer struct {
	Question string `json:"question"` // the key of the message that asked
	By       string `json:"by"`
	Yes      bool   `json:"yes"`
	Note     string `json:"note,omitempty"`
	// Content is the digest of what the person was shown, when the question had a [Proposal].
	Content string `json:"content,omitempty"`
	// Factor that the answer was signed with; nil for none.
	Factor *Factor `json:"factor,omitempty"`
	// Evidence is what a person attached: a label and what it says.
	Evidence map[string]string `json:"evidence,omitempty"`
}
