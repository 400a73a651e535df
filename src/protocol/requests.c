/* What clients ask for, checked field by field. */
#include "protocol/requests.h"

#include "base/str.h"

void problems_add(struct problems *p, const char *field, const char *reason)
{
	if (p->count++ == 0)
		snprintf(p->first, sizeof p->first, "%.60s: %.180s", field, reason);
	else
		buf_addc(&p->details, ',');
	buf_adds(&p->details, "{\"field\":");
	json_put_cstr(&p->details, field);
	buf_adds(&p->details, ",\"reason\":");
	json_put_cstr(&p->details, reason);
	buf_addc(&p->details, '}');
}

void problems_finish(struct problems *p)
{
	buf_finish(&p->details);
}

bool request_id_ok(struct str id)
{
	if (id.n < 1 || id.n > REQUEST_MAX_ID)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-'))
			return false;
	}
	return true;
}

static bool body_ok(const json_t *body, struct problems *p)
{
	if (json_is_object(body))
		return true;
	problems_add(p, "body", "must be a JSON object");
	return false;
}

/* An optional string of at most max bytes; null counts as absent. */
static const char *text(const json_t *body, const char *field, size_t max, struct problems *p)
{
	const json_t *v = json_object_get(body, field);
	char reason[80];

	if (!v || json_is_null(v))
		return NULL;
	if (!json_is_string(v)) {
		problems_add(p, field, "must be a string");
		return NULL;
	}
	if (json_string_length(v) > max) {
		snprintf(reason, sizeof reason, "must be at most %zu bytes, has %zu", max,
		    json_string_length(v));
		problems_add(p, field, reason);
		return NULL;
	}
	return json_string_value(v);
}

/* An optional object whose JSON text is at most REQUEST_MAX_METADATA bytes. */
static const json_t *object(const json_t *body, const char *field, struct problems *p)
{
	const json_t *v = json_object_get(body, field);
	struct buf size = {0};

	if (!v || json_is_null(v))
		return NULL;
	if (!json_is_object(v)) {
		problems_add(p, field, "must be an object");
		return NULL;
	}
	json_put(&size, v);
	if (size.len > REQUEST_MAX_METADATA) {
		problems_add(p, field, "is too large (at most 65536 bytes of JSON)");
		v = NULL;
	}
	buf_finish(&size);
	return v;
}

static const json_t *messages(const json_t *body, struct problems *p)
{
	const json_t *list = json_object_get(body, "messages"), *one;
	size_t i;

	if (!list || json_is_null(list))
		return NULL;
	if (!json_is_array(list) || json_array_size(list) > REQUEST_MAX_MESSAGES) {
		problems_add(p, "messages", "must be an array of at most 10000 messages");
		return NULL;
	}
	json_array_foreach (list, i, one) {
		const char *role = json_cstr(one, "role", "");
		const json_t *content = json_object_get(one, "content");

		if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 &&
		    strcmp(role, "system") != 0 && strcmp(role, "tool") != 0) {
			problems_add(
			    p, "messages", "each needs a role: user, assistant, system or tool");
			return NULL;
		}
		/* An assistant that only called tools said nothing. */
		if (!json_is_string(content) && !json_is_array(content) &&
		    !(json_is_null(content) && json_is_array(json_object_get(one, "tool_calls")))) {
			problems_add(p, "messages",
			    "each needs a content: a string or a list of parts (null only beside "
			    "tool_calls)");
			return NULL;
		}
	}
	return list;
}

/*
 * An absolute path names a directory; whether it still exists at the tool call is asked again
 * there. Any other text is a label, as published clients send them ("default", ""), and no
 * directory. The directory, or NULL.
 */
static const char *workspace_of(const json_t *metadata, struct problems *p)
{
	const json_t *v = json_object_get(metadata, "workspace");
	const char *path = json_string_value(v);

	if (v && !json_is_null(v) && !path)
		problems_add(p, "metadata.workspace", "must be a string");
	if (!path || path[0] != '/')
		return NULL;
	if (json_string_length(v) > REQUEST_MAX_PATH)
		problems_add(p, "metadata.workspace", "is too long (at most 4000 bytes)");
	return path;
}

bool request_session(const json_t *body, struct request_session *ret, struct problems *p)
{
	*ret = (struct request_session){0};
	if (!body_ok(body, p))
		return false;
	ret->session_id = text(body, "sessionId", REQUEST_MAX_ID, p);
	if (ret->session_id && !request_id_ok(str_of(ret->session_id)))
		problems_add(p, "sessionId", "must match ^[a-zA-Z0-9_-]{1,64}$");
	ret->model = text(body, "model", REQUEST_MAX_NAME, p);
	ret->title = text(body, "title", REQUEST_MAX_TITLE, p);
	ret->messages = messages(body, p);
	ret->metadata = object(body, "metadata", p);
	if (ret->metadata) {
		ret->workspace = workspace_of(ret->metadata, p);
		if (json_object_get(ret->metadata, "device") &&
		    (!json_is_string(json_object_get(ret->metadata, "device")) ||
			json_string_length(json_object_get(ret->metadata, "device")) > 1024))
			problems_add(p, "metadata.device", "must be a model server, HOST:PORT");
	}
	return p->count == 0;
}

