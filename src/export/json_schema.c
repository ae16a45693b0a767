/* SPDX-License-Identifier: MIT */
/*
 * The JSON Schema of the stream: one definition per kind, each with the keys
 * that events of the kind may have. A key that two fields share (`from`: a
 * process, or the word "timer") is described by both.
 */
#include "export/json.h"

#include <string.h>

#define KEYS_MAX 24

#define F(sym) SCOPE_FIELD_##sym
#define END SCOPE_FIELD_MAX
/* What says how well the contents of an event are known. */
#define TERMS F(TRUNCATED), F(UNREADABLE)

/* In the order of printing. `truncated` belongs to every kind with terms. */
static const enum scope_field_key kind_fields[SCOPE_KIND_MAX][KEYS_MAX] = {
	[SCOPE_KIND_PROC_SPAWN] = { F(CHILD), F(MFA), F(WHERE), F(ARGS),
				    F(INITIAL_CALL), F(LINK), F(MONITOR),
				    TERMS, END },
	[SCOPE_KIND_PROC_EXIT] = { F(REASON), F(REASON_TEXT), TERMS, F(LIFETIME_NS),
				   F(REDUCTIONS), END },
	[SCOPE_KIND_PROC_EXIT_SIGNAL] = { F(FROM), F(FROM_KIND), F(FROM_NAME),
					  F(PORT), F(TO), F(TO_NAME), F(REASON),
					  F(REASON_TEXT),
					  F(VIA), TERMS, F(CORR), END },
	[SCOPE_KIND_PROC_LINK] = { F(TO), F(TO_NAME), F(UNREADABLE), END },
	[SCOPE_KIND_PROC_UNLINK] = { F(TO), F(TO_NAME), F(UNREADABLE), END },
	[SCOPE_KIND_PROC_MONITOR] = { F(TO), F(TO_NAME), F(REF), TERMS, END },
	[SCOPE_KIND_PROC_DEMONITOR] = { F(TO), F(TO_NAME), F(REF), TERMS, END },
	[SCOPE_KIND_PROC_DOWN] = { F(FROM), F(FROM_KIND), F(FROM_NAME),
				   F(REASON), F(REF), TERMS, F(CORR), END },
	[SCOPE_KIND_PROC_REGISTER] = { F(REGISTERED), F(PORT),
				       F(UNREADABLE), END },
	[SCOPE_KIND_PROC_UNREGISTER] = { F(REGISTERED), F(PORT),
					 F(UNREADABLE), END },
	[SCOPE_KIND_MSG_SEND] = { F(FROM), F(FROM_KIND), F(FROM_NAME), F(PORT),
				  F(TO), F(TO_NAME), F(MSG), F(MSG_WORDS),
				  F(SIZE_WORDS), F(DIST), F(ALIAS), F(ALIAS_REF), TERMS,
				  F(MAILBOX), F(CORR), END },
	[SCOPE_KIND_MSG_RECEIVE] = { F(FROM), F(FROM_KIND), F(FROM_NAME),
				     F(PORT), F(MSG), F(MSG_WORDS), F(SIZE_WORDS),
				     TERMS, F(WAIT_NS), F(MAILBOX), F(CORR),
				     F(SURE), END },
	[SCOPE_KIND_GC_START] = { F(GC_REASON), F(UNREADABLE), F(MAJOR),
				  F(DIRTY), F(HEAP_BEFORE), F(SIZE_BEFORE),
				  F(NEED), END },
	[SCOPE_KIND_GC_END] = { F(GC_REASON), F(UNREADABLE), F(MAJOR), F(DIRTY),
				F(HEAP_BEFORE), F(HEAP_AFTER), F(SIZE_BEFORE),
				F(SIZE_AFTER), F(NEED), F(RECLAIMED), F(PAUSE_NS),
				END },
	[SCOPE_KIND_CODE_LOAD] = { F(UNREADABLE), F(MODULE), F(FUNCTIONS),
				   F(CODE_BYTES), END },
	[SCOPE_KIND_CODE_UNLOAD] = { F(UNREADABLE), F(MODULE), F(FUNCTIONS),
				     F(CODE_BYTES), END },
	[SCOPE_KIND_HEAP_GROW] = { F(GC_REASON), F(UNREADABLE), F(DIRTY),
				   F(GREW), F(BLOCK_BEFORE), F(BLOCK_AFTER),
				   F(NEED), END },
	[SCOPE_KIND_PROC_HIBERNATE] = { F(MFA), F(WHERE), F(ARGS), TERMS, F(STATE),
					F(HEAP_AFTER), F(SIZE_BEFORE),
					F(SIZE_AFTER), END },
	[SCOPE_KIND_MSG_ATTEMPT] = { F(TO), F(TO_NAME), F(DEST), F(MSG),
				     F(DROPPED), F(ALIAS), TERMS, END },
	[SCOPE_KIND_CALL] = { F(MFA), F(WHERE), F(ARGS), F(CALLER), F(RETURN),
			      F(OF_CALL), F(CALLS), F(OLD_CODE), TERMS,
			      F(DURATION_NS), F(CALL_TYPE), F(DIRTY), END },
	[SCOPE_KIND_SCHED_IN] = { F(MFA), F(WHERE), F(WAIT_NS), F(DIRTY), END },
	[SCOPE_KIND_SCHED_OUT] = { F(MFA), F(WHERE), F(RUN_NS), F(STATE),
				   F(REDUCTIONS), F(DIRTY), END },
	[SCOPE_KIND_DIST_SEND] = { F(PEER), F(PORT), F(OP),
				   F(CHILD), F(FROM), F(TO),
				   F(TO_WORD), F(MFA), F(ARGS), F(MSG),
				   F(REASON), F(REF), TERMS, F(FRAGMENTS),
				   END },
	[SCOPE_KIND_DIST_RECEIVE] = { F(PEER), F(OP), F(CHILD), F(FROM), F(TO),
				      F(TO_WORD), F(MFA), F(ARGS), F(MSG),
				      F(REASON), F(REF), TERMS, F(BYTES),
				      F(FRAGMENTS), END },
	[SCOPE_KIND_DIST_NODE_UP] = { F(PEER), F(VISIBILITY), F(SELF),
				      F(UNREADABLE), END },
	[SCOPE_KIND_DIST_NODE_DOWN] = { F(PEER), F(VISIBILITY),
					F(SELF), F(REASON), F(REASON_TEXT),
					TERMS, END },
	[SCOPE_KIND_TIMER_START] = { F(TO), F(TO_NAME), F(MSG), F(REF),
				     TERMS, F(AFTER_NS), F(AT_MS),
				     F(TIMER_TYPE), END },
	[SCOPE_KIND_TIMER_CANCEL] = { F(REF), TERMS, F(LEFT_NS), F(ASYNC),
				      F(FOUND), END },
	[SCOPE_KIND_TIMER_TIMEOUT] = { F(TO), F(TO_NAME), F(MSG), F(REF), TERMS,
				       END },
	[SCOPE_KIND_ETS_NEW] = { F(TABLE), F(TABLE_ATOM), F(TABLE_NAME),
				 F(UNREADABLE), F(ETS_OP), END },
	[SCOPE_KIND_ETS_DELETE_TABLE] = { F(TABLE), F(TABLE_ATOM),
					  F(UNREADABLE), F(ETS_OP), END },
	[SCOPE_KIND_ETS_LOOKUP] = { F(TABLE), F(TABLE_ATOM), F(KEY), TERMS,
				    F(ETS_OP), END },
	[SCOPE_KIND_ETS_INSERT] = { F(TABLE), F(TABLE_ATOM), F(OBJECT), TERMS,
				    F(ETS_OP), F(OBJECTS), END },
	[SCOPE_KIND_ETS_DELETE] = { F(TABLE), F(TABLE_ATOM), F(KEY), F(OBJECT),
				    TERMS, F(ETS_OP), F(OBJECTS), END },
	[SCOPE_KIND_ETS_UPDATE] = { F(TABLE), F(TABLE_ATOM), F(KEY), TERMS,
				    F(ETS_OP), END },
	[SCOPE_KIND_ETS_SELECT] = { F(TABLE), F(TABLE_ATOM), F(UNREADABLE),
				    F(ETS_OP), END },
	[SCOPE_KIND_PORT_OPEN] = { F(PORT), F(UNREADABLE), F(DRIVER),
				   F(COMMAND), F(LOCAL), F(PEER_ADDR), END },
	[SCOPE_KIND_PORT_CLOSE] = { F(FROM), F(FROM_NAME), F(PORT), F(REASON),
				    F(REASON_TEXT),
				    TERMS, F(DRIVER), F(LOCAL), F(PEER_ADDR), END },
	[SCOPE_KIND_PORT_COMMAND] = { F(PORT), F(DRIVER), F(DATA_BYTES), F(DATA),
				      TERMS, F(LOCAL), F(PEER_ADDR), END },
	[SCOPE_KIND_PORT_CONTROL] = { F(PORT), F(DRIVER), F(OP_NUMBER), F(CALL),
				      F(DATA_BYTES), F(DATA), TERMS, F(LOCAL),
				      F(PEER_ADDR), END },
	[SCOPE_KIND_PORT_INPUT] = { F(PORT), F(UNREADABLE), F(DRIVER), F(DATA_BYTES),
				    F(EXIT_STATUS), F(LOCAL), F(PEER_ADDR), END },
	[SCOPE_KIND_PORT_OUTPUT] = { F(PORT), F(UNREADABLE), F(DRIVER),
				     F(DATA_BYTES), F(LOCAL), F(PEER_ADDR), END },
	[SCOPE_KIND_PROC_INFO] = { F(MFA), F(INITIAL_CALL), F(CURRENT),
				   F(PARENT), F(ANCESTORS), F(LABEL), TERMS,
				   END },
	[SCOPE_KIND_NODE_ATTACH] = { F(OTP), F(ERTS), F(FLAVOR),
				     F(OS_PID_NS), F(CONTAINER_ID),
				     F(CONTAINER_NAME), F(RUNTIME), F(POD_UID),
				     F(CGROUP), F(EVENTS),
				     F(UNAVAILABLE), F(LIMITS), F(STATS), END },
	[SCOPE_KIND_NODE_EXIT] = { F(REASON), F(CAUSE), END },
	[SCOPE_KIND_LOSS] = { F(CAUSE), F(OF), F(STAGE), F(CPU), F(COUNT),
			      F(FROM_NS), F(TO_NS), END },
	[SCOPE_KIND_BUDGET] = { F(WHERE), F(GROUP), F(KINDS), F(BUDGET_STATE), F(SHARE),
				F(COST), F(OFF_NS), F(BACK_NS), F(MISSED), END },
	[SCOPE_KIND_OVERFLOW] = { F(CAUSE), F(OFF_NS), F(BACK_NS), F(KEPT),
				  F(SAMPLED), END },
	[SCOPE_KIND_SUMMARY] = { F(EMITTED), F(DELIVERED), F(LOST),
				 F(SAMPLED), F(MISSED), F(TRACED),
				 F(STATS), END },
};

