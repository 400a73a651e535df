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
		if (!json_is_string(content) && !json_is_array(content)) {
			problems_add(
			    p, "messages", "each needs a content: a string or a list of parts");
			return NULL;
		}
	}
	return list;
}

/* Only asks about the path; whether it still exists at the tool call is asked again there. */
static void check_workspace(const char *path, struct problems *p)
{
	if (path[0] != '/')
		problems_add(p, "metadata.workspace", "must be an absolute path");
	else if (strlen(path) > 4000)
		problems_add(p, "metadata.workspace", "is too long (at most 4000 bytes)");
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
		const json_t *workspace = json_object_get(ret->metadata, "workspace");

		if (workspace && !json_is_null(workspace) && !json_is_string(workspace))
			problems_add(p, "metadata.workspace", "must be a string");
		ret->workspace = json_string_value(workspace);
		if (ret->workspace)
			check_workspace(ret->workspace, p);
	}
	return p->count == 0;
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
	ret->overrides = object(body, "overrides", p);
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

bool request_cancel(const json_t *body, struct request_cancel *ret, struct problems *p)
{
	*ret = (struct request_cancel){0};
	if (!body_ok(body, p))
		return false;
	ret->turn_id = text(body, "turnId", REQUEST_MAX_NAME, p);
	ret->writer_id = text(body, "writerId", REQUEST_MAX_NAME, p);
	return p->count == 0;
}
