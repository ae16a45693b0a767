/* SPDX-License-Identifier: MIT */
/* The command line: units, options, exit codes, and what documents them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/live_conf.h"
#include "cli/units.h"
#include "export/json.h"

#define ARGS_MAX 400
#define PAGE_BYTES (1u << 18)

static void durations(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t ns;
	} cases[] = {
		{ "10s", 0, 10000000000 },
		{ "10", 0, 10000000000 },
		{ "500ms", 0, 500000000 },
		{ "1.5s", 0, 1500000000 },
		{ "0.5m", 0, 30000000000 },
		{ "2h", 0, 7200000000000 },
		{ "0.000000001s", 0, 1 },
		{ "0", 0, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "1.2.3s", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "10S", -EINVAL, 0 },
		{ "0.0000000001s", -EINVAL, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "18446744073s", 0, 18446744073000000000u },
		{ "18446744074s", -ERANGE, 0 },
		{ "18446744073.9s", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t ns = 77;

		if (scope_parse_duration(cases[i].s, &ns) != cases[i].r)
			fail_msg("'%s'", cases[i].s);
		assert_true(ns == (cases[i].r ? 77 : cases[i].ns));
	}
}

static void sizes_and_numbers(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_int_equal(scope_parse_size("8M", &n), 0);
	assert_true(n == 8u << 20);
	assert_int_equal(scope_parse_size("64k", &n), 0);
	assert_true(n == 64u << 10);
	assert_int_equal(scope_parse_size("1G", &n), 0);
	assert_true(n == 1u << 30);
	assert_int_equal(scope_parse_size("123", &n), 0);
	assert_true(n == 123);
	assert_int_equal(scope_parse_size("8MB", &n), -EINVAL);
	assert_int_equal(scope_parse_size("M", &n), -EINVAL);
	assert_int_equal(scope_parse_size("1.5M", &n), -EINVAL);
	assert_int_equal(scope_parse_size("20000000000G", &n), -ERANGE);
	assert_int_equal(scope_parse_number("42", &n), 0);
	assert_true(n == 42);
	assert_int_equal(scope_parse_number("42x", &n), -EINVAL);
	assert_int_equal(scope_parse_number("", &n), -EINVAL);
	assert_int_equal(scope_parse_number("+1", &n), -EINVAL);
}

/* argv of a command line without quotes; it lasts until the next call. */
static int split(const char *text, char **argv)
{
	static char words[4096];
	int n = 0;

	assert_true(strlen(text) < sizeof(words));
	memcpy(words, text, strlen(text) + 1);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		assert_true(n < ARGS_MAX);
		argv[n++] = w;
	}
	argv[n] = NULL;
	return n;
}

static int parse(const char *text, struct scope_live_conf *c,
		 struct scope_err *err)
{
	char *argv[ARGS_MAX + 1];
	int argc = split(text, argv);

	*err = (struct scope_err){ 0 };
	return scope_live_conf_parse(&scope_cmd_live, argc, argv, c, err);
}

