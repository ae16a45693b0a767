/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/auto.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "export/json.h"

#define SCHEMA_BYTES (1u << 20)

static int schema(const struct scope_cmd *cmd, int argc, char **argv)
{
	scope_autofree char *text = malloc(SCHEMA_BYTES);
	struct scope_buf out = scope_buf_of(text, SCHEMA_BYTES);
	struct scope_err err = { 0 };
	int at = scope_cmd_operands(cmd, argc, argv, 0);

	if (at < 0)
		return -1 - at;
	if (!text)
		return scope_cmd_complain(-ENOMEM, &err);
	scope_json_schema(&out);
	(void)fwrite(out.p, 1, out.len, stdout);
	return scope_cmd_finish_stdout();
}

static const struct scope_opt opts[] = {
	{ 'h', "help", NULL, NULL, "Print this text" },
	{ 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

const struct scope_cmd scope_cmd_schema = {
	.name = "schema",
	.args = "",
	.help = "Print the JSON Schema of the event stream",
	.opts = opts,
	.run = schema,
};