static bool flag(const json_t *body, const char *field, const char *name, struct problems *p)
{
	const json_t *v = json_object_get(body, field);

	if (v && !json_is_null(v) && !json_is_boolean(v))
		problems_add(p, name, "must be true or false");
	return json_is_true(v);
}

/* Those nobody knows are other clients' business. */
static void overrides(const json_t *o, struct turn_overrides *ret, struct problems *p)
{
	const json_t *max = json_object_get(o, "maxToolCalls");

	*ret = (struct turn_overrides){.allow_edits = flag(o, "auto", "overrides.auto", p),
	    .allow_all = flag(o, "dangerous", "overrides.dangerous", p),
	    .non_interactive = flag(o, "nonInteractive", "overrides.nonInteractive", p)};
	if (!max || json_is_null(max))
		return;
	ret->max_tool_calls = json_int(o, "maxToolCalls", -1);
	if (ret->max_tool_calls < 1 || ret->max_tool_calls > 10000)
		problems_add(p, "overrides.maxToolCalls", "must be a whole number from 1 to 10000");
}

bool request_turn(const json_t *body, struct request_turn *ret, struct problems *p)
{
	static const char *const modes[] = {"chat", "do", "plan", "review", "research"};
	const json_t *content, *seen;
	bool known = false;

	*ret = (struct request_turn){0};
	if (!body_ok(body, p))
		return false;
	content = json_object_get(body, "content");
	if (!json_is_string(content) || json_string_length(content) == 0)
		problems_add(p, "content", "must be a string that is not empty");
	ret->content = json_string_value(content);
	ret->content_len = json_string_length(content);
	ret->client_id = text(body, "clientId", REQUEST_MAX_NAME, p);
	ret->writer_id = text(body, "writerId", REQUEST_MAX_NAME, p);
	ret->mode = text(body, "mode", REQUEST_MAX_NAME, p);
	ret->idempotency_key = text(body, "idempotencyKey", REQUEST_MAX_NAME, p);
	ret->metadata = object(body, "metadata", p);
	overrides(object(body, "overrides", p), &ret->overrides, p);
	if (!ret->client_id)
		ret->client_id = "anonymous";
	if (!ret->writer_id)
		ret->writer_id = ret->client_id;
	if (!ret->mode)
		ret->mode = "chat";
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		known |= strcmp(modes[i], ret->mode) == 0;
	if (!known)
		problems_add(p, "mode", "must be one of chat, do, plan, review, research");
	seen = json_object_get(body, "lastSeenSeq");
	if (seen && !json_is_null(seen)) {
		int64_t n = json_int(seen ? body : NULL, "lastSeenSeq", -1);

		if (n < 0)
			problems_add(p, "lastSeenSeq", "must be a whole number, 0 or more");
		ret->has_last_seen = n >= 0;
		ret->last_seen_seq = n < 0 ? 0 : (uint64_t)n;
	}
	return p->count == 0;
}

bool request_resolve(const json_t *body, struct request_resolve *ret, struct problems *p)
{
	const char *decision;

	*ret = (struct request_resolve){0};
	if (!body_ok(body, p))
		return false;
	decision = text(body, "decision", REQUEST_MAX_NAME, p);
	if (!decision || (strcmp(decision, "allow") != 0 && strcmp(decision, "deny") != 0))
		problems_add(p, "decision", "must be allow or deny");
	else
		ret->allow = decision[0] == 'a';
	ret->request_id = text(body, "requestId", REQUEST_MAX_ID, p);
	ret->remember = flag(body, "remember", "remember", p);
	ret->decided_by = text(body, "decidedBy", REQUEST_MAX_NAME, p);
	ret->answer = text(body, "answer", REQUEST_MAX_METADATA, p);
	if (!ret->decided_by)
		ret->decided_by = "anonymous";
	return p->count == 0;
}

bool request_background(const json_t *body, struct request_background *ret, struct problems *p)
{
	const json_t *timeout;

	*ret = (struct request_background){0};
	if (!body_ok(body, p))
		return false;
	ret->session_id = text(body, "sessionId", REQUEST_MAX_ID, p);
	ret->command = text(body, "command", REQUEST_MAX_COMMAND, p);
	ret->label = text(body, "label", REQUEST_MAX_NAME, p);
	ret->cwd = text(body, "cwd", REQUEST_MAX_PATH, p);
	if (!ret->session_id || !request_id_ok(str_of(ret->session_id)))
		problems_add(p, "sessionId", "must name a session");
	if (!ret->command || !ret->command[0])
		problems_add(p, "command", "must be a shell command");
	timeout = json_object_get(body, "timeoutMs");
	if (timeout && !json_is_null(timeout)) {
		int64_t n = json_int(body, "timeoutMs", -1);

		if (n < 0 || n > 86400000)
			problems_add(p, "timeoutMs", "must be a whole number from 0 to 86400000");
		ret->timeout_ms = n < 0 ? 0 : (uint64_t)n;
	}
	return p->count == 0;
}

bool request_cancel(const json_t *body, struct request_cancel *ret, struct problems *p)
{
	*ret = (struct request_cancel){0};
	if (!body_ok(body, p))
		return false;
	ret->turn_id = text(body, "turnId", REQUEST_MAX_NAME, p);
	ret->writer_id = text(body, "writerId", REQUEST_MAX_NAME, p);
	return p->count == 0;
}
