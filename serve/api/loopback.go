package api

import (
	"net"
	"net/netip"
)

// loopbackHost reports whether a Host header names this machine's loopback interface.
func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return Loopback(name)
}

// Loopback reports whether a host name or address is reachable from this machine only.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
