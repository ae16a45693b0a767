# shellcheck shell=bash
# What tests/live/run needs: nodes, observers, waiting with deadlines.
#
# A scenario is a function; it runs in a subshell with a folder of its own
# ($tmp), a release ($otp, whose root is $root), and ends at once with fail.
# All that it starts is in `started`, and is ended by process id afterwards.

started=()
node='' observer='' status=0
ndir=''	    # the workload's folder, as the node sees it
mode=embedded
names=()    # -sname …
env_more=() # what the node's environment has besides
erlexec='' # what starts a node, if not erl
emulator='' # SYMBOL=VALUE: a host emulator that says so of itself
inside=()   # the command that the node runs under
as=()	    # the command that the observer runs under
signal_to='' # the observer's process, where it is a child of $observer
seen_as=''  # the node, as the observer is told of it, if not by $node
reader=()   # what the observer's output goes through
limit=(--strategy full ${TRANSPORT:+--transport "$TRANSPORT"})
lacks=''    # kinds that this release may have no source of: a,b,c

fail() {
	echo "FAILED: $*"
	[ ! -s "${err-}" ] || sed 's/^/  scope-bpf: /' "$err" | tail -n 5
	exit 1
}

# wait_until SECONDS COMMAND…: until the command succeeds.
wait_until() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.02
	done
}

state_is() { # PID LETTER
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	[ "${stat:0:1}" = "$2" ]
}

# A child that has ended, waited for or not.
has_ended() {
	[ ! -e "/proc/$1" ] || state_is "$1" Z
}

exists() {
	[ -e "$1" ]
}