static void options_do_what_they_say(void **state)
{
	struct scope_live_conf c;
	struct scope_err err;

	(void)state;
	assert_int_equal(parse("scope-bpf", &c, &err), 0);
	assert_null(c.target);
	assert_true(c.kinds == scope_kinds_default());
	assert_true(c.budget > 0.0499 && c.budget < 0.0501);
	assert_int_equal(c.term_words, 64);
	assert_true(c.buffer_bytes == 8u << 20);
	assert_int_equal(c.duration_ns, 0);
	assert_int_equal(c.syntax, SCOPE_SYNTAX_ERLANG);
	assert_int_equal(c.color, SCOPE_COLOR_AUTO);
	assert_null(c.processes[0]);
	assert_int_equal(
		parse("scope-bpf -p 42 -e msg --events=gc -d 1.5s --json "
		      "--terms 0 --elixir --strategy full --buffer 64K "
		      "--process <0.1.0> --process reg --strict -q -vv "
		      "--color never",
		      &c, &err),
		0);
	assert_string_equal(c.target, "42");
	assert_true(c.budget == 0);
	assert_string_equal(c.events, "msg,gc");
	assert_true((c.kinds & SCOPE_KIND_BIT(SCOPE_KIND_GC_START)) != 0);
	assert_true((c.kinds & SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE)) != 0);
	assert_false(c.kinds & SCOPE_KIND_BIT(SCOPE_KIND_PROC_SPAWN));
	assert_true(c.duration_ns == 1500000000);
	assert_true(c.wants_json && c.is_strict && c.is_quiet);
	assert_int_equal(c.term_words, 0);
	assert_int_equal(c.verbose, 2);
	assert_int_equal(c.syntax, SCOPE_SYNTAX_ELIXIR);
	assert_int_equal(c.color, SCOPE_COLOR_NEVER);
	assert_true(c.buffer_bytes == 64u << 10);
	assert_string_equal(c.processes[0], "<0.1.0>");
	assert_string_equal(c.processes[1], "reg");
	assert_null(c.processes[2]);
	assert_int_equal(parse("scope-bpf --strategy minimal", &c, &err), 0);
	assert_true(c.budget > 0.0099 && c.budget < 0.0101);
	assert_true(c.kinds == (scope_kinds_default() &
				~SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND)));
	assert_int_equal(
		parse("scope-bpf --strategy minimal --budget 2.5% -e msg.send",
		      &c, &err),
		0);
	assert_true(c.budget > 0.0249 && c.budget < 0.0251);
	assert_true((c.kinds & SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND)) != 0);
	assert_int_equal(parse("scope-bpf --transport perf --sample 0.25", &c,
			       &err),
			 0);
	assert_int_equal(c.transport, SCOPE_TRANSPORT_PERF);
	assert_true(c.sample == 0.25);
	assert_int_equal(parse("scope-bpf --transport ring --sample 12.5%", &c,
			       &err),
			 0);
	assert_int_equal(c.transport, SCOPE_TRANSPORT_RING);
	assert_true(c.sample == 0.125);
	assert_int_equal(c.overflow, SCOPE_DROP_NEWEST);
	assert_int_equal(parse("scope-bpf --overflow drop-oldest", &c, &err), 0);
	assert_int_equal(c.overflow, SCOPE_DROP_OLDEST);
	assert_int_equal(parse("scope-bpf --overflow sample", &c, &err), 0);
	assert_int_equal(c.overflow, SCOPE_SHED);
	assert_int_equal(parse("scope-bpf --sample 100%", &c, &err), 0);
	assert_int_equal(c.transport, SCOPE_TRANSPORT_AUTO);
	assert_true(c.sample == 0); /* all */
	assert_int_equal(parse("scope-bpf shop --term-json", &c, &err), 0);
	assert_string_equal(c.target, "shop");
	assert_int_equal(c.syntax, SCOPE_SYNTAX_JSON);
	assert_int_equal(parse("scope-bpf --json -- --odd", &c, &err), 0);
	assert_string_equal(c.target, "--odd");
	assert_int_equal(parse("scope-bpf -h --version", &c, &err), 0);
	assert_true(c.wants_help && c.wants_version);
}

