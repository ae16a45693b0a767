/* SPDX-License-Identifier: MIT */
/*
 * Completion scripts of three shells, from the command table. What changes
 * while a shell runs, the nodes of the machine, the scripts ask for with
 * `scope-bpf completion nodes`: a PID and what it is, a tab between, a line.
 */
#include <stdbool.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/exit.h"
#include "target/find.h"
#include "wire/event.h"

#define NODES_MAX 256
#define NODES "scope-bpf completion nodes 2>/dev/null"

/* Call fn for each kind, and for each group once. */
static void each_kind(void (*fn)(const char *name, const char *says))
{
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const struct scope_kind_info *i = scope_kind_info(k);
		bool is_new = true;

		if (!i->name)
			continue;
		for (unsigned b = 1; b < k; b++)
			if (scope_kind_info(b)->name &&
			    !strcmp(scope_kind_info(b)->group, i->group))
				is_new = false;
		/* Those of the stream itself are always there. */
		if (!strcmp(i->group, "stream") || !strcmp(i->group, "node"))
			continue;
		if (is_new)
			fn(i->group, "all of the group");
		fn(i->name, i->says);
	}
	fn("all", "every kind");
	fn("default", "the kinds watched without --events");
}

static void put_word(const char *name, const char *says)
{
	(void)says;
	printf("%s ", name);
}

/* The commands that have a name. */
static void put_commands(const char *sep)
{
	const char *s = "";

	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		if (!*(*c)->name)
			continue;
		printf("%s%s", s, (*c)->name);
		s = sep;
	}
}