/* Keys of the head, in order. */
struct head {
	const char *key;
	const char *shape;
	const char *says;
};

#define PID_SHAPE                                                              \
	"\"type\":\"string\",\"pattern\":\"^<[0-9]+\\\\.[0-9]+\\\\.[0-9]+>$\""
#define COUNT_SHAPE "\"type\":\"integer\",\"minimum\":0"

static const struct head heads[] = {
	{ "id", COUNT_SHAPE, "rises by one per event of the stream" },
	{ "ts", COUNT_SHAPE, "wall clock, nanoseconds since the epoch" },
	{ "mono", COUNT_SHAPE, "CLOCK_MONOTONIC, nanoseconds" },
	{ "time", "\"type\":\"string\",\"format\":\"date-time\"",
	  "ts as RFC 3339 in UTC, with nine digits" },
	{ "kind", "\"type\":\"string\"", "what happened" },
	{ "node", "\"type\":\"string\"", "name of the node" },
	{ "os_pid", COUNT_SHAPE, "process id of the node's emulator" },
	{ "scheduler", "\"type\":\"integer\",\"minimum\":1",
	  "scheduler that it happened on: normal ones first, then dirty CPU, "
	  "then dirty I/O" },
	{ "pid", PID_SHAPE, "the process that it happened in or to" },
	{ "name", "\"type\":\"string\"", "registered name of pid" },
	{ "redacted", "\"const\":true", "values were hidden by --redact" },
};
#define HEADS (sizeof(heads) / sizeof(*heads))
#define HEADS_REQUIRED 7

