package plan

import (
	"strings"
	"testing"
)

// What a plan has done on systems is held to what can be carried out, each fault at its place.
func TestCheckTasks(t *testing.T) {
	const sound = `
portfolio: {name: p}
people: [{name: Ana, role: owner}]
commands: [{name: dump, run: [/usr/bin/pg_dump, portfolio], dir: db}]
dependencies:
  - {name: broker, kind: custodian, primary: api.broker.com, backup: "failover.broker.com:8443", probe: /healthz}
  - {name: desk, kind: person, primary: the branch in Main Street, backup: +1 555 0100}
  - {name: data, kind: feed, primary: "https://data.example.org/v1"}
playbooks:
  - name: rebuild
    steps:
      - http: {url: "https://hooks.example.org/${HOOK}", headers: {Authorization: "Bearer ${KEY}"}}
      - exec: {command: dump}
      - terraform: {dir: site, by: owner}
      - do: [{failover: {dependency: broker}}, {failover: {dependency: broker, to: primary}}]
`
	if faults := whatIsWrong(sound); faults != "" {
		t.Fatalf("a sound plan has faults:\n%s", faults)
	}
	for _, tc := range []struct{ from, to, says string }{
		{"/usr/bin/pg_dump", "pg_dump", "4:30: run begins with the full path"},
		{"dir: db", "dir: ../db", "dir wants a directory inside the plan directory"},
		{"probe: /healthz", "probe: healthz", `probe wants a path such as /healthz`},
		{"api.broker.com", `"https://${KEY}.broker.com"`, "the address of a dependency holds no keys"},
		{"api.broker.com", "https://me:secret@broker.com", "holds no password"},
		{"api.broker.com", "https://broker.com/?key=1", "ends with its path"},
		{`"failover.broker.com:8443"`, "https://API.broker.com/", "the backup is the primary"},
		{"https://data.example.org/v1", "https://api.broker.com", "the same address is the primary at plan.yaml:6"},
		{"backup: +1 555 0100", "probe: /healthz", "a probe wants a primary that is an address"},
		{"https://hooks.example.org/", "hooks.example.org/", "url wants an address that begins with https://"},
		{"https://hooks", "https://a:b@hooks", "url holds a password"},
		{"Authorization:", "idempotency-key:", "lifeboat sets Idempotency-Key itself"},
		{"Authorization:", `"A B":`, "cannot be sent as a header"},
		{"{url:", "{method: GET, body: x, url:", "a GET carries no body"},
		{"dir: site", "dir: /etc", "dir wants a directory inside the plan directory"},
		{"dependency: broker,", "dependency: desk,", "its primary is no address; write a manual step"},
		{"dependency: broker}", "dependency: data}", "data has no backup that is an address"},
	} {
		if faults := whatIsWrong(strings.Replace(sound, tc.from, tc.to, 1)); !strings.Contains(faults, tc.says) || strings.Contains(faults, "secret@") {
			t.Errorf("%s → %s: %s", tc.from, tc.to, faults)
		}
	}
}

func whatIsWrong(text string) string {
	if _, _, err := loadText("plan.yaml", text); err != nil {
		return err.Error()
	}
	return ""
}

// What an owner writes as an address is taken for one, and a place is not.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"api.broker.com": "https://api.broker.com", "failover.broker.com:8443": "https://failover.broker.com:8443", "http://localhost:80/v2/": "http://localhost:80/v2",
		"192.168.10.50": "https://192.168.10.50", "[::1]:8443": "https://[::1]:8443", "node:8545": "https://node:8545",
		"Coinbase": "", "the branch in Main Street": "", "+1 555 0100": "", "ana@example.org": "", "postgres://db/portfolio": "", "": "",
	} {
		if IsAddress(text) != (want != "") {
			t.Errorf("%q: an address is %v", text, IsAddress(text))
		}
		if u, err := ParseAddress(text); want != "" && (err != nil || u.String() != want) {
			t.Errorf("%q became %v, %v", text, u, err)
		}
	}
}
