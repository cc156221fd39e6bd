package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// mailer sends plain text through the plan's mail server.
type mailer struct {
	host           string
	port           int
	tls            string // starttls, tls or none
	user, password string
	from, to       string
	domain         string // of message ids
	roots          *x509.CertPool
	secrets        *secrets
}

func (c mailer) Send(ctx context.Context, d Delivery) error {
	m, err := c.letter(d)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(c.host, c.options()...)
	if err != nil {
		return c.told(ctx, err)
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return c.told(ctx, err)
	}
	return nil
}

// letter has the same Message-ID for every attempt, and refers to the first message about its matter, so that mail programs
// show the thread as one.
func (c mailer) letter(d Delivery) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.From(c.from); err != nil {
		return nil, errors.New("the sender's address is none")
	}
	if err := m.To(c.to); err != nil {
		return nil, errors.New("the address is none")
	}
	m.Subject(d.Subject)
	m.SetDateWithValue(d.At)
	m.SetMessageIDWithValue(d.ID() + "@" + c.domain)
	if d.Thread != d.Key {
		first := "<" + Delivery{Key: d.Thread, Person: d.Person}.ID() + "@" + c.domain + ">"
		m.SetGenHeader(mail.HeaderInReplyTo, first)
		m.SetGenHeader(mail.HeaderReferences, first)
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Lifeboat-Key", string(d.Key))
	m.SetBodyString(mail.TypeTextPlain, d.Text)
	return m, nil
}

func (c mailer) options() []mail.Option {
	options := []mail.Option{mail.WithPort(c.port), mail.WithTimeout(channelMax), mail.WithoutNoop(),
		mail.WithTLSConfig(&tls.Config{ServerName: c.host, RootCAs: c.roots, MinVersion: tls.VersionTLS12})}
	switch c.tls {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if c.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.user), mail.WithPassword(c.password))
	}
	return options
}

// told leaves out of an error what is secret; where the way there failed, our own words are better.
func (c mailer) told(ctx context.Context, err error) error {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	if ctx.Err() != nil || errors.As(err, &op) || errors.As(err, &certificate) {
		return discreet(ctx, err)
	}
	const toldMax = 160
	return errors.New(cut(strings.Join(strings.Fields(plain(c.secrets.Scrub(err.Error()))), " "), toldMax))
}

// server takes a host:port apart.
func server(text string) (host string, port int, err error) {
	host, number, err := net.SplitHostPort(text)
	if err == nil {
		port, err = strconv.Atoi(number)
	}
	if err != nil || host == "" || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is no host:port", text)
	}
	return host, port, nil
}
