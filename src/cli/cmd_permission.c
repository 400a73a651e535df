/* opta pending, approve, deny: permission requests from any terminal. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/term.h"
#include "protocol/errors.h"

/* The open requests of a daemon that runs, as JSON (json_decref). EXIT_DONE, or it was said why
 * not. */
static int read_pending(struct client *c, json_t **ret)
{
	struct err err;

	if (paths_init(&c->paths, &err) != 0)
		return cmd_fail(&err);
	*ret = NULL;
	if (client_find(c) != CLIENT_RUNNING)
		return EXIT_DONE;
	*ret = client_json(c, "GET", "/v3/permissions", NULL, CLIENT_ASK_MS, NULL, &err);
	return *ret ? EXIT_DONE : cmd_fail(&err);
}

/* A request as a person reads it. */
static void print_one(const json_t *request)
{
	struct str preview = json_str(request, "preview"), line;

	term_line("%s  %s  session %s  until %s", json_cstr(request, "requestId", "?"),
	    json_cstr(request, "toolName", "?"), json_cstr(request, "sessionId", "?"),
	    json_cstr(request, "expiresAt", "?"));
	while (preview.n) {
		struct buf seen = {0};

		preview = str_cut(preview, '\n', &line);
		term_put_visible(&seen, line.p, line.n);
		term_line("    %s", buf_cstr(&seen));
		buf_finish(&seen);
	}
}

int cmd_pending(const struct cmd_line *line)
{
	json_t *root = NULL, *list, *one;
	struct client c = {0};
	int rc = read_pending(&c, &root);
	size_t i;

	if (rc != EXIT_DONE)
		return rc;
	list = json_object_get(root, "pending");
	json_array_foreach (list, i, one)
		print_one(one);
	if (!json_array_size(list))
		printf("nothing waits for an answer\n");
	else
		printf("\nanswer with: opta approve ID, opta deny ID\n");
	json_decref(root);
	return EXIT_DONE;
}

/* The request whose id is `id` or the only one that begins with it. */
static const json_t *find(const json_t *list, const char *id, size_t *ret_fitting)
{
	const json_t *found = NULL, *one;
	size_t i, n = strlen(id);

	*ret_fitting = 0;
	json_array_foreach (list, i, one) {
		const char *have = json_cstr(one, "requestId", "");

		if (strcmp(have, id) == 0) {
			*ret_fitting = 1;
			return one;
		}
		/* With or without "perm_". */
		if (strncmp(have, id, n) == 0 ||
		    (strncmp(have, "perm_", 5) == 0 && strncmp(have + 5, id, n) == 0)) {
			found = one;
			++*ret_fitting;
		}
	}
	return found;
}

/* What was answered: a part of an id may be another request's than was thought. */
static void print_answered(const json_t *request, bool allow)
{
	struct str preview = json_str(request, "preview"), line;
	struct buf seen = {0};

	str_cut(preview, '\n', &line);
	term_put_visible(&seen, line.p, line.n);
	term_line("%s  %s  %s  %s", allow ? "allowed" : "denied",
	    json_cstr(request, "requestId", ""), json_cstr(request, "toolName", "?"),
	    buf_cstr(&seen));
	buf_finish(&seen);
}

static int send_answer(
    const struct client *c, const json_t *request, bool allow, const struct cmd_line *line)
{
	const char *answer = cmd_value(line, "--answer");
	struct buf target = {0}, body = {0}, out = {0};
	json_t *root = NULL;
	struct err err;
	int status, rc;

	buf_addf(&target, "/v3/sessions/%s/permission-requests/%s/resolve",
	    json_cstr(request, "sessionId", ""), json_cstr(request, "requestId", ""));
	buf_addf(&body, "{\"decision\":\"%s\",\"decidedBy\":\"opta-cli\",\"remember\":%s",
	    allow ? "allow" : "deny", cmd_flag(line, "--remember") ? "true" : "false");
	if (answer) {
		buf_adds(&body, ",\"answer\":");
		json_put_cstr(&body, answer);
	}
	buf_addc(&body, '}');
	status = client_request(
	    c, "POST", buf_cstr(&target), buf_cstr(&body), CLIENT_ASK_MS, &out, &err);
	json_parse(out.p, out.len, &root, NULL);
	if (status == 200) {
		print_answered(request, allow);
		rc = EXIT_DONE;
	} else if (status == 409) {
		rc = cmd_error("somebody was faster: it was decided \"%s\" by %s",
		    json_cstr(root, "decision", "?"), json_cstr(root, "decidedBy", "?"));
	} else {
		rc = cmd_error(
		    "%s", status < 0 ? err.text
				     : json_cstr(root, "message", json_cstr(root, "error", "?")));
	}
	json_decref(root);
	buf_finish(&target);
	buf_finish(&body);
	buf_finish(&out);
	return rc;
}

static int answer(const struct cmd_line *line, bool allow)
{
	const json_t *request;
	struct client c = {0};
	json_t *root = NULL;
	int rc = read_pending(&c, &root);
	size_t fitting;

	if (rc != EXIT_DONE)
		return rc;
	request = find(json_object_get(root, "pending"), line->words[0], &fitting);
	if (fitting == 1)
		rc = send_answer(&c, request, allow, line);
	else if (fitting)
		rc = cmd_error(
		    "%zu requests begin with %s: give more of the id", fitting, line->words[0]);
	else
		rc = cmd_error(
		    "no request %s waits for an answer; `opta pending` lists those that do",
		    line->words[0]);
	json_decref(root);
	return rc;
}

int cmd_approve(const struct cmd_line *line)
{
	return answer(line, true);
}

int cmd_deny(const struct cmd_line *line)
{
	return answer(line, false);
}
