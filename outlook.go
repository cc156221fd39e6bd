package lifeboat

// Outlook is what would become of an exit if its step came now, as somebody who looked at the chain found it. It is written when
// it is another one than before, so that owners are told and a review can say since when.
type Outlook struct {
	Playbook string `json:"playbook"`
	Step     string `json:"step"`
	Account  string `json:"account"`
	State    string `json:"state"`         // passes, armed, nothing, unsigned, stale or fails
	Kit      string `json:"kit,omitempty"` // the hash of what owners signed beforehand; "" where there is nothing
	Good     bool   `json:"good"`          // nothing needs to be done for it
	// Causes are single words for why it is not good, and Why are sentences, which may say something else at every look.
	Causes []string `json:"causes,omitempty"`
	Why    []string `json:"why,omitempty"`
}
