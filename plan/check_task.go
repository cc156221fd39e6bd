package plan

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// bareAddress is a host as people write it: api.broker.com, failover.broker.com:8443, 192.168.10.50, localhost:8080/v2.
var bareAddress = regexp.MustCompile(`^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+:[0-9]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?(/\S*)?$`)

// IsAddress reports that requests can be sent to what a dependency names; anything else is a place, or a person.
func IsAddress(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") || bareAddress.MatchString(text)
}

// ParseAddress of a dependency: a scheme, https when none is written, a host and perhaps a path. It holds no secrets, because
// it is written into logs and reports.
func ParseAddress(text string) (*url.URL, error) {
	if strings.Contains(text, "${") {
		return nil, errors.New("the address of a dependency holds no keys; they belong to the feed or step that calls it")
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, errors.New("it is no address such as https://api.broker.com")
	case u.User != nil:
		return nil, errors.New("the address of a dependency holds no password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of a dependency ends with its path; what is asked comes with each request")
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	return u, nil
}

// checkTasks holds what acts beside orders to what can be carried out.
func (d *decoder) checkTasks(p *Plan) {
	d.checkEndpoints(p)
	for i, c := range p.Commands {
		path := fmt.Sprintf("commands[%d]", i)
		if len(c.Run) > 0 && !filepath.IsAbs(c.Run[0]) {
			d.faultAt(path+".run", "run begins with the full path of a program, such as /usr/bin/pg_dump; no shell looks for it", "")
		}
		if c.Dir != "" && !filepath.IsLocal(filepath.FromSlash(c.Dir)) {
			d.faultAt(path+".dir", "dir wants a directory inside the plan directory", "")
		}
	}
	for i, b := range p.Playbooks {
		d.checkTasksOf(p, fmt.Sprintf("playbooks[%d].steps", i), b.Steps)
	}
}

func (d *decoder) checkEndpoints(p *Plan) {
	primaries := map[string]string{}
	for i, x := range p.Dependencies {
		path := fmt.Sprintf("dependencies[%d]", i)
		primary, isAddress := d.checkAddress(path+".primary", x.Primary)
		backup, _ := d.checkAddress(path+".backup", x.Backup)
		if first, twice := primaries[primary]; twice && primary != "" {
			where := d.where(first)
			d.faultAt(path+".primary", fmt.Sprintf("the same address is the primary at %s, and requests could mean either", where), "")
		} else {
			primaries[primary] = path
		}
		switch {
		case backup != "" && backup == primary:
			d.faultAt(path+".backup", "the backup is the primary; both would be down at once", "")
		case x.Probe == "":
		case !isAddress:
			d.faultAt(path+".probe", "a probe wants a primary that is an address", "")
		case !strings.HasPrefix(x.Probe, "/"):
			d.faultAt(path+".probe", "probe wants a path such as /healthz, which is looked for below the primary and the backup", "/"+x.Probe)
		}
	}
}

// checkAddress gives an address in one spelling; "" when it is none, or wrong.
func (d *decoder) checkAddress(path, text string) (spelt string, isAddress bool) {
	if !IsAddress(text) {
		return "", false
	}
	u, err := ParseAddress(text)
	if err != nil {
		d.faultAt(path, err.Error(), "")
		return "", true
	}
	u.Host = strings.ToLower(u.Host)
	return u.String(), true
}

func (d *decoder) checkTasksOf(p *Plan, path string, steps []Step) {
	for i, s := range steps {
		at := fmt.Sprintf("%s[%d]", path, i)
		for _, inside := range s.inside() {
			d.checkTasksOf(p, join(at, inside.key), *inside.steps)
		}
		switch {
		case s.HTTP != nil && !d.bad[at+".http"]:
			d.checkHTTP(at+".http", *s.HTTP)
		case s.Terraform != nil && s.Terraform.Dir != "" && !filepath.IsLocal(filepath.FromSlash(s.Terraform.Dir)):
			d.faultAt(at+".terraform.dir", "dir wants a directory inside the plan directory", "")
		case s.Failover != nil:
			d.checkFailover(p, at+".failover", *s.Failover)
		}
	}
}

func (d *decoder) checkHTTP(path string, h HTTP) {
	u, err := parseURL(h.URL)
	switch {
	case h.URL == "" || d.bad[path+".url"]:
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		d.faultAt(path+".url", "url wants an address that begins with https://", "")
	case u.User != nil:
		d.faultAt(path+".url", "url holds a password; write ${NAME} and put it in the environment", "")
	}
	if h.Method == "GET" && h.Body != "" {
		d.faultAt(path+".body", "a GET carries no body", "")
	}
	for name, value := range h.Headers {
		switch {
		case strings.EqualFold(name, "Idempotency-Key"):
			d.faultAt(path+".headers", "lifeboat sets Idempotency-Key itself, so that a repeated call can be told from a new one", "")
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			d.faultAt(path+".headers", fmt.Sprintf("%q cannot be sent as a header", shorten(name, textMax)), "")
		}
	}
}

func (d *decoder) checkFailover(p *Plan, path string, f Failover) {
	for i, x := range p.Dependencies {
		switch {
		case x.Name != f.Dependency || d.bad[fmt.Sprintf("dependencies[%d]", i)]:
		case !IsAddress(x.Primary):
			d.faultAt(path+".dependency",
				fmt.Sprintf("requests to %s cannot be led elsewhere, because its primary is no address; write a manual step", x.Name), "")
		case !IsAddress(x.Backup):
			d.faultAt(path+".dependency", fmt.Sprintf("%s has no backup that is an address", x.Name), "")
		}
	}
}
