package play

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// onChain is a stand whose owners have a Safe, and a run with one exit from it.
func onChain(t *testing.T, exits ...plan.Exit) *stand {
	var steps []plan.Step
	for _, e := range exits {
		steps = append(steps, plan.Step{Name: "leave", Timeout: plan.Duration(48 * time.Hour), Exit: &e})
	}
	s := newStand(t, playbook(steps...))
	s.plan.Dependencies = []plan.Dependency{
		{Name: "Ethereum", Kind: "chain", Chain: &plan.Chain{ID: 1}},
		{Name: "Lend", Kind: "protocol", Contract: &plan.Contract{Adapter: "aave-v3", Chain: "Ethereum", Address: "0x3333333333333333333333333333333333333333"}},
	}
	s.plan.Accounts = append(s.plan.Accounts, plan.Account{Name: "vault", Kind: "safe", Chain: "Ethereum", Address: "0x1111111111111111111111111111111111111111",
		Safe: &plan.Safe{Roles: &plan.Roles{Module: "0x4444444444444444444444444444444444444444", Role: "exit"}}})
	s.plan.Mandates = []plan.Mandate{{Name: "signers", By: "cio", Factor: "wallet"}}
	s.tasks = map[string]lifeboat.Receipt{
		"exit-plan": {Status: lifeboat.Performed, Output: "repay 12,000 USDC\nwithdraw 10 WETH", Facts: map[string]string{"hash": "0xabc", "threshold": "2", "safe_tx": `{"nonce":7}`}},
	}
	return s
}

func owners() plan.Exit {
	return plan.Exit{Account: "vault", To: "vault", Protocol: "Lend", Do: []string{"repay", "withdraw"}, Via: "owners", By: "signers"}
}

func (s *stand) sign(by, signature string) {
	asked := s.asked()
	s.apply(lifeboat.Answer{Question: string(asked.Key), By: by, Yes: true, Content: asked.Message.Content,
		Factor: &lifeboat.Factor{Kind: "wallet", ID: "0x" + by, Content: asked.Message.Content, Signature: signature}})
	s.settle()
}

// tasksOf a kind that were begun.
func (s *stand) tasksOf(kind string) []lifeboat.Task {
	var all []lifeboat.Task
	for _, e := range s.told {
		if i, ok := e.(lifeboat.Intent); ok && i.Task != nil && i.Task.Kind == kind {
			all = append(all, *i.Task)
		}
	}
	return all
}

// TestExitBySignatures: it is planned with the addresses of the plan, as many sign as the Safe wants whatever the mandate says, and what is
// carried out is what was signed, with the signatures.
func TestExitBySignatures(t *testing.T) {
	s := onChain(t, owners())
	s.settle()
	var planned plan.ExitOrder
	if err := json.Unmarshal(s.tasksOf("exit-plan")[0].Spec, &planned); err != nil || planned.ChainID != 1 || planned.Wallet != "0x1111111111111111111111111111111111111111" ||
		planned.Contract.Adapter != "aave-v3" || planned.Protocol != "Lend" {
		t.Fatalf("planned %+v: %v", planned, err)
	}
	asked := s.asked().Message
	if asked.Factor != "wallet" || !strings.Contains(asked.Text, "| withdraw 10 WETH") || !strings.Contains(asked.Text, "0xabc") {
		t.Errorf("asked %+v", asked)
	}
	s.plan.Accounts[len(s.plan.Accounts)-1].Address = "0x9999999999999999999999999999999999999999" // an edit while it waits
	s.sign("Ben", "0x01")
	if s.sign("Ben", "0x01"); len(s.tasksOf("exit-apply")) > 0 {
		t.Fatal("one person's signature is not two")
	}
	if waits := s.Waits("R1"); !strings.Contains(waits, "for 1 more to say yes; Ben did") {
		t.Errorf("waits %s", waits)
	}
	s.sign("Cleo", "0x02")
	done := s.tasksOf("exit-apply")
	if len(done) != 1 {
		t.Fatalf("%d carried out", len(done))
	}
	var applied struct {
		plan.ExitOrder
		Hash    string
		Planned map[string]string
		Timeout plan.Duration
	}
	if err := json.Unmarshal(done[0].Spec, &applied); err != nil || applied.Hash != "0xabc" || applied.Planned["safe_tx"] != `{"nonce":7}` ||
		applied.Wallet != "0x1111111111111111111111111111111111111111" || applied.Timeout != plan.Duration(48*time.Hour) {
		t.Errorf("carried out %s: %v", done[0].Spec, err)
	}
	var signatures []string
	for _, answer := range done[0].Consent {
		signatures = append(signatures, answer.Factor.Signature)
	}
	if strings.Join(signatures, " ") != "0x01 0x01 0x02" {
		t.Errorf("signed with %v", signatures)
	}
	want(t, s.paths(), "1 done exit-apply done: ok", "run done")
}