static const char *const shapes[] = {
	[SCOPE_T_UINT] = COUNT_SHAPE,
	[SCOPE_T_SHARE] = "\"type\":\"number\",\"minimum\":0",
	[SCOPE_T_INT] = "\"type\":\"integer\"",
	[SCOPE_T_BOOL] = "\"type\":\"boolean\"",
	[SCOPE_T_TEXT] = "\"type\":\"string\"",
	[SCOPE_T_ATOM] = "\"type\":\"string\"",
	[SCOPE_T_IDENT] = "\"type\":\"string\"",
	[SCOPE_T_TERM] = "\"$ref\":\"#/$defs/term\"",
	[SCOPE_T_TERMS] = "\"type\":\"array\","
			  "\"items\":{\"$ref\":\"#/$defs/term\"}",
	[SCOPE_T_MFA] = "\"type\":\"string\",\"pattern\":\"/[0-9]+$\"",
	[SCOPE_T_CORR] = "\"type\":\"string\","
			 "\"pattern\":\"^m-[0-9a-f]+-[0-9]+$\"",
	[SCOPE_T_JSON] = "\"type\":[\"object\",\"array\"]",
};

size_t scope_json_fields(enum scope_kind kind,
			 const enum scope_field_key **ret_fields)
{
	size_t n = 0;

	if ((unsigned)kind >= SCOPE_KIND_MAX || !scope_kind_info(kind)->name)
		return 0;
	while (n < KEYS_MAX && kind_fields[kind][n] != END)
		n++;
	*ret_fields = kind_fields[kind];
	return n;
}

