package exit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// stolen orders a change of the market's Safe's keys.
func (m *market) stolen(owner, spare common.Address, roles *testbed.Roles, do ...string) (exit.Order, error) {
	o := plan.ExitOrder{Exit: plan.Exit{Account: "treasury", Do: do, Key: "Ada", Spare: "card", Via: "owners", KeepTrying: briefly}, Chain: "ethereum", ChainID: int(m.ChainID.Int64()),
		Wallet: m.safe.Address.Hex(), Receiver: m.safe.Address.Hex(), Own: map[string]string{},
		Keys: &plan.KeyOrder{Owner: owner.Hex(), Spare: spare.Hex(), Module: roles.Address.Hex(), Bot: roles.Bot.Hex(), Names: map[string]string{owner.Hex(): "Ada's key", spare.Hex(): "the card"}}}
	way, err := exit.WayOut(o, "ETH", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	order, err := m.desk.OrderOf(m.t.Context(), o, way, m.relayer.Address)
	order.Batch = m.safe.MultiSend.Address
	return order, err
}

// TestRotation plans changes of keys on the real contracts: those that can be made are promised and shown, the others are refused with the
// reason, and what is done already is nothing to do.
func TestRotation(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	roles, spare := m.Roles(m.safe, m.Accounts[6]), m.Accounts[8]
	old := m.safe.Owners[2].Address // in the middle or at the end of the list, whichever way the Safe has it
	tries := func(name, refusal string, owner, spare common.Address, do ...string) exit.Prepared {
		t.Helper()
		order, err := m.stolen(owner, spare, roles, do...)
		var p exit.Prepared
		if err == nil {
			p, err = m.desk.Plan(t.Context(), order)
		}
		if (err == nil) != (refusal == "") || err != nil && !strings.Contains(err.Error(), refusal) {
			t.Fatalf("%s: %v", name, err)
		}
		return p
	}
	tries("a stranger's place", "is no owner of the Safe", m.Accounts[7].Address, spare.Address, "replace-owner")
	tries("a place for another owner", "is an owner of the Safe already", old, m.safe.Owners[0].Address, "replace-owner")
	tries("a place for the Safe itself", "can be no owner", old, m.safe.Address, "replace-owner")
	tries("a module of somebody else", "the Safe can only disable it", old, spare.Address, "revoke-role")
	m.Send(m.Admin(), roles.Contract, "transferOwnership", m.safe.Address)
	m.Mine(1)
	tries("the bot alone", "", old, spare.Address, "revoke-role")
	p := tries("all of it", "", old, spare.Address, "replace-owner", "revoke-role", "disable-module")
	for _, say := range []string{"put the card (" + spare.Hex() + ") in the place of Ada's key", "3 owners, as before: it is 3", "2 owners have to sign, as before: it is 2", "can do nothing with the Safe: it is 0"} {
		if !strings.Contains(p.Text(), say) {
			t.Errorf("it is not shown that %q:\n%s", say, p.Text())
		}
	}
	m.blocks()
	if e, err := m.desk.Apply(t.Context(), "rotate", p, m.signed(p, 2), exit.Insist{}); err != nil || !e.Done {
		t.Fatalf("%+v %v", e, err)
	}
	order, err := m.stolen(old, spare.Address, roles, "replace-owner", "revoke-role", "disable-module")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.desk.Plan(t.Context(), order); !errors.Is(err, protocol.ErrNothingToDo) {
		t.Errorf("a second time: %v", err)
	}
}

// TestRotationSignedBeforehand: two owners sign on a quiet day what takes the third one's key out of the Safe; on the day of the theft
// nobody is asked, and the key is out. What was signed for a Safe that has gone on is stale, and is not sent.
func TestRotationSignedBeforehand(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	kits, err := exit.OpenKits(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	old, spare := m.safe.Owners[2].Address, m.Accounts[8].Address
	o := plan.ExitOrder{Exit: plan.Exit{Account: "treasury", Do: []string{"replace-owner"}, Key: "Ada", Spare: "card", Via: "presigned", KeepTrying: briefly}, Chain: "ethereum", ChainID: int(m.ChainID.Int64()),
		Wallet: m.safe.Address.Hex(), Receiver: m.safe.Address.Hex(), Own: map[string]string{},
		Keys: &plan.KeyOrder{Owner: old.Hex(), Spare: spare.Hex(), Names: map[string]string{old.Hex(): "Ada's key", spare.Hex(): "the card"}}}
	prepare := func() exit.Kit {
		t.Helper()
		order, err := m.desk.OrderOf(t.Context(), o, must(exit.WayOut(o, "ETH", nil)), m.relayer.Address)
		if err != nil {
			t.Fatal(err)
		}
		kit, err := kits.Prepare(t.Context(), m.desk, order)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range m.signed(kit.Prepared, 2) {
			if _, err := kits.Store.Sign(m.ChainID.Uint64(), m.safe.Address, kit.Prepared.Hash, one); err != nil {
				t.Fatal(err)
			}
		}
		return kit
	}
	w := m.worker()
	w.Kits = kits
	says(t, m.do(w, "exit-plan", o).Why, "nothing was signed beforehand")
	prepare()
	m.safe.Exec(m.aave.WETH.Do("approve", m.Whale().Address, testbed.Ether(0)), testbed.OperationCall)
	says(t, m.do(w, "exit-plan", o).Why, "stale")
	prepare()
	m.blocks()
	found := m.do(w, "exit-plan", o)
	if found.Status != lifeboat.Performed {
		t.Fatal(found.Why)
	}
	says(t, found.Output, "signed it on", "the card")
	if done := m.do(w, "exit-apply", applied{o, found.Facts["hash"], found.Facts}); done.Status != lifeboat.Performed {
		t.Fatalf("%s\n%s", done.Why, done.Output)
	}
	owners := m.Ask(m.safe.Contract, "getOwners")[0].([]common.Address)
	if slices.Contains(owners, old) || !slices.Contains(owners, spare) || len(owners) != 3 {
		t.Errorf("the owners are %v", owners)
	}
	if again := m.do(w, "exit-plan", o); again.Status == lifeboat.Performed && again.Facts["changes"] != "false" {
		t.Errorf("a second time it is planned: %+v", again)
	}
}