/* In single quotes of a shell; what is in `special` gets a backslash. */
static void put_quoted(const char *s, const char *special)
{
	for (; *s; s++) {
		if (*s == '\'')
			printf("'\\''");
		else if (strchr(special, *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static void bash_words(const char *words)
{
	if (!words) {
		printf("return ;;\n");
	} else if (!strcmp(words, SCOPE_WORDS_KINDS)) {
		printf("_scope_bpf_list '");
		each_kind(put_word);
		printf("' \"$cur\"; return ;;\n");
	} else if (!strcmp(words, SCOPE_WORDS_NODES)) {
		printf("_scope_bpf_words \"$(" NODES " | cut -f1)\" \"$cur\"; "
		       "return ;;\n");
	} else if (!strcmp(words, SCOPE_WORDS_COMMANDS)) {
		printf("_scope_bpf_words '");
		put_commands(" ");
		printf("' \"$cur\"; return ;;\n");
	} else {
		printf("_scope_bpf_words '%s' \"$cur\"; return ;;\n", words);
	}
}

static void bash_cmd(const struct scope_cmd *cmd)
{
	for (const struct scope_opt *o = cmd->opts; o->name; o++) {
		if (!o->arg)
			continue;
		printf("\t%s:--%s", cmd->name, o->name);
		if (o->key)
			printf(" | %s:-%c", cmd->name, o->key);
		printf(")\n\t\t");
		bash_words(o->words);
	}
}

static void bash_operands(const struct scope_cmd *cmd)
{
	printf("\t%s:-*)\n\t\t_scope_bpf_words '", cmd->name);
	for (const struct scope_opt *o = cmd->opts; o->name; o++) {
		printf("--%s ", o->name);
		if (o->key)
			printf("-%c ", o->key);
	}
	printf("' \"$cur\" ;;\n\t%s:*)\n", cmd->name);
	if (!*cmd->name) {
		printf("\t\tif [[ $COMP_CWORD -eq 1 ]]; then\n"
		       "\t\t\t_scope_bpf_words \"$(" NODES " | cut -f1) ");
		put_commands(" ");
		printf("\" \"$cur\"\n\t\t\treturn\n\t\tfi\n");
	}
	printf("\t\t");
	bash_words(cmd->words);
}

static void bash(void)
{
	printf("# bash completion of scope-bpf; "
	       "made by scope-bpf completion bash\n"
	       "_scope_bpf_words()\n{\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\")\n}\n"
	       "\n# The last of several words with commas between.\n"
	       "_scope_bpf_list()\n{\n"
	       "\tlocal before=\n\n"
	       "\t[[ $2 == *,* ]] && before=${2%%,*},\n"
	       "\tcompopt -o nospace\n"
	       "\tmapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"$1\" "
	       "-- \"${2##*,}\")\n}\n\n"
	       "_scope_bpf()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} cmd=\n"
	       "\tlocal prev=${COMP_WORDS[COMP_CWORD - 1]}\n\n"
	       "\tCOMPREPLY=()\n"
	       "\t# --option=value comes as three words.\n"
	       "\tif [[ $cur == '=' ]]; then\n"
	       "\t\tcur=\n"
	       "\telif [[ $prev == '=' && $COMP_CWORD -gt 1 ]]; then\n"
	       "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	       "\tfi\n"
	       "\tif [[ $COMP_CWORD -gt 1 ]]; then\n"
	       "\t\tcase ${COMP_WORDS[1]} in\n\t\t");
	put_commands(" | ");
	printf(") cmd=${COMP_WORDS[1]} ;;\n"
	       "\t\tesac\n\tfi\n"
	       "\tcase $cmd:$prev in\n");
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++)
		bash_cmd(*c);
	printf("\tesac\n\tcase $cmd:$cur in\n");
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++)
		bash_operands(*c);
	printf("\tesac\n}\ncomplete -F _scope_bpf scope-bpf\n");
}

static void zsh_kind(const char *name, const char *says)
{
	printf(" \\\n\t\t'%s[", name);
	put_quoted(says, "[]:\\");
	printf("]'");
}

static void zsh_words(const char *words)
{
	if (!words)
		return;
	if (!strcmp(words, SCOPE_WORDS_KINDS)) {
		printf("_scope_bpf_kinds");
	} else if (!strcmp(words, SCOPE_WORDS_NODES)) {
		printf("_scope_bpf_nodes");
	} else if (!strcmp(words, SCOPE_WORDS_COMMANDS)) {
		printf("(");
		put_commands(" ");
		printf(")");
	} else {
		printf("(%s)", words);
	}
}

static void zsh_opt(const struct scope_opt *o)
{
	bool is_many = !strcmp(o->name, "process") ||
		       !strcmp(o->name, "verbose") ||
		       !strcmp(o->name, "events");

	printf(" \\\n\t\t");
	if (o->key && is_many)
		printf("'*'{-%c,--%s}", o->key, o->name);
	else if (o->key)
		printf("'(-%c --%s)'{-%c,--%s}", o->key, o->name, o->key,
		       o->name);
	else
		printf("%s'--%s'", is_many ? "'*'" : "", o->name);
	printf("%s'[", o->arg ? "=" : "");
	put_quoted(o->help, "[]:\\");
	printf("]");
	if (o->arg) {
		printf(":%s:", o->arg);
		zsh_words(o->words);
	}
	printf("'");
}

static void zsh_cmd(const struct scope_cmd *cmd)
{
	printf("_arguments -s");
	for (const struct scope_opt *o = cmd->opts; o->name; o++)
		zsh_opt(o);
	if (!*cmd->name) {
		printf(" \\\n\t\t'1: :_scope_bpf_first'");
	} else if (cmd->words) {
		printf(" \\\n\t\t'1: :");
		zsh_words(cmd->words);
		printf("'");
	}
	printf("\n");
}

static void zsh(void)
{
	printf("#compdef scope-bpf\n"
	       "# zsh completion of scope-bpf; "
	       "made by scope-bpf completion zsh\n"
	       "_scope_bpf_nodes()\n{\n\tlocal -a nodes\n"
	       "\tnodes=(${${(f)\"$(" NODES ")\"}/$'\\t'/:})\n"
	       "\t_describe node nodes\n}\n\n"
	       "_scope_bpf_kinds()\n{\n\t_values -s , kind");
	each_kind(zsh_kind);
	printf("\n}\n\n_scope_bpf_first()\n{\n\tlocal -a commands=(");
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		if (!*(*c)->name)
			continue;
		printf("\n\t\t'%s:", (*c)->name);
		put_quoted((*c)->help, ":\\");
		printf("'");
	}
	printf(")\n\t_describe command commands\n\t_scope_bpf_nodes\n}\n\n"
	       "_scope_bpf()\n{\n"
	       "\tif (( CURRENT > 2 )); then\n\t\tcase $words[2] in\n");
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		if (!*(*c)->name)
			continue;
		printf("\t\t%s)\n\t\tshift words\n\t\t(( CURRENT-- ))\n\t\t",
		       (*c)->name);
		zsh_cmd(*c);
		printf("\t\treturn ;;\n");
	}
	printf("\t\tesac\n\tfi\n\t");
	zsh_cmd(&scope_cmd_live);
	printf("}\n"
	       "if [[ $funcstack[1] == _scope-bpf ]]; then\n"
	       "\t_scope_bpf \"$@\"\nelse\n"
	       "\tcompdef _scope_bpf scope-bpf\nfi\n");
}

