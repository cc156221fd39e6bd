package plan

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/secret"
)

// parseURL of a feed. ${NAME} stands for a key from the environment and may be anywhere, and so may {key}.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, fmt.Errorf("no address")
	}
	return url.Parse(strings.ReplaceAll(environmentForm.ReplaceAllString(text, "x"), "{key}", "x"))
}

var environmentForm = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// Streams reports a feed that says its values by itself, by a WebSocket, a plug-in, a venue or a chain, and is not asked for them
// by the poller.
func (f Feed) Streams() bool {
	return f.Plugin != "" || f.Account != "" || f.Chain != "" || f.Webhook != "" || strings.HasPrefix(f.URL, "wss://") || strings.HasPrefix(f.URL, "ws://")
}

// Session reports the series that says whether an account's venue can be reached: 1 while it can, 0 while it cannot. Every
// account at a real venue brings it by itself.
func (f Feed) Session() bool { return f.Account != "" && f.Series == "session."+f.Account }

func (d *decoder) checkFeeds(p *Plan) {
	seen := map[[2]string]string{}
	for i, f := range p.Feeds {
		path := fmt.Sprintf("feeds[%d]", i)
		if f.Session() || f.Canary() || f.FromChain() && d.places.at[path].node == nil {
			continue
		}
		switch {
		case f.FromChain():
			d.checkChainFeed(p, f, path)
			d.checkFeedKey(f, path)
		case f.Webhook != "":
			d.checkWebhook(f, path)
		default:
			d.checkOrigin(p, f, path)
			d.checkFeedKey(f, path)
		}
		d.checkRows(f, path)
		d.checkBounds(f, path)
		if f.Series == "" {
			continue
		}
		if first, twice := seen[[2]string{f.Series, f.Source}]; twice {
			d.faultAt(path, fmt.Sprintf("%s from %s is already fed at %s; a second source needs a name of its own", f.Series, f.Source, d.where(first)), "")
		}
		seen[[2]string{f.Series, f.Source}] = path
	}
	d.checkQuorums(p)
	d.checkRates(p)
}

// checkOrigin holds a feed to one place that its values come from, and to what that place needs to be told.
func (d *decoder) checkOrigin(p *Plan, f Feed, path string) {
	u, err := parseURL(f.URL)
	known, preset := presets[f.From]
	origins := 0
	for _, written := range []bool{preset || d.bad[path+".from"], f.URL != "" && f.From == "", f.File != "", f.Plugin != "", f.Account != ""} {
		if written {
			origins++
		}
	}
	secure, open := "https", "http"
	if f.From == "" && f.Streams() {
		secure, open = "wss", "ws"
	}
	switch {
	case d.bad[path+".from"]:
	case origins != 1:
		d.faultAt(path, "a feed wants from, url, file, plugin or account, one of them", "")
	case f.URL != "" && (err != nil || u.Host == "" || u.Scheme != secure && u.Scheme != open):
		d.faultAt(path+".url", "url wants an address that begins with https://, or wss:// for a WebSocket", "")
	case f.URL != "" && u.User != nil:
		d.faultAt(path+".url", "url holds a password; write ${NAME} and put it in the environment", "")
	case f.URL != "" && f.Key != "" && u.Scheme == open && !isHere(u.Hostname()):
		d.faultAt(path+".url", fmt.Sprintf("the key would go through the open: %s:// is only for a server on this machine", open), "")
	case f.File != "" && !filepath.IsLocal(filepath.FromSlash(f.File)):
		d.faultAt(path+".file", "file wants a path inside the plan directory", "")
	case f.File != "" && f.Format == "json":
		d.faultAt(path+".format", "a file is read as csv", "csv")
	case preset:
		d.checkPreset(f, known, path)
	case f.ID != "" && f.Plugin == "":
		d.faultAt(path+".id", "id says what a source of from, or a plug-in, calls the series; this feed has neither", "")
	case f.Plugin != "" || f.Account != "":
	case f.URL != "" && f.Streams():
		d.checkSocket(f, path)
	case f.Format == "json" && f.Path == "":
		d.faultAt(path, "a json feed wants path, such as $.price", "")
	case f.Format == "csv" && f.URL != "" && f.Column == "":
		d.faultAt(path, "a csv feed wants column, the one that holds the value", "")
	}
	if a, known := p.Account(f.Account); known && (a.Venue != "alpaca" || f.Source != "alpaca") {
		d.faultAt(path+".account", fmt.Sprintf("only an account with venue: alpaca says prices, under the source alpaca; %s has venue: %s", shorten(f.Account, textMax), a.Venue), "")
	}
	if f.Subscribe != "" && (f.From != "" || f.Plugin != "" || f.Account != "" || f.Chain != "" || !f.Streams()) {
		d.faultAt(path+".subscribe", "subscribe is sent to a WebSocket, whose url begins with wss://", "")
	}
}

