package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/alpaca"
	"lifeboat/act/venue/binance"
	"lifeboat/act/venue/coinbase"
	"lifeboat/act/venue/ibkr"
	"lifeboat/plan"
	"lifeboat/secret"
)

// A Connector speaks to one kind of venue.
type Connector struct {
	Word  string // as venue: writes it
	Name  string // for people
	About string // in a sentence
	open  func(venue.Connection) (venue.Venue, error)
}

// Connectors are all of them; each has a page in docs/connectors.
var Connectors = []Connector{
	{"alpaca", alpaca.Name, "shares and funds in the United States, by Alpaca's trading API", opens(alpaca.New)},
	{"ibkr", "Interactive Brokers", "shares and funds, by the Client Portal gateway on the owner's machine", opens(newIBKR)},
	{"binance", "Binance", "spot pairs and withdrawals, by Binance's REST API", opens(binance.New)},
	{"coinbase", "Coinbase", "spot pairs and withdrawals, by Coinbase's Advanced Trade and Coinbase App APIs", opens(coinbase.New)},
}

// keptAlive is Interactive Brokers with its session kept alive.
type keptAlive struct{ *ibkr.Venue }

func newIBKR(c venue.Connection) (keptAlive, error) {
	v, err := ibkr.New(c)
	return keptAlive{v}, err
}

// Run keeps the session until ctx ends. How it stands shows in every call that fails without it.
func (k keptAlive) Run(ctx context.Context) error { return k.Venue.Run(ctx, nil) }

func opens[V venue.Venue](open func(venue.Connection) (V, error)) func(venue.Connection) (venue.Venue, error) {
	return func(c venue.Connection) (venue.Venue, error) { return open(c) }
}

// Connect opens the way to the venue of an account. Its keys are read now, and nothing is sent yet.
func Connect(ctx context.Context, p *plan.Plan, a plan.Account, vault *secret.Vault, clock lifeboat.Clock, log *slog.Logger) (v venue.Venue, name string, err error) {
	unusable := func(what string, err error) error {
		return &lifeboat.Problem{Reason: "venue-unusable", What: fmt.Sprintf("the account %s cannot be reached: %s", a.Name, what), Money: "nothing was sent there",
			Next: "mend connect: of the account", Err: err}
	}
	for _, connector := range Connectors {
		if connector.Word != a.Venue {
			continue
		}
		c, err := connection(ctx, p, a, vault)
		if err != nil {
			return nil, "", unusable(vault.Scrub(err.Error()), err)
		}
		c.Clock, c.Log, c.Scrub = clock, log, vault.Scrub
		if v, err = connector.open(c); err != nil {
			return nil, "", unusable(vault.Scrub(err.Error()), err)
		}
		return v, connector.Name, nil
	}
	return nil, "", unusable(fmt.Sprintf("there is no connector for venue: %s", a.Venue), nil)
}

// connection reads the keys of an account.
func connection(ctx context.Context, p *plan.Plan, a plan.Account, vault *secret.Vault) (venue.Connection, error) {
	c := venue.Connection{Account: a.Name, Currency: p.Portfolio.BaseCurrency, URL: a.Connect.URL, DataURL: a.Connect.DataURL, Login: a.Connect.Login,
		Symbols: a.Connect.Symbols, PerMinute: a.Connect.PerMinute, Fractional: p.IsFractional}
	ctx, cancel := context.WithTimeout(ctx, secretMax)
	defer cancel()
	for _, k := range []struct {
		name, reference string
		into            *string
	}{{"key", a.Connect.Key, &c.Key}, {"secret", a.Connect.Secret, &c.Secret}} {
		if k.reference == "" {
			continue
		}
		value, err := vault.Read(ctx, k.reference)
		if err != nil {
			return c, fmt.Errorf("%s: %w", k.name, err)
		}
		*k.into = value
	}
	client, err := clientWith(vault.Dir, a.Connect.CA)
	c.Client = client
	return c, err
}

// secretMax is how long a command may take to tell a key.
const secretMax = 30 * time.Second

// clientWith trusts what the machine trusts, or only the certificate that the plan names.
func clientWith(dir, ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4
	if ca != "" {
		if !filepath.IsAbs(ca) {
			ca = filepath.Join(dir, ca)
		}
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("the file of the certificate holds none in PEM form")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}