cpu_ticks() {
	local stat
	stat=$(cat "/proc/$1/stat") || return 1
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# The node has used a fifth of a second of processor time.
busy() {
	[ "$(cpu_ticks "$1")" -ge 20 ]
}

# A name server for the nodes of this scenario alone.
own_epmd() {
	local port=$((20000 + RANDOM % 10000))
	env_more+=(ERL_EPMD_PORT=$port ERL_EPMD_ADDRESS=127.0.0.1)
	env "${env_more[@]}" epmd >"$tmp/epmd.log" 2>&1 </dev/null &
	started+=($!)
	wait_until 5 env "${env_more[@]}" epmd -names >/dev/null 2>&1 ||
		fail "no epmd: $(cat "$tmp/epmd.log")"
}

# ---- nodes -------------------------------------------------------------------

# release OTP: what is started from here on is of this one.
release() {
	otp=$1
	root=${roots[$otp]-}
	[ -n "$root" ] || fail "there is no OTP $otp here: $(cat "$results/otp.log")"
	[ "$root" != / ] || root=
	compiled=$results/ebin-$otp
	compile
}

# start_node COMMAND…: in $root; its last argument is the workload's folder.
start_node() {
	# TERM and what else is in the environment is nothing to the node.
	"${inside[@]}" chroot "${root:-/}" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp \
		LANG=C.UTF-8 "${env_more[@]}" "$@" >"$tmp/node.log" 2>&1 </dev/null &
	node=$!
	started+=("$node")
	wait_until 30 ready_or_ended
	exists "$root$ndir/ready" ||
		fail "the node did not start: $(tail -c 600 "$tmp/node.log")"
}

ready_or_ended() {
	exists "$root$ndir/ready" || has_ended "$node"
}

# node_in_pid_ns MODULE [ARG…]: the same, as process 1 of a pid namespace with
# a /proc of its own.
node_in_pid_ns() {
	inside+=(unshare --pid --fork --mount-proc)
	node "$@"
	until grep -q '^beam' "/proc/$node/comm"; do
		wait_until 5 child_of "$node" || fail "no node in the namespace"
		node=$child
		started+=("$node")
	done
}

child_of() {
	child=$(pgrep -P "$1") && [ -n "$child" ]
}

# node MODULE [ARG…]: a node with that workload, which waits for `go`.
node() {
	local module=$1 arg args='' erl=${erlexec:-erl}
	shift
	ndir=$(mktemp -d "$root/tmp/scope-live.XXXXXX") || fail "no folder in $root"
	chmod 755 "$ndir"
	folders+=("$ndir")
	cp "$compiled"/* "$ndir"
	ndir=${ndir#"${root%/}"}
	for arg; do
		args+=",\"${arg/#@dir/$ndir}\""
	done
	[ -z "$emulator" ] || patched_emulator
	start_node "$erl" -noinput -mode $mode -kernel logger_level none \
		"${names[@]}" -pa "$ndir" \
		-eval "{module, _} = code:load_abs(\"$ndir/live\")." \
		-eval "live:main([\"$module\", \"$ndir\"$args])."
}

# The same, and the workload is told its folder.
node_with_dir() {
	node "$1" @dir
}

# Nodes from here on are of the host's release, on an emulator with USDT probes.
usdt_emulator() { # [PROGRAM]: in place of beam.smp
	local dir name
	read -r name dir < <("$top/scripts/otp-matrix" usdt 2>"$tmp/usdt.log")
	[ -n "$dir" ] || fail "no USDT emulator: $(tail -n 3 "$tmp/usdt.log")"
	echo "$name: $dir"
	on_release "${name%-usdt}"
	if [ $# -gt 0 ]; then
		cp -R "$dir/bin" "$tmp/emu"
		mv "$1" "$tmp/emu/beam.smp"
		chmod -R a+rx "$tmp/emu"
		dir=$tmp/emu
	else
		dir=$dir/bin
	fi
	env_more+=(ROOTDIR=/usr/lib/erlang BINDIR="$dir" EMU=beam PROGNAME=erl)
	erlexec=$dir/erlexec
}

# The release's emulator with another word about itself.
patched_emulator() {
	local bin emu=$ndir/emu
	bin=$(chroot "${root:-/}" env -i PATH=/usr/bin:/bin HOME=/tmp erl \
		-noinput -eval 'io:put_chars(os:getenv("BINDIR")), halt().')
	mkdir -p "$root$emu"
	cp -R "$root$bin"/. "$root$emu"
	rm -f "$root$emu/beam.smp"
	"$here/patch_emu.py" "$root$bin/beam.smp" "$root$emu/beam.smp" \
		"$emulator" || fail "no such emulator"
	chmod 755 "$root$emu/beam.smp"
	env_more+=(ROOTDIR="$(dirname "$(dirname "$bin")")" BINDIR="$emu"
		EMU=beam PROGNAME=erl)
	erl=$emu/erlexec
}

go() {
	: >"$root$ndir/go"
}

# finished SECONDS: the workload is done, and its truth is written.
finished() {
	wait_until "$1" done_or_ended
	exists "$root$ndir/done" ||
		fail "the workload did not finish: $(tail -c 600 "$tmp/node.log")"
	[ "$root$ndir" = "$tmp" ] || cp "$root$ndir/truth" "$tmp/truth"
}

done_or_ended() {
	exists "$root$ndir/done" || has_ended "$node"
}

no_failure() {
	! grep '"t":"failed"' "$tmp/truth" || fail "the workload failed"
}

# ---- observers ---------------------------------------------------------------

# observe [OPTION…]: scope-bpf on the node, until it says that it is attached.
# Every event counts, but where a scenario says otherwise ($limit).
observe() {
	: >"$out" # before the child does: nothing of an earlier stream is seen
	if [ ${#reader[@]} -gt 0 ]; then
		"${as[@]}" "$scope" --json "${limit[@]}" "$@" \
			"${seen_as:-$node}" \
			> >("${reader[@]}" >"$out") 2>"$err" </dev/null &
	else
		"${as[@]}" "$scope" --json "${limit[@]}" "$@" \
			"${seen_as:-$node}" \
			>"$out" 2>"$err" </dev/null &
	fi
	observer=$!
	started+=("$observer")
	wait_until 20 attached_or_ended
	has '"kind":"node.attach"' || fail "did not attach"
}

# trace [OPTION…] FUNCTION…: the same, with scope-bpf trace.
trace() {
	: >"$out"
	"${as[@]}" "$scope" trace --json -p "${seen_as:-$node}" "$@" \
		>"$out" 2>"$err" </dev/null &
	observer=$!
	started+=("$observer")
	wait_until 20 attached_or_ended
	has '"kind":"node.attach"' || fail "did not attach"
}

attached_or_ended() {
	has '"kind":"node.attach"' || has_ended "$observer"
}

has() {
	grep -qF -- "$1" "$out" 2>/dev/null
}

events_more_than() {
	[ "$(wc -l <"$out")" -gt "$1" ]
}

# stop_observer [MS [any]]: Ctrl-C; it ends within MS milliseconds, with 0.
stop_observer() {
	local t0=${EPOCHREALTIME/./} ms
	kill -INT "${signal_to:-$observer}" 2>/dev/null || fail "it had ended already"
	observer_ends "${1:-10000}"
	ms=$(((${EPOCHREALTIME/./} - t0) / 1000))
	echo "ended in $ms ms"
	[ "${2-}" = any ] || [ "$status" -eq 0 ] || fail "exit $status"
}

# observer_ends MS: by itself, within that time; leaves its exit code.
observer_ends() {
	local t0=${EPOCHREALTIME/./}
	wait_until $(($1 / 1000 + 5)) has_ended "$observer" ||
		fail "did not end in $(($1 / 1000 + 5)) s"
	[ $(((${EPOCHREALTIME/./} - t0) / 1000)) -le "$1" ] ||
		fail "took $(((${EPOCHREALTIME/./} - t0) / 1000)) ms to end, of $1"
	wait "$observer"
	status=$?
	# What its reader still has to write.
	if [ ${#reader[@]} -gt 0 ]; then
		wait_until 10 reader_ended || true
	fi
}

reader_ended() {
	tail -n 1 "$out" | grep -qF '"kind":"summary"'
}

# refused CODE ARG…: it does not start, says why in one line, and exits so.
refused() {
	local want=$1 code=0
	shift
	timeout 20 "${as[@]}" "$scope" --json "$@" >"$out" 2>"$err" </dev/null ||
		code=$?
	[ "$code" -eq "$want" ] || fail "$*: exit $code instead of $want"
	[ -s "$err" ] || fail "$*: says nothing"
	[ ! -s "$out" ] || fail "$*: data on stdout"
	echo "$*: exit $code: $(head -n 1 "$err")"
}

# ---- verdicts ----------------------------------------------------------------

compare() {
	"$here/compare.py" ${lacks:+--unavailable "$lacks"} "$@" "$out" "$tmp/truth" ||
		fail "stream and truth differ"
}

compare_stream() {
	"$here/compare.py" "$out" || fail "the stream is not sound"
}

text_is_clean() {
	"$here/text_clean.py" "$1" >/dev/null
}

# No probe is left in the node, and it lives.
clean() {
	has_ended "$node" && fail "the node is gone"
	text_is_clean "$node" ||
		fail "probes are left: $("$here/text_clean.py" "$node")"
}

# Does the kernel have uprobe multi links (6.6 and later)?
multi_links() {
	local major minor
	IFS=.- read -r major minor _ < <(uname -r)
	[ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 6 ]; }
}

# Seconds that probes of a killed observer may stay.
probes_leave() {
	if multi_links; then echo 1; else echo 10; fi
}

# ---- running -----------------------------------------------------------------

scenarios() {
	local f o
	for f in $(declare -F | awk '$3 ~ /^o_/ { print substr($3, 3) }'); do
		echo "$f"
	done
	for o in $otps; do
		for f in $(declare -F | awk '$3 ~ /^t_/ { print substr($3, 3) }'); do
			echo "$f@$o"
		done
	done
}

# Whether a scenario is among those that run when none is named.
is_usual() { # NAME[@OTP]
	local words=${on_two//[[:space:]]/ }
	[[ " $on_jit " != *" ${1%@*} "* || $1 != *@23 ]] || return 1
	[[ " $words " != *" ${1%@*} "* || $1 != *@* || " $two_otps " == *" ${1#*@} "* ]]
}

# End what a scenario has started, newest first, and remove its folders.
tidy() {
	local i pid
	for ((i = ${#started[@]} - 1; i >= 0; i--)); do
		pid=${started[i]}
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	for i in "${folders[@]}"; do
		rm -rf "$i"
	done
}

one() { # NAME: runs in a subshell; prints, and exits with the verdict
	local name=${1%@*}
	otp=host root=/ folders=()
	case $1 in
	*@*)
		otp=${1#*@}
		root=${roots[$otp]-}
		;;
	esac
	tmp=$results/$1
	rm -rf "$tmp"
	mkdir -p "$tmp"
	out=$tmp/out.json err=$tmp/err
	: >"$out"
	trap tidy EXIT
	trap 'exit 1' INT TERM
	have_release
	if declare -F "t_$name" >/dev/null; then
		"t_$name"
	else
		"o_$name"
	fi
}

have_release() {
	[ -n "$root" ] || fail "there is no OTP $otp here: $(cat "$results/otp.log")"
	# "/" is written as nothing, so that paths can be put behind it.
	[ "$root" != / ] || root=
	compiled=$results/ebin-$otp
	compile
}

# on_release OTP: of a scenario that is one release's alone.
on_release() {
	otp=$1 root=${roots[$1]-}
	have_release
}

# Workloads, by the compiler of the release that runs them.
compile() {
	local dir lock
	[ ! -e "$compiled/.done" ] || return 0
	exec {lock}>"$results/.compile"
	flock "$lock" # another scenario may be about to
	if [ -e "$compiled/.done" ]; then
		exec {lock}>&-
		return 0
	fi
	dir=$(mktemp -d "$root/tmp/scope-live.XXXXXX")
	cp "$here"/erl/*.erl "$dir"
	chroot "${root:-/}" env -i PATH=/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 \
		sh -c "cd '${dir#"$root"}' && erlc -Werror +nowarn_deprecated_catch *.erl" ||
		fail "the workloads do not compile"
	mkdir -p "$compiled"
	cp "$dir"/*.beam "$compiled"
	rm -rf "$dir"
	: >"$compiled/.done"
	exec {lock}>&-
}

# Whether a scenario has the machine to itself: it loads the node, or holds
# something to a time limit.
is_alone() { # NAME[@OTP]
	local words=${alone//[[:space:]]/ }
	[[ " $words " == *" ${1%@*} "* ]]
}

# begin NAME: run it beside the others, as many as there are processors.
begin() {
	end_until $(($(nproc) - 1))
	since[$1]=${EPOCHREALTIME/./}
	(one "$1") >"$results/$1.log" 2>&1 9>&- &
	running[$!]=$1
}

# end_until N: wait until at most N run; say how the others ended.
end_until() {
	local pid name verdict log
	while [ ${#running[@]} -gt "$1" ]; do
		if wait -n -p pid "${!running[@]}"; then
			passed=$((passed + 1)) verdict=ok
		else
			failed=$((failed + 1)) verdict=FAIL
			bad+=("${running[$pid]}")
		fi
		name=${running[$pid]} log=$results/${running[$pid]}.log
		unset "running[$pid]"
		printf '%-28s %-4s %5d ms  %s\n' "$name" $verdict \
			$(((${EPOCHREALTIME/./} - since[$name]) / 1000)) \
			"$(grep -am 1 ' events, ' "$log")"
		if [ $verdict = ok ]; then
			rm -rf "${results:?}/$name" "$log"
		else
			tr -d '\000-\010' <"$log" | sed 's/^/    /' |
				cut -c 1-600
			mkdir -p "$results/$name"
			mv "$log" "$results/$name/log"
		fi
	done
}

main() {
	local all name want picked=() passed=0 failed=0 bad=()
	local -A running=() since=()
	all=$(scenarios)
	if [ "${1-}" = -l ]; then
		echo "$all"
		exit 0
	fi
	for name in $all; do
		if [ $# -eq 0 ] && is_usual "$name"; then
			picked+=("$name")
		fi
		for want; do
			# shellcheck disable=SC2053 # a glob
			if [[ $name == $want || ${name%@*} == $want ]]; then
				picked+=("$name")
				break
			fi
		done
	done
	if [ ${#picked[@]} -eq 0 ]; then
		echo "run: no scenario is called $*; -l lists them" >&2
		exit 2
	fi
	if [ "$(id -u)" -ne 0 ]; then
		echo "run: live tests need root" >&2
		echo "0 passed, ${#picked[@]} failed"
		exit 1
	fi
	if [ ! -x "$scope" ]; then
		echo "run: $scope is not there; run make" >&2
		echo "0 passed, ${#picked[@]} failed"
		exit 1
	fi
	mkdir -p "$results"
	exec 9>"$results/.lock"
	if ! flock -n 9; then
		echo "run: waiting for another run to end" >&2
		flock 9
	fi
	rm -rf "$results"/ebin-*
	declare -gA roots=()
	# Not all at once: one that can't be made leaves the others.
	# shellcheck disable=SC2086 # several
	"$top/scripts/otp-matrix" $otps >"$results/otp" 2>"$results/otp.log" || true
	while read -r o dir; do
		roots[$o]=$dir
	done <"$results/otp"

	# Those beside us are deaf to Ctrl-C.
	trap 'kill -TERM "${!running[@]}" 2>/dev/null; wait; exit 1' INT TERM
	for name in "${picked[@]}"; do
		is_alone "$name" || begin "$name"
	done
	end_until 0
	for name in "${picked[@]}"; do
		is_alone "$name" || continue
		begin "$name"
		end_until 0
	done
	[ $failed -eq 0 ] || echo "failed: ${bad[*]}"
	echo "$passed passed, $failed failed"
	[ $failed -eq 0 ]
}