static void wrong_usage_is_told(void **state)
{
	/* And a word that the message must have. */
	static const char *const cases[][2] = {
		{ "scope-bpf --nope", "--nope" },
		{ "scope-bpf -Z", "-Z" },
		{ "scope-bpf -qZ", "-Z" },
		{ "scope-bpf --redact x", "no rule" },
		{ "scope-bpf --sample 0", "'0'" },
		{ "scope-bpf --sample 1.1", "'1.1'" },
		{ "scope-bpf --sample 101%", "'101%'" },
		{ "scope-bpf --sample .5", "'.5'" },
		{ "scope-bpf --transport bpf", "ring or perf" },
		{ "scope-bpf --overflow block", "replays" },
		{ "scope-bpf --overflow never", "'never'" },
		{ "scope-bpf --overflow drop-oldest --transport ring", "perf" },
		{ "scope-bpf --buffer 16M --overflow drop-oldest", "8M at most" },
		{ "scope-bpf --budget 0", "'0'" },
		{ "scope-bpf --budget 101%", "'101%'" },
		{ "scope-bpf --budget 2%%", "'2%%'" },
		{ "scope-bpf --budget 2% --strategy full", "has no --budget" },
		{ "scope-bpf -f x", "-f is not available" },
		{ "scope-bpf --to=", "--to needs a value" },
		{ "scope-bpf --to a --to b", "one --to" },
		{ "scope-bpf --token-file f", "goes with --listen" },
		{ "scope-bpf --listen 1 --listen 2", "one --listen" },
		{ "scope-bpf --rotate 1M", "go with --to" },
		{ "scope-bpf --cacert f", "go with --to" },
		{ "scope-bpf --to a --rotate 1K", "64K" },
		{ "scope-bpf --to a --rotate-keep 3", "--rotate SIZE" },
		{ "scope-bpf --to a --rotate 1M --rotate-keep 9999", "1000" },
		{ "scope-bpf --pid", "--pid needs a value" },
		{ "scope-bpf -p", "-p needs a value" },
		{ "scope-bpf -p shop", "'shop'" },
		{ "scope-bpf -p 0", "'0'" },
		{ "scope-bpf -p 99999999999", "process id" },
		{ "scope-bpf -p 1 2", "one node" },
		{ "scope-bpf a b", "one node" },
		{ "scope-bpf -p 1 -p 2", "one node" },
		{ "scope-bpf --json=yes", "takes no value" },
		{ "scope-bpf --term", "--term" },
		{ "scope-bpf -e proc,bogus", "'bogus'" },
		{ "scope-bpf -e ,", "--events" },
		{ "scope-bpf -e sched.never", "'sched.never'" },
		{ "scope-bpf --events=", "--events" },
		{ "scope-bpf -d 0", "--duration" },
		{ "scope-bpf -d soon", "'soon'" },
		{ "scope-bpf --terms 513", "512" },
		{ "scope-bpf --terms -1", "--terms" },
		{ "scope-bpf --buffer 1K", "64K" },
		{ "scope-bpf --buffer 2G", "1G" },
		{ "scope-bpf --strategy best", "'best'" },
		{ "scope-bpf --color red", "'red'" },
		{ "scope-bpf --elixir --term-json", "exclude" },
		{ "scope-bpf --process=", "--process" },
	};
	struct scope_live_conf c;
	struct scope_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (parse(cases[i][0], &c, &err) != -EINVAL ||
		    err.code != -EINVAL || !strstr(err.text, cases[i][1]))
			fail_msg("%s: '%s'", cases[i][0], err.text);
		assert_null(strchr(err.text, '\n'));
	}
}

static void there_is_an_end_to_lists(void **state)
{
	char text[4096] = "scope-bpf";
	struct scope_live_conf c;
	struct scope_err err;

	(void)state;
	for (int i = 0; i < SCOPE_PROCESSES_MAX; i++)
		strcat(text, " --process p");
	assert_int_equal(parse(text, &c, &err), 0);
	strcat(text, " --process p");
	assert_int_equal(parse(text, &c, &err), -EINVAL);
	memcpy(text, "scope-bpf", 10);
	for (int i = 0; i <= SCOPE_EVENTS_LEN / 4; i++)
		strcat(text, " -emsg");
	assert_int_equal(parse(text, &c, &err), -EINVAL);
}

