/* Requests and answers of one tool call. */
#include "tools/request.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

void request_put_frame(struct buf *out, enum request_frame kind, const void *p, size_t n)
{
	uint32_t len = (uint32_t)n;

	buf_addc(out, (char)kind);
	buf_add(out, &len, sizeof len);
	buf_add(out, p, n);
}

int64_t request_frame(
    const char *p, size_t n, char *ret_kind, const char **ret_bytes, size_t *ret_len)
{
	uint32_t len;

	if (n < REQUEST_FRAME_HEAD)
		return 0;
	memcpy(&len, p + 1, sizeof len);
	if (len > REQUEST_MAX_FRAME || !strchr("QOESA", p[0]))
		return -1;
	if (n - REQUEST_FRAME_HEAD < len)
		return 0;
	*ret_kind = p[0];
	*ret_bytes = p + REQUEST_FRAME_HEAD;
	*ret_len = len;
	return REQUEST_FRAME_HEAD + (int64_t)len;
}

static void put_text(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addf(out, ",\"%s\":", name);
	json_put_cstr(out, value);
}

static void put_flag(struct buf *out, const char *name, bool value)
{
	if (value)
		buf_addf(out, ",\"%s\":true", name);
}

void request_put(struct buf *out, const struct tool_request *r)
{
	buf_addf(out, "{\"step\":%d,\"memoryMb\":%d,\"timeoutMs\":%llu", (int)r->step, r->memory_mb,
	    (unsigned long long)r->timeout_ms);
	put_text(out, "tool", r->tool);
	put_text(out, "workspace", r->workspace);
	put_text(out, "session", r->session);
	put_text(out, "call", r->call);
	put_text(out, "hidden", r->hidden);
	put_text(out, "artifacts", r->artifacts);
	put_text(out, "outside", r->outside);
	put_text(out, "expect", r->expect);
	put_text(out, "control", r->control);
	put_flag(out, "anyRepository", r->any_repository);
	if (r->sockets) {
		buf_adds(out, ",\"sockets\":");
		json_put(out, r->sockets);
	}
	if (r->repositories) {
		buf_adds(out, ",\"repositories\":");
		json_put(out, r->repositories);
	}
	put_flag(out, "outsideWrite", r->outside_write);
	put_flag(out, "unguarded", r->unguarded);
	put_flag(out, "network", r->network);
	buf_adds(out, ",\"args\":");
	json_put(out, r->args);
	buf_addc(out, '}');
}

static bool flag(const json_t *json, const char *name)
{
	return json_is_true(json_object_get(json, name));
}

bool request_parse(const json_t *json, struct tool_request *ret)
{
	int64_t step = json_int(json, "step", -1);

	*ret = (struct tool_request){.tool = json_cstr(json, "tool", NULL),
	    .workspace = json_cstr(json, "workspace", NULL),
	    .session = json_cstr(json, "session", NULL),
	    .call = json_cstr(json, "call", NULL),
	    .hidden = json_cstr(json, "hidden", NULL),
	    .artifacts = json_cstr(json, "artifacts", NULL),
	    .outside = json_cstr(json, "outside", NULL),
	    .expect = json_cstr(json, "expect", NULL),
	    .control = json_cstr(json, "control", NULL),
	    .sockets = json_object_get(json, "sockets"),
	    .repositories = json_object_get(json, "repositories"),
	    .any_repository = flag(json, "anyRepository"),
	    .outside_write = flag(json, "outsideWrite"),
	    .unguarded = flag(json, "unguarded"),
	    .network = flag(json, "network"),
	    .memory_mb = (int)json_int(json, "memoryMb", 2048),
	    .timeout_ms = (uint64_t)json_int(json, "timeoutMs", 0),
	    .args = json_object_get(json, "args")};
	ret->step = (enum tool_step)step;
	return step >= STEP_RUN && step <= STEP_BACKGROUND && ret->tool && ret->workspace &&
	       ret->session && ret->call && json_is_object(ret->args);
}

void answer_put(struct buf *out, const struct tool_answer *a)
{
	buf_addf(out, "{\"ok\":%s", a->ok ? "true" : "false");
	put_flag(out, "truncated", a->truncated);
	put_flag(out, "changed", a->changed);
	put_flag(out, "timedOut", a->timed_out);
	put_flag(out, "dirExisted", a->dir_existed);
	if (a->has_exit)
		buf_addf(out, ",\"exitCode\":%d", a->exit_code);
	put_text(out, "text", a->text);
	put_text(out, "crash", a->crash);
	put_text(out, "state", a->state);
	put_text(out, "control", a->control);
	put_text(out, "repository", a->repository);
	put_text(out, "unguarded", a->unguarded);
	put_text(out, "warning", a->warning);
	buf_addc(out, '}');
}

bool answer_parse(const char *p, size_t n, struct tool_answer *ret)
{
	json_t *json = NULL;

	if (json_parse(p, n, &json, NULL) != 0)
		return false;
	*ret = (struct tool_answer){.ok = flag(json, "ok"),
	    .truncated = flag(json, "truncated"),
	    .changed = flag(json, "changed"),
	    .timed_out = flag(json, "timedOut"),
	    .dir_existed = flag(json, "dirExisted"),
	    .has_exit = json_is_integer(json_object_get(json, "exitCode")),
	    .exit_code = (int)json_int(json, "exitCode", 0),
	    .text = json_cstr(json, "text", ""),
	    .crash = json_cstr(json, "crash", NULL),
	    .state = json_cstr(json, "state", ""),
	    .control = json_cstr(json, "control", ""),
	    .repository = json_cstr(json, "repository", ""),
	    .unguarded = json_cstr(json, "unguarded", ""),
	    .warning = json_cstr(json, "warning", ""),
	    .memory = json};
	return true;
}

void answer_finish(struct tool_answer *a)
{
	json_decref(a->memory);
	a->memory = NULL;
}
