# shellcheck shell=bash
# The Debian archive that this host uses, for scripts that make chroots.

# The archive that this host's apt takes its own release from.
mirror() {
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
		'Created-By: Packages' |
		awk -v c="$codename" '$2 == c && !n++ { print $1 }'
}

# Proxies that apt uses, for debootstrap's wget.
proxies() {
	local p
	for p in http https; do
		eval "$(apt-config shell "${p}_proxy" "Acquire::$p::Proxy")"
	done
	export http_proxy="${http_proxy-}" https_proxy="${https_proxy-}"
}

# Debootstrap knows suites by name; all of Debian since etch is made as sid is.
recipe() {
	local scripts=${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}/scripts
	if [ -e "$scripts/$1" ]; then
		echo "$scripts/$1"
	else
		echo "$scripts/sid"
	fi
}