// alertForm is the series of an alert: its name is a part of an address.
var alertForm = regexp.MustCompile(`^alert\.[A-Za-z0-9_-]{1,60}$`)

// checkWebhook holds alerts from outside to a name of their own, and to a secret.
func (d *decoder) checkWebhook(f Feed, path string) {
	switch {
	case f.From+f.URL+f.File+f.Plugin+f.Account+f.ID+f.Subscribe+f.Path+f.Column+f.Rows+f.Time != "" || len(f.Headers) > 0:
		d.faultAt(path, "alerts are posted to lifeboat: besides webhook such a feed has series and key alone", "")
	case f.Series != "" && !alertForm.MatchString(f.Series):
		d.faultAt(path+".series", "the series of a webhook is alert. and a name of letters, digits, - and _, such as alert.forta", "")
	case f.Key == "":
		d.faultAt(path, "a webhook wants key, where the secret is kept that its sender signs with: "+secret.Forms, "")
	case !secret.IsReference(f.Key):
		d.faultSecret(path+".key", fmt.Sprintf("key holds a secret: write where it is kept (%s), and take it for known", secret.Forms))
	}
}

func (d *decoder) checkPreset(f Feed, known preset, path string) {
	for key, text := range map[string]string{"path": f.Path, "column": f.Column, "time": f.Time, "rows": f.Rows} {
		if text != "" {
			d.faultAt(path+"."+key, fmt.Sprintf("from: %s knows where its values stand; leave %s out, or write url instead of from", f.From, key), "")
		}
	}
	switch {
	case f.ID == "":
		d.faultAt(path, fmt.Sprintf("from: %s wants id, such as %s", f.From, known.ids), "")
	case !known.id.MatchString(f.ID):
		d.faultAt(path+".id", fmt.Sprintf("from: %s wants an id such as %s, not %q", f.From, known.ids, shorten(f.ID, textMax)), "")
	case f.Key == "" && known.key == mustKey:
		d.faultAt(path, fmt.Sprintf("from: %s wants key, a reference: %s", f.From, secret.Forms), "")
	case f.Key != "" && known.key == noKey:
		d.faultAt(path+".key", fmt.Sprintf("from: %s takes no key", f.From), "")
	}
}

func (d *decoder) checkSocket(f Feed, path string) {
	switch {
	case f.Path == "":
		d.faultAt(path, "a WebSocket wants path, such as $.price: where in each message the value stands", "")
	case f.Format != "json":
		d.faultAt(path+".format", "the messages of a WebSocket are read as json", "json")
	}
}

// checkFeedKey holds a key to being a reference, and to being used.
func (d *decoder) checkFeedKey(f Feed, path string) {
	used := presets[f.From].key != noKey || strings.Contains(f.URL+f.Subscribe, "{key}")
	for _, value := range f.Headers {
		used = used || strings.Contains(value, "{key}")
	}
	switch {
	case f.Key != "" && !secret.IsReference(f.Key):
		place := d.places.At(path+".key", 0)
		place.Text, place.Message = "", fmt.Sprintf("key holds a key: write where it is kept (%s), and take the key for known", secret.Forms)
		d.faults = append(d.faults, place)
	case f.Key != "" && !used && f.From == "":
		d.faultAt(path+".key", "nothing uses the key: write {key} where it belongs, in url or in headers", "")
	case f.Key == "" && used && f.From == "":
		d.faultAt(path, "{key} stands for key, and the feed has none: write key: env:NAME", "")
	case len(f.Headers) > 0 && f.URL == "" && f.From == "":
		d.faultAt(path+".headers", "headers go with a url or from", "")
	}
	for name, value := range f.Headers {
		if !headerForm.MatchString(name) || strings.ContainsAny(value, "\r\n") {
			d.faultAt(path+".headers", "a header is a name of letters, digits and dashes and a value of one line", "")
			break
		}
	}
}

var headerForm = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// checkQuorums wants as many sources as a quorum takes, and one quorum for a series.
func (d *decoder) checkQuorums(p *Plan) {
	sources := map[string]int{}
	for _, f := range p.Feeds {
		sources[f.Series]++
	}
	first := map[string]int{}
	for i, f := range p.Feeds {
		if f.Quorum == 0 {
			continue
		}
		path := fmt.Sprintf("feeds[%d].quorum", i)
		_, column := lifeboat.Series(f.Series).Column()
		if other, twice := first[f.Series]; twice && p.Feeds[other].Quorum != f.Quorum {
			d.faultAt(path, fmt.Sprintf("%s has a quorum of %d at %s; a series has one", f.Series, p.Feeds[other].Quorum, d.where(fmt.Sprintf("feeds[%d].quorum", other))), "")
		} else if !twice {
			first[f.Series] = i
		}
		switch {
		case column == "volume" && f.Quorum > 1:
			d.faultAt(path, "the volumes of several sources add up and agree on nothing; a quorum is for what they all tell", "")
		case f.Quorum > sources[f.Series] && !d.unread["feeds"]:
			d.faultAt(path, fmt.Sprintf("a quorum of %d takes %d sources, and %s has %d: it would never have data", f.Quorum, f.Quorum, f.Series, sources[f.Series]), "")
		}
	}
}

