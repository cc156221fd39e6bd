package api

import (
	"errors"
	"io"
	"net/http"

	"lifeboat"
)

// alertBodyMax bounds what may be posted, in bytes.
const alertBodyMax = 256 << 10

// alerts takes what watchers outside post. It is signed, so it needs no token, and a reverse proxy may stand before it.
func alerts(d Daemon) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, alertBodyMax))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			http.Error(w, "an alert has at most 256 KiB; nothing was taken", http.StatusRequestEntityTooLarge)
			return
		case err != nil:
			http.Error(w, "the alert did not arrive whole; nothing was taken", http.StatusBadRequest)
			return
		}
		if err = d.Alert(r.PathValue("name"), r.Header, body); err == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		code := http.StatusUnprocessableEntity
		switch lifeboat.KindOf(err) {
		case lifeboat.Denied:
			code = http.StatusUnauthorized
		case lifeboat.Transient:
			code = http.StatusServiceUnavailable
		}
		http.Error(w, err.Error()+"; nothing was taken", code)
	}
}