static void put_property(struct scope_buf *out, const char *key,
			 const char *shape)
{
	scope_json_string(out, key, strlen(key));
	scope_buf_lit(out, ":{");
	scope_buf_puts(out, shape);
	scope_buf_lit(out, ",\"description\":");
}

/* The property of fields[i]; nothing when an earlier one had its key. */
static bool put_field(struct scope_buf *out, const enum scope_field_key *fields,
		      size_t n, size_t i)
{
	const struct scope_field_info *f = scope_field_info(fields[i]);
	char says[512];
	struct scope_buf b = scope_buf_of(says, sizeof(says));

	for (size_t k = 0; k < i; k++)
		if (!strcmp(scope_field_info(fields[k])->key, f->key))
			return false;
	scope_buf_puts(&b, f->says);
	for (size_t k = i + 1; k < n; k++) {
		const struct scope_field_info *g = scope_field_info(fields[k]);

		if (strcmp(g->key, f->key) != 0)
			continue;
		scope_buf_lit(&b, "; or ");
		scope_buf_puts(&b, g->says);
	}
	if (i)
		scope_buf_char(out, ',');
	put_property(out, f->key, shapes[f->type]);
	scope_json_string(out, b.p, b.len);
	scope_buf_char(out, '}');
	return true;
}

static void put_kind(struct scope_buf *out, enum scope_kind kind)
{
	const struct scope_kind_info *info = scope_kind_info(kind);
	const enum scope_field_key *fields = NULL;
	size_t n = scope_json_fields(kind, &fields);

	scope_json_string(out, info->name, strlen(info->name));
	scope_buf_lit(out, ":{\"description\":");
	scope_json_string(out, info->says, strlen(info->says));
	scope_buf_lit(out, ",\n\"properties\":{\"kind\":{\"const\":");
	scope_json_string(out, info->name, strlen(info->name));
	scope_buf_lit(out, "},\n");
	for (size_t i = 0; i < n; i++)
		if (put_field(out, fields, n, i))
			scope_buf_char(out, '\n');
	scope_buf_lit(out, "}}");
}

static void put_heads(struct scope_buf *out)
{
	scope_buf_lit(out, "\"required\":[");
	for (size_t i = 0; i < HEADS_REQUIRED; i++) {
		if (i)
			scope_buf_char(out, ',');
		scope_json_string(out, heads[i].key, strlen(heads[i].key));
	}
	scope_buf_lit(out, "],\n\"properties\":{\n");
	for (size_t i = 0; i < HEADS; i++) {
		if (i)
			scope_buf_lit(out, ",\n");
		put_property(out, heads[i].key, heads[i].shape);
		scope_json_string(out, heads[i].says, strlen(heads[i].says));
		scope_buf_char(out, '}');
	}
	scope_buf_lit(out, "},\n");
}

void scope_json_schema(struct scope_buf *out)
{
	const char *sep = "\n";

	scope_buf_lit(out, "{\"$schema\":"
			   "\"https://json-schema.org/draft/2020-12/schema\","
			   "\n\"title\":\"scope-bpf event stream\","
			   "\n\"description\":\"One object a line.\","
			   "\n\"type\":\"object\",\n");
	put_heads(out);
	scope_buf_lit(out, "\"oneOf\":[");
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		if (!scope_kind_info(k)->name)
			continue;
		scope_buf_puts(out, sep);
		scope_buf_lit(out, "{\"$ref\":\"#/$defs/");
		scope_buf_puts(out, scope_kind_info(k)->name);
		scope_buf_lit(out, "\"}");
		sep = ",\n";
	}
	scope_buf_lit(out, "],\n\"unevaluatedProperties\":false,\n"
			   "\"$defs\":{\n\"term\":{\"description\":\"a term: "
			   "text in Erlang or Elixir syntax; under "
			   "--term-json an integer, or an object with the key "
			   "t\",\"type\":[\"string\",\"integer\",\"object\"]}");
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		if (!scope_kind_info(k)->name)
			continue;
		scope_buf_lit(out, ",\n");
		put_kind(out, (enum scope_kind)k);
	}
	scope_buf_lit(out, "}}\n");
}