// Quorum of a series: how many fresh sources it takes.
func (p *Plan) Quorum(series lifeboat.Series) int {
	quorum := 1
	for _, f := range p.Feeds {
		if f.Series == string(series) {
			quorum = max(quorum, f.Quorum)
		}
	}
	return quorum
}

// PerMinuteMax is what a host is asked at most in a minute where nobody says.
const PerMinuteMax = 600

// checkRates refuses feeds that together ask a host more often than it allows.
func (d *decoder) checkRates(p *Plan) {
	type rate struct {
		asks  map[string]time.Duration
		limit int
		feed  int
	}
	hosts := map[string]*rate{}
	for i, r := range Requests(p.Feeds) {
		u, err := parseURL(r.URL)
		if err != nil || u.Host == "" || r.Streams() || r.Every <= 0 {
			continue
		}
		h := hosts[u.Host]
		if h == nil {
			h = &rate{asks: map[string]time.Duration{}, limit: cmp.Or(r.PerMinute, PerMinuteMax)}
			hosts[u.Host] = h
		}
		h.limit, h.feed = min(h.limit, cmp.Or(r.PerMinute, PerMinuteMax)), i
		key := r.URL + "\x00" + r.Key + headersKey(r.Headers)
		if every, known := h.asks[key]; !known || time.Duration(r.Every) < every {
			h.asks[key] = time.Duration(r.Every)
		}
	}
	for host, h := range hosts {
		total := 0.0
		for _, every := range h.asks {
			total += float64(time.Minute) / float64(every)
		}
		if total > float64(h.limit) {
			d.faultAt(fmt.Sprintf("feeds[%d]", h.feed), fmt.Sprintf("the feeds ask %s %.0f times a minute, and it allows %d: ask less often (every), or write per_minute where it allows more", host, total, h.limit), "")
		}
	}
}

// oneSource are the emergencies that one source alone can start or blind.
func (p *Plan) oneSource() []string {
	sources := map[string]int{}
	var order []string
	for _, f := range p.Feeds {
		if sources[f.Series]++; sources[f.Series] == 1 {
			order = append(order, f.Series)
		}
		if f.FromChain() && p.agreed(f.Chain) {
			sources[f.Series]++ // several nodes say it
		}
	}
	var all []string
	for _, t := range p.Triggers {
		if t.Tier != lifeboat.Emergency {
			continue
		}
		for _, series := range order {
			if sources[series] == 1 && !strings.HasPrefix(series, pendingOf) && speaksOf(t.Condition, series) {
				all = append(all, fmt.Sprintf("trigger %q is an emergency and hangs on one source of %s: give %s a second feed and quorum: 2", t.Name, series, series))
			}
		}
	}
	return all
}

// speaksOf reports that a condition names a series, by itself or in a name that is made of it, as spy_drawdown is.
func speaksOf(condition, series string) bool {
	words := strings.FieldsFunc(strings.ToLower(condition), func(r rune) bool {
		return !(r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z')
	})
	series = strings.ToLower(series)
	return slices.ContainsFunc(words, func(w string) bool {
		return w == series || strings.HasPrefix(w, series+"_") || strings.HasPrefix(w, series+".")
	})
}

// checkRows of a feed that answers a list.
func (d *decoder) checkRows(f Feed, path string) {
	switch {
	case f.Rows == "":
	case f.File != "" || f.Format == "csv":
		d.faultAt(path+".rows", "rows is for json; the rows of a csv are read without it", "")
	case f.Time == "":
		d.faultAt(path, "a feed with rows wants time, or nobody can tell which of them are new", "")
	}
}

// checkBounds of what a feed may say.
func (d *decoder) checkBounds(f Feed, path string) {
	symbol, column := lifeboat.Series(f.Series).Column()
	switch {
	case f.Min != nil && f.Max != nil && *f.Min > *f.Max:
		d.faultAt(path+".min", fmt.Sprintf("min %v is above max %v: no value could be believed", *f.Min, *f.Max), "")
	case f.Max != nil && *f.Max <= 0 && !f.Level && column != "volume" && !strings.HasPrefix(symbol, "DGS"):
		d.faultAt(path+".max", "max leaves no price, as prices are positive; a value that may be zero or negative wants level: true", "")
	}
	if written := d.places.at[path+".jump"].node; written != nil && written.kind == scalar && f.Jump == 0 && !d.bad[path+".jump"] {
		d.faultAt(path+".jump", "a jump of 0 would believe no value that moves; leave it out, or write how far one may move", "")
	}
}
