package plan

import (
	"fmt"
	"slices"

	"lifeboat/secret"
)

// needs says which of a connection's keys each venue cannot do without.
var needs = map[string]struct{ key, secret, login, url bool }{
	"alpaca":   {key: true, secret: true},
	"binance":  {key: true, secret: true},
	"coinbase": {key: true, secret: true},
	"ibkr":     {login: true},
}

// checkConnections holds the ways to venues to what each venue needs, and their keys to being references.
func (d *decoder) checkConnections(p *Plan) {
	for i, a := range p.Accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		switch {
		case a.Connect != nil && !a.Remote():
			d.faultAt(path+".connect", fmt.Sprintf("venue: %s is reached without a connection", a.Venue), "")
		case a.Connect == nil && a.Remote():
			d.faultAt(path+".venue", fmt.Sprintf("venue: %s wants connect: with the references to its keys (%s)", a.Venue, secret.Forms), "")
		case a.Connect != nil:
			d.checkConnection(path+".connect", a)
		}
	}
	if l := p.Limits; l != nil && (l.DaysToExit < 0 || l.Participation > 1 || l.OrderShare > 1) {
		d.faultAt("limits", "a share of the volume or of the book is at most 100%, and days to exit are not negative", "")
	}
}

// checkReference refuses a key where its place is wanted, without repeating it.
func (d *decoder) checkReference(path, name, text string) {
	if text == "" || secret.IsReference(text) {
		return
	}
	f := d.places.At(path, 0)
	f.Text, f.Message = "", fmt.Sprintf("%s holds a key: write where it is kept (%s), and take the key for known", name, secret.Forms)
	d.faults = append(d.faults, f)
}

func (d *decoder) checkConnection(path string, a Account) {
	c, need := a.Connect, needs[a.Venue]
	for _, k := range []struct {
		name, text string
		needed     bool
	}{{"key", c.Key, need.key}, {"secret", c.Secret, need.secret}} {
		switch {
		case k.text == "" && k.needed:
			d.faultAt(path, fmt.Sprintf("venue: %s wants %s, a reference: %s", a.Venue, k.name, secret.Forms), "")
		default:
			d.checkReference(path+"."+k.name, k.name, k.text)
		}
	}
	if w := c.Withdraw; w != nil {
		d.checkReference(path+".withdraw.key", "key", w.Key)
		d.checkReference(path+".withdraw.secret", "secret", w.Secret)
		if !slices.Contains(Withdraws, a.Venue) {
			d.faultAt(path+".withdraw", fmt.Sprintf("venue: %s has no withdrawals that lifeboat can ask for", a.Venue), "")
		}
	}
	if need.login && c.Login == "" {
		d.faultAt(path, fmt.Sprintf("venue: %s wants login, its own number of the account", a.Venue), "")
	}
	for _, u := range []struct{ key, text string }{{"url", c.URL}, {"data_url", c.DataURL}} {
		if u.text != "" {
			d.checkServer(path+"."+u.key, u.key, u.text)
		}
	}
	var names []string
	for _, name := range c.Symbols {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) < len(c.Symbols) {
		d.faultAt(path+".symbols", "two symbols of the plan have one name at the venue", "")
	}
}