// TestExitWithoutSignatures: what counts is a wallet, and a no of one is a no.
func TestExitWithoutSignatures(t *testing.T) {
	s := onChain(t, owners())
	s.settle()
	for _, by := range []string{"Ben", "Cleo"} {
		s.apply(lifeboat.Answer{Question: string(s.asked().Key), By: by, Yes: true, Content: s.asked().Message.Content,
			Factor: &lifeboat.Factor{Kind: "totp", ID: by, Content: s.asked().Message.Content}})
		s.settle()
	}
	if len(s.tasksOf("exit-apply")) > 0 {
		t.Fatal("a code is no signature of a wallet")
	}
	s.say("Cleo", false)
	want(t, s.paths(), "1 failed Cleo said no", "run failed")
}

func TestExitByARole(t *testing.T) {
	e := owners()
	e.Via, e.By = "role", ""
	s := onChain(t, e)
	s.settle()
	want(t, s.paths(), "1 done exit-apply done: ok", "run done")
	if applied := s.tasksOf("exit-apply"); len(applied[0].Consent) > 0 || !strings.Contains(string(applied[0].Spec), `"role":"exit"`) {
		t.Errorf("applied %+v", applied)
	}
	e.By = "owner"
	s = onChain(t, e)
	s.settle()
	if asked := s.asked(); asked.Message.Factor != "" || len(s.tasksOf("exit-apply")) > 0 {
		t.Errorf("asked %+v", asked)
	}
	s.say("Ana", true)
	want(t, s.paths(), "1 done exit-apply done: ok", "run done")
}

// TestExitThatCannotBe ends in a sentence, with nothing sent.
func TestExitThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*stand)
	}{
		{"nothing to do", "1 done exit finds everything as it should be", func(s *stand) { s.tasks["exit-plan"].Facts["changes"] = "false" }},
		{"a plan that fails", "1 failed exit-plan failed: the market is out of cash", func(s *stand) {
			s.tasks["exit-plan"] = lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "the market is out of cash"}
		}},
		{"no threshold", "1 failed what was worked out does not say how many must sign it", func(s *stand) { delete(s.tasks["exit-plan"].Facts, "threshold") }},
		{"a threshold of nobody", "1 failed what was worked out does not say how many must sign it", func(s *stand) { s.tasks["exit-plan"].Facts["threshold"] = "0" }},
		{"too few who could sign", `1 failed it takes 3 signatures, and the plan has 2 who could give one as "signers"`, func(s *stand) { s.tasks["exit-plan"].Facts["threshold"] = "3" }},
		{"an account that is gone", `1 failed the plan no longer has an account "vault"`, func(s *stand) { s.plan.Accounts = s.plan.Accounts[:1] }},
		{"a protocol that is gone", `1 failed the plan no longer has a contract "Lend" on Ethereum`, func(s *stand) { s.plan.Dependencies = s.plan.Dependencies[:1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := onChain(t, owners())
			c.change(s)
			s.settle()
			want(t, s.paths()[:1], c.want)
			if len(s.tasksOf("exit-apply")) > 0 {
				t.Error("something was carried out")
			}
		})
	}
}

func TestExitInAPreview(t *testing.T) {
	s := onChain(t, owners())
	e := owners()
	e.Account = "nowhere"
	v := s.Preview(s.at, playbook(plan.Step{Name: "leave", Exit: new(owners())}, plan.Step{Name: "lost", Exit: &e}))
	want(t, v.Notes, "step 1 (leave): it would repay and withdraw in Lend, from vault (0x1111111111111111111111111111111111111111) on Ethereum, with the signatures of signers; it is simulated")
	want(t, v.Stops, `step 2 (lost): the plan no longer has an account "nowhere"`)
}
