/* What a refusal names. */
#include "model/negotiation.h"

#include <stddef.h>
#include <string.h>

/* The first rule that fits counts: a sentence may name more than it refuses. */
static const struct {
	const char *thing, *other; /* other: a second word that must stand there too, or NULL */
	bool bare;		   /* its name alone says so: no word of refusal is needed */
	struct negotiation n;
} rules[] = {
    {"max_completion_tokens", NULL, true,
	{DROP_MAX_TOKENS, "this model does not know max_tokens", "with max_completion_tokens"}},
    {"max_tokens", NULL, false,
	{DROP_MAX_TOKENS, "this model does not know max_tokens", "with max_completion_tokens"}},
    {"cache_control", NULL, true,
	{DROP_CACHE, "this server does not know cache_control", "without it"}},
    {"encrypted", NULL, true, {DROP_SEALS, "this model seals no reasoning", "without it"}},
    {"include", "unsupported", false, {DROP_SEALS, "this model seals no reasoning", "without it"}},
    {"stream_options", NULL, true,
	{DROP_USAGE, "this server does not know stream_options", "without them"}},
    {"include_usage", NULL, true,
	{DROP_USAGE, "this server does not know stream_options", "without them"}},
    {"enable-auto-tool-choice", NULL, true,
	{DROP_TOOLS, "this model takes no tools", "without them"}},
    {"tool-call-parser", NULL, true, {DROP_TOOLS, "this model takes no tools", "without them"}},
    {"tool_choice", NULL, false,
	{DROP_TOOL_CHOICE, "this server does not know tool_choice", "without it"}},
    {"tool", NULL, false, {DROP_TOOLS, "this model takes no tools", "without them"}},
    {"function call", NULL, false, {DROP_TOOLS, "this model takes no tools", "without them"}},
    {"functions", NULL, false, {DROP_TOOLS, "this model takes no tools", "without them"}},
    {"system", "role", false,
	{DROP_SYSTEM, "this model takes no system message",
	    "with its words before the first message"}},
    {"system", "message", false,
	{DROP_SYSTEM, "this model takes no system message",
	    "with its words before the first message"}},
    {"developer instruction", NULL, false,
	{DROP_SYSTEM, "this model takes no system message",
	    "with its words before the first message"}},
};

/* Is it a sentence that says no to something? */
static bool says_no(const char *said)
{
	static const char *const words[] = {"support", "not allowed", "not permitted", "unknown",
	    "unrecognized", "unexpected", "unsupported", "not enabled", "extra inputs",
	    "extra fields", "not implemented", "not available", "disabled", "invalid parameter",
	    "cannot be used", "can't be used", "unable to", "only user", "only 'user'", "no parser",
	    "not enabled"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(said, words[i]))
			return true;
	return false;
}

static bool was_sent(enum drop drop, unsigned dropped, bool tools, bool max_tokens)
{
	if (dropped & drop)
		return false;
	if (drop == DROP_TOOLS || drop == DROP_TOOL_CHOICE)
		return tools && !(dropped & DROP_TOOLS);
	return drop != DROP_MAX_TOKENS || max_tokens;
}

bool negotiation_find(
    const char *said, unsigned dropped, bool tools, bool max_tokens, struct negotiation *ret)
{
	bool no = says_no(said);

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		if (!strcasestr(said, rules[i].thing) || (!rules[i].bare && !no) ||
		    (rules[i].other && !strcasestr(said, rules[i].other)) ||
		    !was_sent(rules[i].n.drop, dropped, tools, max_tokens))
			continue;
		*ret = rules[i].n;
		return true;
	}
	return false;
}

bool negotiation_names(const char *said)
{
	struct negotiation n;

	return negotiation_find(said, 0, true, true, &n);
}
