#!/usr/bin/env bash
# Installs from Debian what the tests run against and the machine lacks. Says one line for each.
set -euo pipefail

# package: a file that is there when it is installed (a pattern, or the name of a command)
peers=(
  "postgresql: /usr/lib/postgresql/*/bin/postgres postgres"
  "prometheus-alertmanager: prometheus-alertmanager"
  "python3: python3"
)

installed() { # one of the files or commands is there
  local what
  for what in "$@"; do
    if [[ -x $what ]] || command -v "$what" >/dev/null; then return 0; fi
  done
  return 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo --non-interactive "$@"; fi
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --quiet=2 "$1" >&2
}

for peer in "${peers[@]}"; do
  package=${peer%%:*}
  # The patterns are meant to be expanded here.
  # shellcheck disable=SC2086
  if installed ${peer#*:}; then
    echo "peers: $package is there"
    continue
  fi
  if ! command -v apt-get >/dev/null; then
    echo "peers: $package is missing, and there is no apt-get: install it by hand" >&2
    exit 1
  fi
  if ! install "$package"; then # the list of packages may be old
    as_root apt-get update --quiet=2 >&2
    install "$package"
  fi
  # shellcheck disable=SC2086
  if ! installed ${peer#*:}; then
    echo "peers: $package was installed, but none of${peer#*:} is there" >&2
    exit 1
  fi
  echo "peers: $package was installed"
done
