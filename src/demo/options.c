/* The command line of the demo model server. */
#include "demo/options.h"

#include <getopt.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "demo/prompt.h"

enum option_kind { OPTION_FLAG, OPTION_NUMBER, OPTION_TEXT };

enum { OPTION_MAX_TEXT = 4096 };

/* One row for each option. To add one: a field in struct demo_options and a row here. */
static const struct option_row {
	const char *name;
	enum option_kind kind;
	size_t place;	   /* of the field in struct demo_options */
	uint64_t min, max; /* OPTION_NUMBER */
	const char *value; /* how the help names it */
	const char *help;
} rows[] = {
    {"host", OPTION_TEXT, offsetof(struct demo_options, host), 0, 0, "ADDRESS",
	"listen on this address (127.0.0.1)"},
    {"port", OPTION_NUMBER, offsetof(struct demo_options, port), 0, 65535, "N",
	"listen on this port, 0 for any free one (1234)"},
    {"model", OPTION_TEXT, offsetof(struct demo_options, model), 0, 0, "NAME",
	"the name of the model that is loaded (demo-1)"},
    {"context", OPTION_NUMBER, offsetof(struct demo_options, context), 1, 1000000000, "N",
	"its context size in tokens (8192)"},
    {"no-ws", OPTION_FLAG, offsetof(struct demo_options, no_ws), 0, 0, NULL,
	"refuse the WebSocket with 404"},
    {"no-sse", OPTION_FLAG, offsetof(struct demo_options, no_sse), 0, 0, NULL,
	"refuse POST /v1/chat/completions with 404"},
    {"no-model", OPTION_FLAG, offsetof(struct demo_options, no_model), 0, 0, NULL,
	"run without a loaded model"},
    {"no-readyz", OPTION_FLAG, offsetof(struct demo_options, no_readyz), 0, 0, NULL,
	"have no /readyz, like a plain OpenAI server"},
    {"old-readyz", OPTION_FLAG, offsetof(struct demo_options, old_readyz), 0, 0, NULL,
	"answer /readyz in its older form"},
    {"hang", OPTION_FLAG, offsetof(struct demo_options, hang), 0, 0, NULL,
	"accept connections and never answer"},
    {"api-key", OPTION_TEXT, offsetof(struct demo_options, api_key), 0, 0, "KEY",
	"ask for this key everywhere but at /healthz"},
    {"log", OPTION_TEXT, offsetof(struct demo_options, log), 0, 0, "FILE",
	"append one JSON line for each chat request"},
    {"help", OPTION_FLAG, offsetof(struct demo_options, help), 0, 0, NULL, "show this help"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void name_options(struct buf *out)
{
	for (size_t i = 0; i < ROWS; i++)
		buf_addf(out, "%s--%s", i ? ", " : "", rows[i].name);
}

/* What getopt stopped at is no option, or lacks its value. */
static int refuse_word(const char *word, bool lacks_value, struct err *reterr)
{
	struct buf names = {0};

	if (lacks_value)
		return err_set(reterr, ERR_RANGE, "the option %.100s needs a value", word);
	name_options(&names);
	err_set(reterr, ERR_UNKNOWN, "there is no option \"%.60s\"; allowed are %s", word,
	    buf_cstr(&names));
	buf_finish(&names);
	return ERR_UNKNOWN;
}

static int set_option(
    struct demo_options *o, const struct option_row *row, const char *value, struct err *reterr)
{
	void *field = (char *)o + row->place;
	uint64_t n;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_NUMBER:
		if (!str_parse_u64(str_of(value), row->max, &n) || n < row->min)
			return err_set(reterr, ERR_RANGE,
			    "--%s must be a whole number from %llu to %llu, not \"%.60s\"",
			    row->name, (unsigned long long)row->min, (unsigned long long)row->max,
			    value);
		*(uint64_t *)field = n;
		return 0;
	case OPTION_TEXT:
		if (!value[0] || strlen(value) > OPTION_MAX_TEXT)
			return err_set(reterr, ERR_RANGE, "--%s must be a text of 1 to %d bytes",
			    row->name, OPTION_MAX_TEXT);
		*(const char **)field = value;
		return 0;
	}
	return 0;
}

int demo_options_parse(int argc, char **argv, struct demo_options *ret, struct err *reterr)
{
	struct option longs[ROWS + 1] = {0};
	int rc, at;

	*ret = (struct demo_options){
	    .host = "127.0.0.1", .port = 1234, .model = "demo-1", .context = 8192};
	for (size_t i = 0; i < ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].kind == OPTION_FLAG ? no_argument : required_argument;
	}
	/* 0, not 1: somebody may have used getopt before us, in another mode (getopt(3)). */
	optind = 0;
	for (;;) {
		int c = getopt_long(argc, argv, "+:", longs, &at);

		if (c == -1)
			break;
		if (c != 0) {
			/* optopt: the letter after one "-"; 0 for a long name, which optind has
			 * passed. */
			char letter[] = {'-', (char)optopt, '\0'};

			return refuse_word(optopt ? letter : argv[optind - 1], c == ':', reterr);
		}
		rc = set_option(ret, &rows[at], optarg, reterr);
		if (rc != 0)
			return rc;
	}
	if (optind < argc)
		return refuse_word(argv[optind], false, reterr);
	return 0;
}

void demo_options_help(struct buf *out)
{
	buf_adds(out,
	    "usage: opta lmx demo [options]\n\n"
	    "A model server that is no model: it answers what words in the prompt ask for.\n"
	    "It speaks OpenAI chat and Responses, Opta LMX, Ollama and Anthropic's Messages.\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
		    rows[i].value ? rows[i].value : "");
		buf_addf(out, "  %-22s %s\n", left, rows[i].help);
	}
	buf_adds(out, "\nWords of the last user message, separated by blanks:\n\n");
	demo_prompt_help(out);
}
