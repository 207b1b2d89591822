#!/bin/sh
# Installs what Crossfade's demo, tests and benchmark need from the system.
#
#   setup.sh postgres      the system's PostgreSQL (initdb, postgres, psql)
#   setup.sh versions      PostgreSQL 12 and 18, to move from and to, in the cache
#   setup.sh clients       psql and pgbench
#   setup.sh bench         clients, pgbouncer, haproxy
#   setup.sh conformance   clients, Python's psycopg, psycopg2 and asyncpg, node, npm, Java with pgJDBC
#
# Several groups may be given; postgres is the default. What is present is left
# alone, without a call of the package manager. On Debian and Ubuntu what is
# missing is installed by apt-get, as root or through sudo; on other systems the
# command to run is printed and the exit status is 1. No system service is
# started or enabled and no system database cluster is made. Last comes a look
# for Go, a C compiler and make, which are named, not installed.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { echo "setup: $*"; }

fail() {
	echo "setup: $*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# ---- what is there -----------------------------------------------------------

# Debian's psql and pgbench are wrappers that may have nothing to wrap.
runs() { "$1" --version >/dev/null 2>&1; }

# The system's own, whatever there is in the caches: those have no psql.
has_postgres() {
	runs psql || return 1
	if has initdb && has postgres; then return 0; fi
	for bin in "${CROSSFADE_PG_BIN:-}" /usr/lib/postgresql/*/bin; do
		if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then return 0; fi
	done
	return 1
}

imports() { /usr/bin/python3 -c "import $1" >/dev/null 2>&1; }

# macOS has a javac that only asks for a real one.
compiles_java() { javac -version >/dev/null 2>&1; }

compiles_c() {
	echo '#include <stdio.h>' | "${CC:-cc}" -x c -c -o /dev/null - >/dev/null 2>&1
}

# ---- how to become root, and apt -----------------------------------------------

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif has sudo && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	elif has sudo && [ -t 0 ]; then
		sudo "$@"
	else
		fail "root is needed for: $*"
	fi
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
		apt-get -y -qq -o Dpkg::Use-Pty=0 "$@"
}

updated=no

update() {
	say "updating the package lists"
	apt update
	updated=yes
}

# apt_install REASON PACKAGE...
apt_install() {
	reason=$1
	shift
	say "installing $* with apt-get: $reason"
	if ! apt-get -s install --no-install-recommends "$@" >/dev/null 2>&1; then
		if [ $updated = no ]; then update; fi
	fi
	if apt install --no-install-recommends "$@"; then return 0; fi
	if [ $updated = yes ]; then fail "apt-get could not install $*"; fi
	update # the lists may name versions that are gone
	apt install --no-install-recommends "$@" || fail "apt-get could not install $*"
}

# elsewhere WHAT BREW DNF PACMAN: names the command for a system without apt-get,
# from the packages as each package manager calls them.
elsewhere() {
	if has brew; then
		fail "missing: $1; run: brew install $2"
	elif has dnf; then
		fail "missing: $1; run: sudo dnf install $3"
	elif has pacman; then
		fail "missing: $1; run: sudo pacman -S $4"
	fi
	fail "missing: $1; install it with this system's package manager"
}

# ---- temporary files that keep an installation quiet ---------------------------

temporary=""
drafts="" # directories of this user's

remove_temporary() {
	for file in $temporary; do as_root rm -f "$file"; done
	temporary=""
}

leave() {
	remove_temporary
	for draft in $drafts; do rm -rf "$draft"; done
}

trap leave EXIT
trap 'exit 1' HUP INT TERM

# put FILE MODE LINE...: stores the lines there until the end of the installation.
put() {
	file=$1 mode=$2
	shift 2
	temporary="$temporary $file"
	as_root mkdir -p "$(dirname "$file")"
	printf '%s\n' "$@" | as_root tee "$file" >/dev/null
	as_root chmod "$mode" "$file"
}

# Debian's server package makes a cluster "main" and starts it, unless told.
without_cluster() {
	snippet=/etc/postgresql-common/createcluster.d/crossfade-setup.conf
	say "$snippet: no system cluster, while the package is installed"
	put $snippet 644 "create_main_cluster = false"
	conf=/etc/postgresql-common/createcluster.conf
	if [ -e $conf ] && has pg_conftool &&
		[ "$(pg_conftool $conf show -bs create_main_cluster 2>/dev/null)" != off ]; then
		fail "$conf does not include createcluster.d: set create_main_cluster = false there first"
	fi
	"$@"
	remove_temporary
}

# Debian starts and enables a service when it installs it.
without_services() {
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		say "$policy: no service is started, while the packages are installed"
		put $policy 755 "#!/bin/sh" "exit 101"
	fi
	"$@"
	remove_temporary
}

disable_service() {
	say "disabling the system service $1: the benchmark starts its own"
	if [ -d /run/systemd/system ]; then
		as_root systemctl disable --now --quiet "$1"
	elif has systemctl; then
		as_root systemctl disable --quiet "$1"
	else
		as_root update-rc.d "$1" disable
	fi
}

# ---- the groups ----------------------------------------------------------------

postgres() {
	if has_postgres; then return 0; fi
	if ! has apt-get; then
		elsewhere "PostgreSQL's server and psql" postgresql "postgresql-server postgresql" postgresql
	fi
	without_cluster apt_install "the demo and the tests start private servers" postgresql
}

# pgbench is in Debian's server package (postgresql-NN).
clients() {
	if runs psql && runs pgbench; then return 0; fi
	if ! has apt-get; then
		elsewhere "psql and pgbench" postgresql "postgresql postgresql-contrib" postgresql
	fi
	without_cluster apt_install "psql and pgbench" postgresql postgresql-client
}

bench() {
	clients
	for peer in pgbouncer haproxy; do
		if has $peer; then continue; fi
		if ! has apt-get; then elsewhere $peer $peer $peer $peer; fi
		without_services apt_install "the benchmark compares with it" $peer
		disable_service $peer
	done
}

conformance() {
	clients
	set --
	if ! imports psycopg; then set -- "$@" python3-psycopg; fi
	if ! imports psycopg2; then set -- "$@" python3-psycopg2; fi
	if ! imports asyncpg; then set -- "$@" python3-asyncpg; fi
	if [ ! -r /usr/share/java/postgresql.jar ]; then set -- "$@" libpostgresql-jdbc-java; fi
	if ! compiles_java; then set -- "$@" default-jdk-headless; fi
	if ! has node && ! has nodejs; then set -- "$@" nodejs; fi
	if ! has npm; then set -- "$@" npm; fi
	if [ $# -eq 0 ]; then return 0; fi
	if ! has apt-get; then
		elsewhere "drivers ($*)" "node python openjdk && pip3 install psycopg psycopg2-binary asyncpg (and pgJDBC's jar as /usr/share/java/postgresql.jar)" \
			"python3-psycopg3 python3-psycopg2 python3-asyncpg nodejs npm java-devel postgresql-jdbc" \
			"python-psycopg python-psycopg2 python-asyncpg nodejs npm jdk-openjdk (and pgJDBC's jar as /usr/share/java/postgresql.jar)"
	fi
	apt_install "drivers whose behaviour through the proxy is compared" "$@"
}

. "$(dirname "$0")/versions.sh"

# ---- what is only looked for ---------------------------------------------------

tools() {
	missing=""
	if ! has go; then missing="$missing, Go (the version in go.mod)"; fi
	if ! compiles_c; then missing="$missing, a C compiler with headers (Debian: gcc libc6-dev)"; fi
	if ! has make; then missing="$missing, make"; fi
	if [ -n "$missing" ]; then fail "still missing to build Crossfade: ${missing#, }"; fi
}

if [ $# -eq 0 ]; then set -- postgres; fi
for group in "$@"; do
	case $group in
	postgres | versions | clients | bench | conformance) ;;
	*) fail "unknown group $group; the groups are: postgres versions clients bench conformance" ;;
	esac
done
for group in "$@"; do "$group"; done
tools
say "all there: $*"
