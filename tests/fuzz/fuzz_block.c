/* SPDX-License-Identifier: MIT */
/*
 * A block of a recording. Input: the payload. Whatever it is, reading it ends,
 * and the events that it gives can be printed, filtered and stored again.
 */
#include "beam/layout.h"
#include "export/json.h"
#include "query/expr.h"
#include "store/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char line[1 << 20];

static int no_node(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg, (void)addr, (void)buf, (void)len;
	return -EFAULT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scope_json_opts opts = { .syntax = SCOPE_SYNTAX_ERLANG };
	const struct scope_expr_opts times = { .last_ts_ns = 1 };
	scope_auto(scope_page) page = scope_page_new();
	scope_auto(scope_block) block = scope_block_new();
	scope_auto(scope_json) json = NULL;
	scope_auto(scope_expr) expr = NULL;
	struct scope_block_keys keys;
	struct scope_event ev;
	struct scope_vm vm;

	if (!page || !block ||
	    scope_vm_init(&vm, scope_layout_of(27), no_node, NULL) < 0 ||
	    scope_expr_parse("msg[1][a] = 1 or name ~ x or ts > 5", &times,
			     &expr, NULL) < 0)
		abort();
	json = scope_json_new(&vm, &opts);
	scope_block_keys_own(&keys);
	if (scope_page_load(page, data, size, &keys, &vm) == 0)
		while (scope_page_next(page, &ev) > 0) {
			struct scope_buf out = scope_buf_of(line, sizeof(line));

			(void)scope_json_event(json, &ev, &out);
			(void)scope_expr_is(expr, &vm, &ev);
			(void)scope_block_add(block, &vm, &ev);
		}
	(void)scope_block_end(block);
	scope_json_free(scope_take(json));
	scope_vm_done(&vm);
	return 0;
}
