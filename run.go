package lifeboat

import (
	"encoding/json"
	"time"
)

// RunStarted pins a playbook: the run executes Content, whose hash is Hash, whatever the plan says later.
type RunStarted struct {
	Run      string          `json:"run"`
	Playbook string          `json:"playbook"`
	Hash     string          `json:"hash"`    // SHA-256 of Content, hex
	Content  json.RawMessage `json:"content"` // the playbook as loaded, canonical JSON
	Incident string          `json:"incident"`
	Trigger  string          `json:"trigger"`
	Tier     Tier            `json:"tier"`
	By       string          `json:"by"` // the authority of the decision that started it
	// Supersedes names open runs of a lower tier that act on the same things. When this run is about to trade they
	// cancel what is open and end; until then they go on.
	Supersedes []string `json:"supersedes,omitempty"`
}

// StepStarted begins one attempt at one step.
//
// A step is named by its path in the run: "2" is the second step of the playbook, "2.1" the first of those within it,
// "2.SPY@broker.1" the first for that holding, "2.undo.1" the first of those that undo it.
type StepStarted struct {
	Run     string   `json:"run"`
	Step    string   `json:"step"`
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Attempt int      `json:"attempt"`          // 1-based
	Items   []string `json:"items,omitempty"`  // what a for_each goes through: SPY@broker
	Branch  string   `json:"branch,omitempty"` // then or else, of an if
}

// Status of a step or a run.
type Status string

const (
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"
	// Skipped is a step that failed or timed out where the owner said to go on.
	Skipped Status = "skipped"
	// TimedOut is a step that did not end within its time-out.
	TimedOut Status = "timed-out"
	// Abandoned is a run that a person ended.
	Abandoned Status = "abandoned"
	// Superseded is a run that a run of a higher tier replaced.
	Superseded Status = "superseded"
)

// StepFinished ends a step, or one attempt at it when Status is Failed and Retry is set.
type StepFinished struct {
	Run    string             `json:"run"`
	Step   string             `json:"step"`
	Status Status             `json:"status"`
	Why    string             `json:"why"` // one sentence: what was found or done
	Retry  bool               `json:"retry,omitempty"`
	Again  time.Time          `json:"again,omitzero"`   // when the next attempt may start, with Retry
	Values map[string]float64 `json:"values,omitempty"` // what a check or verification read
	// Preauthorised are the IDs of the requests that permitted in advance what the step was to ask for. Each counts once.
	Preauthorised []string `json:"preauthorised,omitempty"`
}

// RunFinished ends a run.
type RunFinished struct {
	Run    string `json:"run"`
	Status Status `json:"status"`
	Why    string `json:"why"`
}
