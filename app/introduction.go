package app

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"lifeboat"
	"lifeboat/serve/api"
)

// introduction is the file by which other commands find the daemon; it is there only while the daemon runs.
const introduction = "daemon.json"

// Introduction is what it says.
type Introduction struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	Pid     int    `json:"pid"`
}

func (d *Daemon) introduce() error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	d.token = hex.EncodeToString(secret)
	text, err := json.Marshal(Introduction{Address: d.listener.Addr().String(), Token: d.token, Pid: os.Getpid()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.DataDir, introduction), text, 0o600); err != nil {
		return &lifeboat.Problem{Reason: "journal-full", What: fmt.Sprintf("the data directory %s cannot be written: %v", d.DataDir, err),
			Money: "nothing was sent", Next: "free space or mend the directory, then start again", Err: err}
	}
	return nil
}

// Meet reads the introduction of the daemon that runs on a data directory.
func Meet(dataDir string) (Introduction, error) {
	var i Introduction
	text, err := os.ReadFile(filepath.Join(dataDir, introduction))
	if err == nil {
		err = json.Unmarshal(text, &i)
	}
	if err != nil {
		return i, &lifeboat.Problem{Reason: "daemon-unreachable", What: fmt.Sprintf("no daemon runs on %s", dataDir), Money: "nothing was changed",
			Next: "start it with lifeboat serve, or give the --data of the one that runs", Err: err}
	}
	return i, nil
}

// Address that the daemon listens on.
func (d *Daemon) Address() string { return d.listener.Addr().String() }

// listen opens the port, on loopback only.
func listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("--listen %q is not host:port", address), Next: "for example --listen 127.0.0.1:7070"}
	}
	if !api.Loopback(host) {
		return nil, &lifeboat.Problem{Reason: "not-loopback", What: fmt.Sprintf("--listen %s would let other machines in, and there is no sign-in yet", address),
			Money: "nothing was started", Next: "listen on 127.0.0.1 and reach it through an SSH tunnel"}
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &lifeboat.Problem{Reason: "port-in-use", What: fmt.Sprintf("another program listens on %s", address),
			Money: "nothing was started and nothing was sent", Next: "stop it, or choose another address with --listen", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}