static void fish_kind(const char *name, const char *says)
{
	printf("\tprintf '%%s%%s\\t%%s\\n' \"$before\" %s '", name);
	put_quoted(says, "\\");
	printf("'\n");
}

static void fish_words(const char *words)
{
	if (!words)
		return;
	printf(" -a '");
	if (!strcmp(words, SCOPE_WORDS_KINDS))
		printf("(__scope_bpf_kinds)");
	else if (!strcmp(words, SCOPE_WORDS_NODES))
		printf("(" NODES ")");
	else if (!strcmp(words, SCOPE_WORDS_COMMANDS))
		put_commands(" ");
	else
		printf("%s", words);
	printf("'");
}

static void fish_cmd(const struct scope_cmd *cmd)
{
	char when[128];

	if (*cmd->name)
		(void)snprintf(when, sizeof(when),
			       "__fish_seen_subcommand_from %s", cmd->name);
	else
		(void)snprintf(when, sizeof(when), "__scope_bpf_is_live");
	for (const struct scope_opt *o = cmd->opts; o->name; o++) {
		printf("complete -c scope-bpf -n '%s' -l %s", when, o->name);
		if (o->key)
			printf(" -s %c", o->key);
		if (o->arg)
			printf(" -x");
		fish_words(o->words);
		printf(" -d '");
		put_quoted(o->help, "\\");
		printf("'\n");
	}
	if (cmd->words) {
		printf("complete -c scope-bpf -n '%s'", when);
		fish_words(cmd->words);
		printf("\n");
	}
}

static void fish(void)
{
	printf("# fish completion of scope-bpf; "
	       "made by scope-bpf completion fish\n"
	       "function __scope_bpf_is_live\n"
	       "\tnot __fish_seen_subcommand_from ");
	put_commands(" ");
	printf("\nend\n\n"
	       "function __scope_bpf_kinds\n"
	       "\tset -l before (commandline -ct | "
	       "string replace -r '^--events=' '' | "
	       "string replace -r '[^,]*$' '')\n");
	each_kind(fish_kind);
	printf("end\n\ncomplete -c scope-bpf -f\n");
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++) {
		if (*(*c)->name) {
			printf("complete -c scope-bpf -n __fish_is_first_arg "
			       "-a %s -d '",
			       (*c)->name);
			put_quoted((*c)->help, "\\");
			printf("'\n");
		}
		fish_cmd(*c);
	}
}

static void nodes(void)
{
	static struct scope_found found[NODES_MAX];
	int n = scope_find_nodes(found, NODES_MAX);

	for (int i = 0; i < n; i++)
		printf("%d\t%s\n", (int)found[i].pid,
		       *found[i].node ? found[i].node : found[i].cmdline);
}

static int completion(const struct scope_cmd *cmd, int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*put)(void);
	} kinds[] = { { "bash", bash },
		      { "zsh", zsh },
		      { "fish", fish },
		      { "nodes", nodes } };
	int at = scope_cmd_operands(cmd, argc, argv, 1);
	struct scope_err err = { 0 };

	if (at < 0)
		return -1 - at;
	for (size_t i = 0; at < argc && i < 4; i++) {
		if (strcmp(argv[at], kinds[i].name) == 0) {
			kinds[i].put();
			return scope_cmd_finish_stdout();
		}
	}
	return scope_cmd_complain(
		scope_fail(&err, -EINVAL, "completion takes bash, zsh or fish"),
		&err);
}

static const struct scope_opt opts[] = {
	{ 'h', "help", NULL, NULL, "Print this text" },
	{ 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

const struct scope_cmd scope_cmd_completion = {
	.name = "completion",
	.args = "bash|zsh|fish",
	.help = "Print a completion script for a shell",
	.words = "bash zsh fish",
	.opts = opts,
	.run = completion,
};