/* The exit status of a command line; its output is not looked at. */
/* In a process of its own: a run may give up rights for good. */
static int status_of(const char *text)
{
	char *argv[ARGS_MAX + 1];
	int argc = split(text, argv), status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		FILE *null = fopen("/dev/null", "w");

		if (!null)
			_exit(99);
		(void)dup2(fileno(null), STDOUT_FILENO);
		(void)dup2(fileno(null), STDERR_FILENO);
		_exit(scope_cli(argc, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void exit_codes_are_the_contract(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "scope-bpf --help", 0 },
		{ "scope-bpf --version", 0 },
		{ "scope-bpf schema", 0 },
		{ "scope-bpf schema --help", 0 },
		{ "scope-bpf help", 0 },
		{ "scope-bpf help schema", 0 },
		{ "scope-bpf completion bash", 0 },
		{ "scope-bpf completion zsh", 0 },
		{ "scope-bpf completion fish", 0 },
		{ "scope-bpf completion nodes", 0 },
		{ "scope-bpf completion", 2 },
		{ "scope-bpf completion tcsh", 2 },
		{ "scope-bpf help nope", 2 },
		{ "scope-bpf schema extra", 2 },
		{ "scope-bpf schema --json", 2 },
		{ "scope-bpf sql", 2 },
		{ "scope-bpf profile --help", 0 },
		{ "scope-bpf profile --version", 0 },
		{ "scope-bpf profile -p no", 2 },
		{ "scope-bpf profile -F 0", 2 },
		{ "scope-bpf profile -F 10001", 2 },
		{ "scope-bpf profile -d 0", 2 },
		{ "scope-bpf profile --format png", 2 },
		{ "scope-bpf profile --top --format svg", 2 },
		{ "scope-bpf profile --off-cpu -F 9", 2 },
		{ "scope-bpf profile --function x", 2 },
		{ "scope-bpf profile 1 2", 2 },
		{ "scope-bpf profile no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf record -p 1", 2 },
		{ "scope-bpf doctor --help", 0 },
		{ "scope-bpf doctor --version", 0 },
		{ "scope-bpf doctor no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf doctor -p x", 2 },
		{ "scope-bpf doctor 1 2", 2 },
		{ "scope-bpf doctor -e nope", 2 },
		{ "scope-bpf doctor --measure 0", 2 },
		{ "scope-bpf doctor --measure 2h", 2 },
		{ "scope-bpf doctor --color red", 2 },
		{ "scope-bpf ps --help", 0 },
		{ "scope-bpf ps --version", 0 },
		{ "scope-bpf ps -p no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf ps -p 1 -p 2", 2 },
		{ "scope-bpf ps --fields pid,nothing", 2 },
		{ "scope-bpf ps --fields pid,", 2 },
		{ "scope-bpf ps --sort x", 2 },
		{ "scope-bpf ps --limit 0", 2 },
		{ "scope-bpf ps --tree --sort memory", 2 },
		{ "scope-bpf ps --ports --tree", 2 },
		{ "scope-bpf ps --ets --limit 3", 2 },
		{ "scope-bpf ps --memory init", 2 },
		{ "scope-bpf ps --ports -p no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf top --help", 0 },
		{ "scope-bpf top --version", 0 },
		{ "scope-bpf top no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf top -p 1 2", 2 },
		{ "scope-bpf top 1 2", 2 },
		{ "scope-bpf top --delay 0.01s", 2 },
		{ "scope-bpf top --delay 2h", 2 },
		{ "scope-bpf top --count 0", 2 },
		{ "scope-bpf top --limit x", 2 },
		{ "scope-bpf top --sort size", 2 },
		{ "scope-bpf top --color red", 2 },
		{ "scope-bpf trace --help", 0 },
		{ "scope-bpf trace --version", 0 },
		{ "scope-bpf trace", 2 },
		{ "scope-bpf trace -p 2147483647", 2 },
		{ "scope-bpf trace -p 2147483647 lists:map/2", 3 },
		{ "scope-bpf trace -p 1 -p 2 lists:map/2", 2 },
		{ "scope-bpf trace -c -r lists:map/2", 2 },
		{ "scope-bpf trace -n 0 lists:map/2", 2 },
		{ "scope-bpf trace --turns 1ms lists:map/2", 2 },
		{ "scope-bpf trace -w arg1 lists:map/2", 2 },
		{ "scope-bpf trace --text --json lists:map/2", 2 },
		{ "scope-bpf stack --help", 0 },
		{ "scope-bpf stack --version", 0 },
		{ "scope-bpf stack -p no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf stack -p 1 -p 2", 2 },
		{ "scope-bpf stack --hung <0.1.0>", 2 },
		{ "scope-bpf stack --depth 0", 2 },
		{ "scope-bpf stack --depth x", 2 },
		{ "scope-bpf stack --terms 513", 2 },
		{ "scope-bpf --strategy best", 2 },
		{ "scope-bpf --nope", 2 },
		{ "scope-bpf no-node-has-this-name-1b7e", 3 },
		{ "scope-bpf -p 2147483647", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (status_of(cases[i].text) != cases[i].status)
			fail_msg("%s: not %d", cases[i].text, cases[i].status);
	assert_int_equal(scope_exit_of(0), 0);
	assert_int_equal(scope_exit_of(-EIO), 1);
	assert_int_equal(scope_exit_of(-ENOMEM), 1);
	assert_int_equal(scope_exit_of(-EINVAL), 2);
	assert_int_equal(scope_exit_of(-ESRCH), 3);
	assert_int_equal(scope_exit_of(-ENOEXEC), 3);
	assert_int_equal(scope_exit_of(-EPERM), 4);
	assert_int_equal(scope_exit_of(-EACCES), 4);
	assert_int_equal(scope_exit_of(-ENOTSUP), 4);
}

static void tables_are_well_formed(void **state)
{
	(void)state;
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		const struct scope_cmd *cmd = *c;

		assert_ptr_equal(scope_cmd_find(cmd->name), cmd);
		assert_true(cmd->help[0] && cmd->run);
		for (const struct scope_opt *o = cmd->opts; o->name; o++) {
			assert_true(o->help[0]);
			assert_true(o->help[strlen(o->help) - 1] != '.');
			for (const struct scope_opt *p = o + 1; p->name; p++) {
				assert_string_not_equal(p->name, o->name);
				assert_true(!o->key || p->key != o->key);
			}
		}
	}
}

static const char *read_page(const char *path)
{
	static char text[PAGE_BYTES];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		fail_msg("can't open %s", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	return text;
}

/* Does `what`, then no more of a word, stand in text[0..end)? */
static int has_word(const char *text, const char *end, const char *what)
{
	size_t len = strlen(what);

	for (const char *at = text; (at = strstr(at, what)) && at < end; at++) {
		unsigned char c = (unsigned char)at[len];

		if (!isalnum(c) && c != '_' && c != '.' && c != '-')
			return 1;
	}
	return 0;
}

/* In the command's own page where it has one. */
static void the_man_page_has_every_option(void **state)
{
	char what[80];

	(void)state;
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		const char *page = read_page("src/cli/man/scope-bpf.1");

		if (*(*c)->name) {
			(void)snprintf(what, sizeof(what), ".It Cm %s",
				       (*c)->name);
			if (!has_word(page, page + strlen(page), what))
				fail_msg("command %s", (*c)->name);
			(void)snprintf(what, sizeof(what),
				       "src/cli/man/scope-bpf-%s.1",
				       (*c)->name);
			/* Those that it shares are told in the main one. */
			if (access(what, R_OK) == 0 &&
			    (*c)->opts != scope_cmd_live.opts)
				page = read_page(what);
		}
		for (const struct scope_opt *o = (*c)->opts; o->name; o++) {
			const char *at;

			if (o->key)
				(void)snprintf(what, sizeof(what),
					       ".It Fl %c , -%s%s%s", o->key,
					       o->name, o->arg ? " Ar " : "",
					       o->arg ? o->arg : "");
			else
				(void)snprintf(what, sizeof(what),
					       ".It Fl -%s%s%s", o->name,
					       o->arg ? " Ar " : "",
					       o->arg ? o->arg : "");
			at = strstr(page, what);
			if (!at || at[strlen(what)] != '\n')
				fail_msg("%s", what);
		}
	}
}

/* Kinds are subsections; a key stands in that of each kind that can have it,
 * as .Va, or among those that all kinds can have. */
static void the_man_page_has_every_kind_and_key(void **state)
{
	const char *page = read_page("src/cli/man/scope-bpf-events.7");
	const char *kinds = strstr(page, ".Sh KINDS");
	char what[80];

	(void)state;
	assert_non_null(kinds);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const struct scope_kind_info *info = scope_kind_info(k);
		const enum scope_field_key *keys = NULL;
		size_t n = scope_json_fields((enum scope_kind)k, &keys);
		const char *at, *end;

		if (!info->name)
			continue;
		(void)snprintf(what, sizeof(what), ".Ss %s%s\n", info->name,
			       info->by_default ? " *" : "");
		at = strstr(kinds, what);
		if (!at)
			fail_msg("kind %s", info->name);
		end = strstr(at + 1, "\n.Ss ");
		assert_non_null(end);
		for (size_t i = 0; i < n; i++) {
			const char *key = scope_field_info(keys[i])->key;

			(void)snprintf(what, sizeof(what), ".It Va %s", key);
			if (has_word(page, kinds, what) &&
			    (keys[i] == SCOPE_FIELD_TRUNCATED ||
			     keys[i] == SCOPE_FIELD_UNREADABLE))
				continue;
			(void)snprintf(what, sizeof(what), " %s", key);
			if (!has_word(at, end, what))
				fail_msg("key %s of %s", key, info->name);
		}
	}
}

static void the_man_page_has_every_cause(void **state)
{
	const char *page = read_page("src/cli/man/scope-bpf-events.7");
	const char *losses = strstr(page, ".Sh LOSSES");
	static const char *const causes[] = {
#define X(num, sym, cause, says) cause,
		SCOPE_LOSSES(X)
#undef X
	};

	(void)state;
	assert_non_null(losses);
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		if (!has_word(losses, page + strlen(page), causes[i]))
			fail_msg("%s", causes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes_and_numbers),
		cmocka_unit_test(options_do_what_they_say),
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(there_is_an_end_to_lists),
		cmocka_unit_test(exit_codes_are_the_contract),
		cmocka_unit_test(tables_are_well_formed),
		cmocka_unit_test(the_man_page_has_every_option),
		cmocka_unit_test(the_man_page_has_every_kind_and_key),
		cmocka_unit_test(the_man_page_has_every_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
